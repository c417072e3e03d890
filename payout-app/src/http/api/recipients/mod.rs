//! The endpoints for stored recipients.

pub(crate) mod archive;
pub(crate) mod create;
pub(crate) mod edit;
pub(crate) mod get;
pub(crate) mod list;

use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::payout::ExternalId;
use payout_core::stored_recipient::{RecipientId, StoredRecipient};
use payout_core::usecase::ServiceError;
use payout_core::usecase::recipients::RecipientError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterBuilder;
use uuid::Uuid;

use crate::http::answer::{Answer, RecipientBody, time, time_of_some};
use crate::http::extract::ids::{canonical, uuid};
use crate::http::extract::path::PathValue;
use crate::http::openapi::recipients::ShownRecipient;
use crate::http::problem::{Errors, Kind, Problem};

/// A recipient that is stored for further payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = StoredRecipient, example = json!({
    "id": "019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17",
    "external_id": "supplier-17",
    "recipient": {"type": "iban", "iban": "DE89370400440532013000", "name": "Ada Lovelace"},
    "created_at": "2026-11-24T09:30:00.123456Z",
    "updated_at": "2026-11-24T09:30:00.123456Z",
    "archived_at": null,
}))]
pub(crate) struct StoredRecipientBody<'a> {
    /// A UUID, version 7.
    id: Uuid,
    /// The client's own reference, which no other recipient has.
    #[schema(required = true, example = "supplier-17")]
    external_id: Option<&'a str>,
    /// The receiver of money. For a key without the scope `reveal` it is masked.
    #[schema(value_type = ShownRecipient)]
    recipient: RecipientBody<'a>,
    /// The time of creation.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The time of the latest change.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    updated_at: Timestamp,
    /// The time at which it was archived; null while payouts can be made from it.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2026-11-24T09:31:00.000000Z")]
    archived_at: Option<Timestamp>,
}

/// The receipt that a key without the scope `read` gets for a recipient that it changed.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StoredRecipientReceipt)]
pub(crate) struct StoredRecipientReceipt {
    /// A UUID, version 7.
    id: Uuid,
}

/// The recipient; for a key without the scope `read`, a receipt.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum StoredRecipientAnswer<'a> {
    Recipient(StoredRecipientBody<'a>),
    Receipt(StoredRecipientReceipt),
}

impl<'a> StoredRecipientBody<'a> {
    fn of(stored: &'a StoredRecipient, principal: &Principal) -> Self {
        Self {
            id: stored.id.as_uuid(),
            external_id: stored.external_id.as_ref().map(ExternalId::as_str),
            recipient: RecipientBody::shown(&stored.recipient, principal),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            archived_at: stored.archived_at,
        }
    }
}

/// Answers with a recipient and its `ETag`, to a caller that may read it or has sent all of it.
fn shown(stored: &StoredRecipient, principal: &Principal) -> Result<Answer, Problem> {
    Answer::of_version(stored.version, &StoredRecipientBody::of(stored, principal))
}

/// Answers with a recipient that was written to: a receipt for a caller that may not read it.
fn written(stored: &StoredRecipient, principal: &Principal) -> Result<Answer, Problem> {
    let answer = if principal.may(Scope::Read) {
        StoredRecipientAnswer::Recipient(StoredRecipientBody::of(stored, principal))
    } else {
        StoredRecipientAnswer::Receipt(StoredRecipientReceipt {
            id: stored.id.as_uuid(),
        })
    };
    Answer::of_version(stored.version, &answer)
}

impl PathValue for RecipientId {
    const NAME: &'static str = "id";
    const ABSENT: &'static str = "There is no such recipient.";

    fn read(text: &str) -> Option<Self> {
        canonical(text)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The recipient's id."))
            .schema(Some(uuid()))
    }
}

impl From<RecipientError> for Problem {
    fn from(error: RecipientError) -> Self {
        let detail = error.to_string();
        match error {
            RecipientError::NotFound => Self::new(Kind::NotFound, detail),
            RecipientError::ExternalIdTaken(_) => Self::new(Kind::RecipientExternalIdTaken, detail),
            RecipientError::ExternalIdSet => Self::invalid(Errors::of("external_id", detail)),
            RecipientError::Archived(_) => Self::invalid(Errors::of("recipient_id", detail)),
            RecipientError::Masked => Self::invalid(Errors::of("recipient", detail)),
            RecipientError::PreconditionFailed => Self::new(Kind::PreconditionFailed, detail),
            RecipientError::ChangedMeanwhile => Self::new(Kind::ChangedMeanwhile, detail),
            RecipientError::Repository(error) => ServiceError::from(error).into(),
            error => Self::internal(Box::new(error)),
        }
    }
}
