//! `POST /api/webhooks/`

use payout_core::payout::Description;
use payout_core::usecase::webhooks::NewWebhook;
use payout_core::webhook::EndpointUrl;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::bodies::ShownWebhookBody;
use super::{MANAGED, log};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::webhooks::{EventTypes, Flag};
use crate::http::middleware::context::Context;
use crate::http::openapi::About;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<NewEndpoint>()),
    refusals: &[Kind::TooManyWebhooks, Kind::Unavailable],
    ..MANAGED
};

/// The body of a request for a new endpoint.
pub(in crate::http) struct NewEndpoint {
    pub(in crate::http) url: Field<EndpointUrl>,
    pub(in crate::http) types: Field<EventTypes>,
    pub(in crate::http) description: Field<Description>,
    pub(in crate::http) include_recipient: Field<Flag>,
}

impl JsonBody for NewEndpoint {
    const NAME: &'static str = "NewWebhookRequest";
    const ABOUT: &'static str = "The fields of a new endpoint.";

    fn of(form: &mut impl JsonForm) -> Self {
        let url = About::new("The address that deliveries are posted to.");
        Self {
            url: form.required("url", url.example("https://shop.example/hooks/payouts")),
            types: form.optional(
                "types",
                "The types of the events that it gets; every type if omitted or empty.",
            ),
            description: form.optional("description", "A text for people."),
            include_recipient: form.optional(
                "include_recipient",
                "True to add the masked recipient to the data. Without it, nothing of the recipient is sent.",
            ),
        }
    }
}

/// Make an endpoint
///
/// It gets the events of the feed from now on, signed by the specification Standard Webhooks. The answer contains the
/// secret, which cannot be shown again.
#[utoipa::path(
    post,
    path = "/api/webhooks/",
    impl_for = create_webhook,
    operation_id = "create_webhook",
    tag = "Webhooks",
    responses((status = 201, description = "The endpoint, and its secret.", body = ShownWebhookBody)),
)]
#[handler]
pub(crate) async fn create_webhook(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let new = NewEndpoint::parse(&body::read(request)?)?;
    let new = NewWebhook {
        url: new.url.required()?,
        types: new.types.value().unwrap_or_default().0,
        description: new.description.value().unwrap_or_default(),
        include_recipient: new.include_recipient.value().is_some_and(|flag| flag.0),
    };
    let webhooks = context.webhooks()?;
    let (endpoint, secret) = webhooks.create(new).await?;
    log(context, endpoint.id, "made");
    let watched = webhooks.get(endpoint.id).await?;
    Ok(Answer::json(&ShownWebhookBody::of(&watched, &secret))?.status(StatusCode::CREATED))
}
