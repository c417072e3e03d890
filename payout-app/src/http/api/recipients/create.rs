//! `POST /api/recipients/`

use payout_core::access::Scope;
use payout_core::payout::ExternalId;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::StoredRecipientBody;
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::headers::Recognized;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::recipient::RecipientInput;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    recognized: Recognized::ByExternalId,
    body: Some(BodyPolicy::required::<NewRecipient>()),
    refusals: &[Kind::RecipientExternalIdTaken],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// The body of a new recipient.
pub(in crate::http) struct NewRecipient {
    pub(in crate::http) external_id: Field<ExternalId>,
    pub(in crate::http) recipient: Field<RecipientInput>,
}

impl JsonBody for NewRecipient {
    const NAME: &'static str = "NewRecipientRequest";
    const ABOUT: &'static str = "The fields of a new recipient.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            external_id: form.optional("external_id", ""),
            recipient: form.required("recipient", "The receiver of money, by the type of the account."),
        }
    }

    fn check(&self, errors: &mut Errors) {
        if let Field::Value(recipient) = &self.recipient {
            recipient.check_whole(errors);
        }
    }
}

/// Store a recipient
///
/// Name its id as `recipient_id` in a new payout, and the recipient is copied into that payout. Send an `external_id`
/// to repeat the request safely: the second one gets 409, and its detail names the recipient. An `Idempotency-Key` is
/// refused.
#[utoipa::path(
    post,
    path = "/api/recipients/",
    impl_for = create_recipient,
    operation_id = "create_recipient",
    tag = "Recipients",
    responses((status = 201, description = "The recipient, as it was stored.", body = StoredRecipientBody,
        headers(
            ("Location" = String, description = "The address of the recipient."),
            ("ETag" = String, description = "The recipient's version, for `If-Match`."),
        ))),
)]
#[handler]
pub(crate) async fn create_recipient(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let new = NewRecipient::parse(&body::read(request)?)?;
    let recipient = new.recipient.required()?.whole();
    let recipient = recipient.ok_or_else(|| Problem::internal("a recipient that is not whole".into()))?;
    let stored = context
        .recipients()?
        .create(new.external_id.value(), recipient)
        .await?;
    let path = format!("/api/recipients/{}/", stored.id);
    Ok(super::shown(&stored, &context.principal)?
        .status(StatusCode::CREATED)
        .at_path(path))
}
