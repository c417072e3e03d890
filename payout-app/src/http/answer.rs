//! Answers: a payout in its wire format, and the headers that accompany it.

use std::borrow::Cow;
use std::fmt::Display;

use chrono::{Datelike, Timelike};
use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::money::Money;
use payout_core::payout::Payout;
use payout_core::ports::DeletedPayout;
use salvo::http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, Request, Response, Writer, async_trait};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::openapi::StatusName;
use crate::http::problem::Problem;

static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A payout: money that is to be sent, is being sent, or was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Payout, example = json!({
    "id": "019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17",
    "amount": "125.50",
    "currency": "EUR",
    "recipient_account": "DE89370400440532013000",
    "recipient_name": "Ada Lovelace",
    "description": "Invoice 2026-117",
    "status": "completed",
    "needs_review": false,
    "failure": null,
    "provider_reference": "sim_0f6d0e3b9a4c5d21",
    "attempts": 1,
    "created_at": "2026-11-24T09:30:00.123456Z",
    "updated_at": "2026-11-24T09:30:02.654321Z",
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
    /// The account that the money goes to. For a key without the scope `reveal` it is masked: `••••3000`.
    #[schema(min_length = 1, max_length = 128, example = "DE89370400440532013000")]
    recipient_account: Cow<'a, str>,
    /// The name of the recipient. For a key without the scope `reveal` it is masked: `A••• L•••`.
    #[schema(min_length = 1, max_length = 128, example = "Ada Lovelace")]
    recipient_name: Cow<'a, str>,
    /// The purpose of the payment.
    #[schema(max_length = 255, example = "Invoice 2026-117")]
    description: &'a str,
    /// The status of the payout.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// True if a person must decide how the payout ended: the provider gave no definite answer in time. Only while
    /// `processing`; a person resolves it by `PATCH {"status": "completed" | "failed", "reason": …}`.
    needs_review: bool,
    /// The reason for the failure; null unless `failed`.
    #[schema(required = true)]
    failure: Option<FailureBody<'a>>,
    /// The provider's reference for the payment.
    #[schema(required = true, example = "sim_0f6d0e3b9a4c5d21")]
    provider_reference: Option<&'a str>,
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
}

impl<'a> PayoutBody<'a> {
    /// Builds the body for a caller. The recipient is masked unless the caller may see it.
    pub(crate) fn of(payout: &'a Payout, principal: &Principal) -> Self {
        let (parts, details) = (payout.parts(), payout.details());
        let (account, name) = (&details.recipient.account, &details.recipient.name);
        let (recipient_account, recipient_name) = if principal.may(Scope::Reveal) {
            (account.as_str().into(), name.as_str().into())
        } else {
            (account.masked().into(), name.masked().into())
        };
        Self {
            id: parts.id.as_uuid(),
            amount: details.money,
            currency: details.money.currency().code(),
            recipient_account,
            recipient_name,
            description: details.description.as_str(),
            status: parts.status.as_str(),
            needs_review: parts.needs_review,
            failure: parts.failure.as_ref().map(|failure| FailureBody {
                code: failure.code(),
                message: failure.message(),
            }),
            provider_reference: shown_reference(payout),
            attempts: parts.claims,
            created_at: parts.created_at,
            updated_at: parts.updated_at,
            deleted_at: None,
        }
    }

    /// Sets the time of deletion, if the payout was deleted.
    pub(crate) fn deleted_at(self, deleted_at: Option<Timestamp>) -> Self {
        Self { deleted_at, ..self }
    }
}

fn shown_reference(payout: &Payout) -> Option<&str> {
    payout
        .parts()
        .provider_reference
        .as_ref()
        .map(|reference| reference.as_str())
}

fn amount<S: Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&money.amount())
}

fn time_of_some<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes a time as RFC 3339 in UTC, to the microsecond. Formatted by hand: a format string would cost more than the
/// rest of a payout.
pub(crate) fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
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
    serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// A JSON answer.
pub(crate) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    etag: Option<u64>,
    location: Option<String>,
    replayed: bool,
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
        })
    }

    /// Builds a 200 with a payout and its `ETag`, for a caller that may read it or has sent all of it.
    pub(crate) fn payout(payout: &Payout, principal: &Principal) -> Result<Self, Problem> {
        Self::of_version(payout.version(), &PayoutBody::of(payout, principal))
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

    fn of_version(version: u64, payout: &impl Serialize) -> Result<Self, Problem> {
        let mut body = Vec::with_capacity(640);
        serde_json::to_writer(&mut body, payout).map_err(|error| Problem::internal(Box::new(error)))?;
        Ok(Self {
            status: StatusCode::OK,
            body,
            etag: Some(version),
            location: None,
            replayed: false,
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
