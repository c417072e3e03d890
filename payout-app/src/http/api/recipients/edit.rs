//! `PATCH /api/recipients/{id}/`

use payout_core::access::Scope;
use payout_core::payout::ExternalId;
use payout_core::stored_recipient::RecipientId;
use payout_core::usecase::recipients::EditRecipient;
use salvo::{Depot, Request, handler};

use super::StoredRecipientAnswer;
use crate::http::answer::Answer;
use crate::http::api::payouts::edit::sight;
use crate::http::extract::body;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::extract::recipient::RecipientInput;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<RecipientId>()),
    headers: &[&CONDITIONS],
    body: Some(BodyPolicy::required::<RecipientChanges>()),
    refusals: &[Kind::RecipientExternalIdTaken, Kind::ChangedMeanwhile],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// The body of changes to a recipient.
struct RecipientChanges {
    external_id: Field<ExternalId>,
    recipient: Field<RecipientInput>,
}

impl JsonBody for RecipientChanges {
    const NAME: &'static str = "RecipientChangesRequest";
    const ABOUT: &'static str = "The fields of a recipient that change.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            external_id: form.optional("external_id", ""),
            recipient: form.optional(
                "recipient",
                "The receiver of money, which replaces the stored one whole. One with the masks of an answer keeps it.",
            ),
        }
    }

    fn check(&self, errors: &mut Errors) {
        if let Field::Value(recipient) = &self.recipient {
            recipient.check(errors);
        }
    }
}

/// Change a recipient
///
/// Payouts that were made from it stay as they are. A `recipient` from a key without `reveal` counts as a change,
/// whatever is stored.
#[utoipa::path(
    patch,
    path = "/api/recipients/{id}/",
    impl_for = change_recipient,
    operation_id = "change_recipient",
    tag = "Recipients",
    responses((status = 200, description = "The recipient, as it is now.", body = StoredRecipientAnswer,
        headers(("ETag" = String, description = "The recipient's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn change_recipient(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<RecipientId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let changes = RecipientChanges::parse(&body::read(request)?)?;
    let recipients = context.recipients()?;
    let if_match = conditions
        .for_write_of(async || Ok(recipients.get(id).await?.version))
        .await?;
    let edit = EditRecipient {
        external_id: changes.external_id.value(),
        recipient: changes.recipient.value().and_then(RecipientInput::edit),
        sight: sight(&context.principal),
    };
    let stored = recipients.edit(id, edit, if_match.as_deref()).await?;
    super::written(&stored, &context.principal)
}
