//! Answers: a payout in its wire format, and the headers that accompany it.

pub(crate) mod cells;
pub(crate) mod created;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{Datelike, Timelike};
use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::batch::BatchId;
use payout_core::money::Money;
use payout_core::payout::{
    Actor, ExternalId, Failure, Metadata, Payout, PayoutId, Recipient, RecipientFields, RecipientType,
    StatementText, Status,
};
use payout_core::ports::DeletedPayout;
use payout_core::provider::{DeclineCode, ProviderName, WaitReason};
use payout_core::stored_recipient::RecipientId;
use salvo::http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, Request, Response, Writer, async_trait};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use self::created::CreatedAnswer;
use crate::http::middleware::context::Context;
use crate::http::openapi::recipients::ShownRecipient;
use crate::http::openapi::{DeclineCodeName, StatusName, WaitReasonName};
use crate::http::problem::Problem;

static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
static WARNING_HEADER: HeaderName = HeaderName::from_static("payout-warning");
const UNCHECKED_IBAN: HeaderValue = HeaderValue::from_static(
    "recipient_account is a valid IBAN; send it as recipient {\"type\": \"iban\"} to have it checked",
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A payout: money that is to be sent, is being sent, or was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Payout, example = json!({
    "id": "019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17",
    "amount": "125.50",
    "currency": "EUR",
    "recipient": {"type": "iban", "iban": "DE89370400440532013000", "name": "Ada Lovelace"},
    "recipient_account": "DE89370400440532013000",
    "recipient_name": "Ada Lovelace",
    "description": "Invoice 2026-117",
    "external_id": "salary-2026-11-117",
    "metadata": {"team": "payroll"},
    "statement_text": "Salary November 2026",
    "scheduled_at": null,
    "created_by": "payroll",
    "batch_id": null,
    "status": "completed",
    "needs_review": false,
    "failure": null,
    "provider": "adyen-eu",
    "provider_reference": "sim_0f6d0e3b9a4c5d21",
    "waiting_for": null,
    "attempts": 1,
    "created_at": "2026-11-24T09:30:00.123456Z",
    "updated_at": "2026-11-24T09:30:02.654321Z",
    "completed_at": "2026-11-24T09:30:02.654321Z",
    "returned": null,
}))]
pub(crate) struct PayoutBody<'a> {
    /// A UUID, version 7.
    id: Uuid,
    /// The amount, with the currency's own number of decimals.
    #[serde(serialize_with = "amount")]
    #[schema(value_type = String, pattern = r"^\d{1,18}(\.\d{1,4})?$", example = "125.50")]
    amount: Money,
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The receiver of the money, by the type of the account.
    #[schema(value_type = ShownRecipient)]
    recipient: RecipientBody<'a>,
    /// The stored recipient that the receiver was copied from; otherwise null.
    #[schema(required = true)]
    recipient_id: Option<Uuid>,
    /// The account in its readable form. For a key without the scope `reveal` it is masked: `••••3000`.
    #[schema(min_length = 1, max_length = 128, example = "DE89370400440532013000")]
    recipient_account: Cow<'a, str>,
    /// The name of the recipient. For a key without the scope `reveal` it is masked: `A••• L•••`.
    #[schema(min_length = 1, max_length = 128, example = "Ada Lovelace")]
    recipient_name: Cow<'a, str>,
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
    /// The name of the API key that created the payout; null where it is not known.
    #[schema(required = true, example = "payroll")]
    created_by: Option<&'a str>,
    /// The batch that the payout came in; null if it was created by itself.
    #[schema(required = true)]
    batch_id: Option<Uuid>,
    /// The status of the payout.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// True if a person must decide how the payout ended: the provider gave no definite answer in time. Only while
    /// `processing`; a person resolves it by `PATCH {"status": "completed" | "failed", "reason": …}`.
    needs_review: bool,
    /// The reason for the failure; null unless `failed`.
    #[schema(required = true)]
    failure: Option<FailureBody<'a>>,
    /// The name of the provider; null while nothing may have been sent to one, and in a service whose only provider has
    /// no name.
    #[schema(required = true, example = "adyen-eu")]
    provider: Option<&'a str>,
    /// The provider's reference for the payment.
    #[schema(required = true, example = "sim_0f6d0e3b9a4c5d21")]
    provider_reference: Option<&'a str>,
    /// The reason why the payout waits, where it is not about the payout itself; null otherwise.
    #[schema(value_type = Option<WaitReasonName>, required = true, example = "funds")]
    waiting_for: Option<&'static str>,
    /// The number of attempts by workers since it was created or last retried.
    #[schema(example = 1)]
    attempts: u32,
    /// The time of creation.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The time of the latest change.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:02.654321Z")]
    updated_at: Timestamp,
    /// The time at which the payout was completed; null if it never was.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2026-11-24T09:30:02.654321Z")]
    completed_at: Option<Timestamp>,
    /// The return of the payment: the money came back after it was paid. Null unless `returned`.
    #[schema(required = true)]
    returned: Option<ReturnedBody<'a>>,
    /// The approvals that the payout requires. Only present if it requires any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ApprovalBody<'static>, required = false)]
    approval: Option<ApprovalBody<'a>>,
    /// The time of deletion. Only present if the payout is deleted, and deleted payouts were asked for.
    #[serde(serialize_with = "time_of_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false, example = "2026-11-24T09:31:00.000000Z")]
    deleted_at: Option<Timestamp>,
}

