//! `PATCH /api/webhooks/{id}/`

use payout_core::payout::Description;
use payout_core::usecase::webhooks::WebhookEdit;
use payout_core::webhook::{EndpointUrl, WebhookId};
use salvo::{Depot, Request, handler};

use super::bodies::WebhookBody;
use super::{ONE_ENDPOINT, log};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::path;
use crate::http::extract::webhooks::{EventTypes, Flag};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<EndpointChanges>()),
    refusals: &[Kind::ChangedMeanwhile, Kind::Unavailable],
    ..ONE_ENDPOINT
};

/// The body of a change: the fields that it names.
struct EndpointChanges {
    url: Field<EndpointUrl>,
    types: Field<EventTypes>,
    description: Field<Description>,
    include_recipient: Field<Flag>,
}

impl JsonBody for EndpointChanges {
    const NAME: &'static str = "WebhookChanges";
    const ABOUT: &'static str = "The fields of an endpoint that change. Omitted ones stay.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            url: form.optional("url", "The address that deliveries are posted to."),
            types: form.optional(
                "types",
                "The types of the events that it gets; every type if empty.",
            ),
            description: form.optional("description", "A text for people."),
            include_recipient: form.optional(
                "include_recipient",
                "True to add the masked recipient to the data of further deliveries.",
            ),
        }
    }
}

/// Change an endpoint
///
/// Workers know of it within a few seconds. Deliveries that are stored already keep their bodies, and go to the new
/// address.
#[utoipa::path(
    patch,
    path = "/api/webhooks/{id}/",
    impl_for = edit_webhook,
    operation_id = "edit_webhook",
    tag = "Webhooks",
    responses((status = 200, description = "The endpoint, changed.", body = WebhookBody)),
)]
#[handler]
pub(crate) async fn edit_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<WebhookId>(request)?;
    let changes = EndpointChanges::parse(&body::read(request)?)?;
    let edit = WebhookEdit {
        url: changes.url.value(),
        types: changes.types.value().map(|types| types.0),
        description: changes.description.value(),
        include_recipient: changes.include_recipient.value().map(|flag| flag.0),
    };
    let actor = context.caller(None).actor;
    let watched = context.webhooks()?.edit(id, edit, &actor).await?;
    log(context, id, "changed");
    Answer::json(&WebhookBody::from(&watched))
}
