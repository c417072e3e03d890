//! The answer to a create. A key without the scope `read` gets back what it sent, and nothing of a stored recipient.

use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::money::Money;
use payout_core::payout::{ExternalId, Payout, StatementText};
use payout_core::stored_recipient::RecipientId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MetadataBody, PayoutBody, amount, time_of_some};
use crate::http::openapi::StatusName;

/// The payout; for a key without the scope `read`, a payout that copies a stored recipient is without it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are payouts; boxing each would cost more"
)]
pub(crate) enum CreatedAnswer<'a> {
    Payout(PayoutBody<'a>),
    Copy(CopyBody<'a>),
}

/// A payout that copies a stored recipient, for a key that may not read it: the fields that the key sent. The `ETag`
/// header has its version.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PayoutCopy)]
pub(crate) struct CopyBody<'a> {
    /// A UUID, version 7.
    id: Uuid,
    /// The status of the payout.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// The stored recipient that the receiver was copied from.
    recipient_id: Uuid,
    /// The amount, with the currency's own number of decimals.
    #[serde(serialize_with = "amount")]
    #[schema(value_type = String, pattern = r"^\d{1,18}(\.\d{1,4})?$", example = "125.50")]
    amount: Money,
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The purpose of the payment.
    #[schema(max_length = 255, example = "Invoice 2026-117")]
    description: &'a str,
    /// The client's own reference; otherwise null.
    #[schema(
        required = true,
        min_length = 1,
        max_length = 128,
        example = "salary-2026-11-117"
    )]
    external_id: Option<&'a str>,
    /// Texts that the client keeps with the payout, by name.
    #[schema(value_type = std::collections::BTreeMap<String, String>, example = json!({"team": "payroll"}))]
    metadata: MetadataBody<'a>,
    /// The text for the recipient's statement; otherwise null.
    #[schema(
        required = true,
        min_length = 1,
        max_length = 140,
        example = "Salary November 2026"
    )]
    statement_text: Option<&'a str>,
    /// The time that the payout is scheduled for; null if it was due at once.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2026-12-01T09:00:00.000000Z")]
    scheduled_at: Option<Timestamp>,
}

impl<'a> CreatedAnswer<'a> {
    pub(super) fn of(payout: &'a Payout, principal: &Principal) -> Self {
        match payout.details().recipient_id {
            Some(copied) if !principal.may(Scope::Read) => Self::Copy(CopyBody::of(payout, copied)),
            Some(_) | None => Self::Payout(PayoutBody::of(payout, principal)),
        }
    }
}

impl<'a> CopyBody<'a> {
    fn of(payout: &'a Payout, copied: RecipientId) -> Self {
        let details = payout.details();
        Self {
            id: payout.id().as_uuid(),
            status: payout.status().as_str(),
            recipient_id: copied.as_uuid(),
            amount: details.money,
            currency: details.money.currency().code(),
            description: details.description.as_str(),
            external_id: details.external_id.as_ref().map(ExternalId::as_str),
            metadata: MetadataBody(&details.metadata),
            statement_text: details.statement_text.as_ref().map(StatementText::as_str),
            scheduled_at: details.scheduled_at,
        }
    }
}