/// The receipt that a key without the scope `read` gets for a payout that it changed. The `ETag` header has its
/// version.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PayoutReceipt)]
pub(crate) struct ReceiptBody {
    /// A UUID, version 7.
    id: Uuid,
    /// The status of the payout.
    #[schema(value_type = StatusName)]
    status: &'static str,
}

/// The payout; for a key without the scope `read`, a receipt.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are payouts; boxing each would cost more"
)]
pub(crate) enum PayoutAnswer<'a> {
    Payout(PayoutBody<'a>),
    Receipt(ReceiptBody),
}

impl<'a> PayoutAnswer<'a> {
    fn of(payout: &'a Payout, principal: &Principal) -> Self {
        if principal.may(Scope::Read) {
            return Self::Payout(PayoutBody::of(payout, principal));
        }
        Self::Receipt(ReceiptBody {
            id: payout.id().as_uuid(),
            status: payout.status().as_str(),
        })
    }
}

/// The reason why a payout failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(crate) struct FailureBody<'a> {
    /// The provider's code, for programs.
    #[schema(example = "account_closed")]
    code: &'a str,
    /// The provider's message, for people.
    #[schema(example = "The account is closed.")]
    message: &'a str,
    /// The reason in the service's own words, which are the same for every provider; null if it is not known.
    #[schema(value_type = Option<DeclineCodeName>, required = true, example = "account_closed")]
    reason: Option<&'static str>,
}

impl<'a> FailureBody<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            code: failure.code(),
            message: failure.message(),
            reason: failure.reason().map(DeclineCode::as_str),
        }
    }
}

/// The return of a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Return)]
pub(crate) struct ReturnedBody<'a> {
    /// The provider's code, for programs.
    #[schema(example = "account_closed")]
    code: &'a str,
    /// The provider's message, for people.
    #[schema(example = "The account is closed.")]
    message: &'a str,
    /// The reason in the service's own words, which are the same for every provider; null if it is not known.
    #[schema(value_type = Option<DeclineCodeName>, required = true, example = "account_closed")]
    reason: Option<&'static str>,
    /// The time of the return, as the provider tells it, or else as it was found.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T09:30:02.654321Z")]
    at: Timestamp,
    /// The amount that came back, which may be less than the amount that was paid.
    #[serde(serialize_with = "amount")]
    #[schema(value_type = String, pattern = r"^\d{1,18}(\.\d{1,4})?$", example = "125.50")]
    amount: Money,
}

impl<'a> ReturnedBody<'a> {
    /// Builds the body of a returned payout.
    fn of(payout: &'a Payout) -> Option<Self> {
        let parts = payout.parts();
        let (reason, at) = (parts.failure.as_ref()?, parts.returned_at?);
        let FailureBody {
            code,
            message,
            reason,
        } = FailureBody::of(reason);
        let money = payout.money();
        let differs = parts.returned_amount;
        let came_back = differs.and_then(|amount| Money::restore(amount, money.currency()).ok());
        Some(Self {
            code,
            message,
            reason,
            at,
            amount: came_back.unwrap_or(money),
        })
    }
}

/// The approvals of a payout.
#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
pub(crate) struct ApprovalBody<'a> {
    /// The number of people who must approve the payout.
    #[schema(example = 1)]
    required: u8,
    /// The approvals that were given since the payout was last edited or retried, oldest first.
    given: Vec<GivenApprovalBody<'a>>,
    /// The reasons: `amount`, because of the operator's rules, and `duplicate`, because another payout of the same amount
    /// to the same account was stored shortly before.
    #[schema(example = json!(["amount"]))]
    reasons: Vec<&'static str>,
    /// The payout that this one is likely a duplicate of; null if it is not.
    #[schema(required = true)]
    duplicate_of: Option<Uuid>,
}

/// An approval that a person gave.
#[derive(Serialize, ToSchema)]
#[schema(as = GivenApproval)]
pub(crate) struct GivenApprovalBody<'a> {
    /// The name of the API key.
    #[schema(example = "ada")]
    by: &'a str,
    /// The time.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    at: Timestamp,
}

impl<'a> ApprovalBody<'a> {
    /// Builds the body of a payout that requires approval.
    fn of(payout: &'a Payout) -> Option<Self> {
        let approval = payout.parts().approval.as_ref();
        let approval = approval.filter(|approval| approval.required > 0)?;
        let given = approval.given.iter().map(|given| GivenApprovalBody {
            by: given.by.as_str(),
            at: given.at,
        });
        Some(Self {
            required: approval.required,
            given: given.collect(),
            reasons: approval.reasons.iter().map(|reason| reason.as_str()).collect(),
            duplicate_of: approval.duplicate_of().map(PayoutId::as_uuid),
        })
    }
}

impl<'a> PayoutBody<'a> {
    /// Builds the body for a caller. The recipient is masked unless the caller may see it.
    pub(crate) fn of(payout: &'a Payout, principal: &Principal) -> Self {
        let (parts, details) = (payout.parts(), payout.details());
        let (account, name) = (&details.recipient.account(), &details.recipient.name());
        let (recipient_account, recipient_name): (Cow<'a, str>, Cow<'a, str>) =
            if principal.may(Scope::Reveal) {
                (account.as_str().into(), name.as_str().into())
            } else {
                (details.recipient.masked_account().into(), name.masked().into())
            };
        let recipient = RecipientBody::of(
            &details.recipient,
            &recipient_account,
            &recipient_name,
            principal.may(Scope::Reveal),
        );
        let failure = parts.failure.as_ref().filter(|_| parts.status == Status::Failed);
        Self {
            id: parts.id.as_uuid(),
            amount: details.money,
            currency: details.money.currency().code(),
            recipient,
            recipient_id: details.recipient_id.map(RecipientId::as_uuid),
            recipient_account,
            recipient_name,
            description: details.description.as_str(),
            external_id: details.external_id.as_ref().map(ExternalId::as_str),
            metadata: MetadataBody(&details.metadata),
            statement_text: details.statement_text.as_ref().map(StatementText::as_str),
            scheduled_at: details.scheduled_at,
            created_by: parts.created_by.as_ref().map(Actor::as_str),
            batch_id: parts.batch.map(BatchId::as_uuid),
            status: parts.status.as_str(),
            needs_review: parts.needs_review,
            failure: failure.map(FailureBody::of),
            provider: parts
                .first_submitted_at
                .and(parts.provider.as_ref())
                .map(ProviderName::as_str),
            provider_reference: shown_reference(payout),
            waiting_for: parts.waiting_for.map(WaitReason::as_str),
            attempts: parts.claims,
            created_at: parts.created_at,
            updated_at: parts.updated_at,
            completed_at: parts.completed_at,
            returned: ReturnedBody::of(payout),
            approval: ApprovalBody::of(payout),
            deleted_at: None,
        }
    }

    /// Sets the reason why the payout waits, which may be the pause of its provider.
    pub(crate) fn waiting_for(self, reason: Option<WaitReason>) -> Self {
        Self {
            waiting_for: reason.map(WaitReason::as_str),
            ..self
        }
    }

    /// Sets the time of deletion, if the payout was deleted.
    pub(crate) fn deleted_at(self, deleted_at: Option<Timestamp>) -> Self {
        Self { deleted_at, ..self }
    }
}

/// The metadata in an answer.
struct MetadataBody<'a>(&'a Metadata);

impl Serialize for MetadataBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// The recipient in an answer.
pub(crate) enum RecipientBody<'a> {
    /// A plain account.
    Plain {
        account: Cow<'a, str>,
        name: Cow<'a, str>,
    },
    /// An account with further parts.
    Typed(RecipientFields),
}

impl<'a> RecipientBody<'a> {
    /// Builds the body of a recipient for a caller: masked unless the caller may see it.
    pub(crate) fn shown(recipient: &'a Recipient, principal: &Principal) -> Self {
        let (account, name) = (recipient.account(), recipient.name());
        if principal.may(Scope::Reveal) {
            Self::of(recipient, &account.as_str().into(), &name.as_str().into(), true)
        } else {
            let (account, name) = (recipient.masked_account(), name.masked());
            Self::of(recipient, &account.into(), &name.into(), false)
        }
    }

    fn of(recipient: &Recipient, account: &Cow<'a, str>, name: &Cow<'a, str>, revealed: bool) -> Self {
        match (recipient.is_plain(), revealed) {
            (true, _) => Self::Plain {
                account: account.clone(),
                name: name.clone(),
            },
            (false, true) => Self::Typed(recipient.fields()),
            (false, false) => Self::Typed(recipient.masked_fields()),
        }
    }
}

impl Serialize for RecipientBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match self {
            Self::Plain { account, name } => {
                object.serialize_entry("type", RecipientType::Account.as_str())?;
                object.serialize_entry("account", account)?;
                object.serialize_entry("name", name)?;
            }
            Self::Typed(fields) => {
                for (name, text) in fields.outer() {
                    object.serialize_entry(name, text)?;
                }
                let address: BTreeMap<&str, &str> = fields.of_address().collect();
                if !address.is_empty() {
                    object.serialize_entry("address", &address)?;
                }
            }
        }
        object.end()
    }
}

fn shown_reference(payout: &Payout) -> Option<&str> {
    payout
        .parts()
        .provider_reference
        .as_ref()
        .map(|reference| reference.as_str())
}

/// Serializes an amount as a string, with the currency's own number of decimals.
pub(crate) fn amount<S: Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&money.amount())
}

pub(crate) fn time_of_some<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes a time as RFC 3339 in UTC, to the microsecond. Formatted by hand: a format string would cost more than the
/// rest of a payout.
pub(crate) fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(&time_text(at)).unwrap_or_default())
}

/// Formats a time as [`time`] writes it.
fn time_text(at: &Timestamp) -> [u8; 27] {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let micros = at.timestamp_subsec_micros().min(999_999);
    let parts = [
        (0..4, at.year().unsigned_abs().min(9999)),
        (5..7, at.month()),
        (8..10, at.day()),
        (11..13, at.hour()),
        (14..16, at.minute()),
        (17..19, at.second()),
        (20..26, micros),
    ];
    for (range, mut value) in parts {
        for digit in text[range].iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
    }
    text
}

/// A JSON answer.
pub(crate) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    etag: Option<u64>,
    location: Option<String>,
    replayed: bool,
    warning: Option<HeaderValue>,
}

impl Answer {
    /// Builds a 200 with any body.
    pub(crate) fn json(body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(Box::new(error)))?;
        Ok(Self {
            status: StatusCode::OK,
            body,
            etag: None,
            location: None,
            replayed: false,
            warning: None,
        })
    }

    /// Builds a 200 with a payout that was created and its `ETag`: without what a caller that may not read it has not
    /// sent.
    pub(crate) fn created(payout: &Payout, principal: &Principal) -> Result<Self, Problem> {
        Self::of_version(payout.version(), &CreatedAnswer::of(payout, principal))
    }

    /// Builds a 200 with a payout as it is now, for a caller that may read it: it may wait for its provider.
    pub(crate) fn current(payout: &Payout, context: &Context) -> Result<Self, Problem> {
        let body = PayoutBody::of(payout, &context.principal);
        let waiting_for = context.app_state.providers.waiting_for(payout);
        Self::of_version(payout.version(), &body.waiting_for(waiting_for))
    }

    /// Builds a 200 with a deleted payout.
    pub(crate) fn deleted(deleted: &DeletedPayout, principal: &Principal) -> Result<Self, Problem> {
        let body = PayoutBody::of(&deleted.payout, principal).deleted_at(Some(deleted.deleted_at));
        Self::of_version(deleted.payout.version(), &body)
    }

    /// Builds a 200 with a payout that was written to: the payout for a caller that may read it, and a receipt for any
    /// other.
    pub(crate) fn written(payout: &Payout, principal: &Principal) -> Result<Self, Problem> {
        Self::of_version(payout.version(), &PayoutAnswer::of(payout, principal))
    }

    /// Builds a 200 with any body and the `ETag` of a version.
    pub(crate) fn of_version(version: u64, payout: &impl Serialize) -> Result<Self, Problem> {
        let mut body = Vec::with_capacity(640);
        serde_json::to_writer(&mut body, payout).map_err(|error| Problem::internal(Box::new(error)))?;
        Ok(Self {
            status: StatusCode::OK,
            body,
            etag: Some(version),
            location: None,
            replayed: false,
            warning: None,
        })
    }

    /// Builds a 304: the client has this version already.
    pub(crate) fn not_modified(version: u64) -> Self {
        Self {
            status: StatusCode::NOT_MODIFIED,
            body: Vec::new(),
            etag: Some(version),
            location: None,
            replayed: false,
            warning: None,
        }
    }

    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Adds the payout's path as `Location`.
    pub(crate) fn located_at(self, id: impl Display) -> Self {
        Self {
            location: Some(format!("/api/payouts/{id}/")),
            ..self
        }
    }

    /// Adds this address as `Location`.
    pub(crate) fn at(self, address: String) -> Self {
        Self {
            location: Some(address),
            ..self
        }
    }

    /// Adds a path as `Location`.
    pub(crate) fn at_path(self, path: String) -> Self {
        Self {
            location: Some(path),
            ..self
        }
    }

    /// Adds a warning if the request has an IBAN that it sends as an unchecked text.
    pub(crate) fn warned_of_iban(self, unchecked_iban: bool) -> Self {
        let warning = unchecked_iban.then_some(UNCHECKED_IBAN);
        Self { warning, ..self }
    }

    /// Marks the answer as a replay of the first one, or not.
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }
}

#[async_trait]
impl Writer for Answer {
    async fn write(self, _: &mut Request, _: &mut Depot, response: &mut Response) {
        response.status_code(self.status);
        let headers = response.headers_mut();
        if self.status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Some(version) = self
            .etag
            .and_then(|version| format!("\"{version}\"").try_into().ok())
        {
            headers.insert(ETAG, version);
        }
        if let Some(location) = self.location.and_then(|location| location.try_into().ok()) {
            headers.insert(LOCATION, location);
        }
        if self.replayed {
            headers.insert(&IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(warning) = self.warning {
            headers.insert(&WARNING_HEADER, warning);
        }
        if self.status != StatusCode::NOT_MODIFIED {
            response.body(self.body);
        }
    }
}

/// An answer with status 204 and no body.
pub(crate) struct NoContent;

#[async_trait]
impl Writer for NoContent {
    async fn write(self, _: &mut Request, _: &mut Depot, response: &mut Response) {
        response.status_code(StatusCode::NO_CONTENT);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn times_are_written_as_chrono_writes_them() {
        #[derive(Serialize)]
        struct Body(#[serde(serialize_with = "time")] Timestamp);

        for micros in [0, 1, 999_999, 1_764_000_000_123_456, 253_402_300_799_999_999] {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let expected = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            assert_eq!(
                serde_json::to_string(&Body(at)).unwrap(),
                format!("\"{expected}\"")
            );
        }
    }
}
