//! The stored form of an answer: the payout as the request under an idempotency key was answered.
//!
//! A record lives for 31 days, so programs must read a form for 31 days after the last program that wrote it. The names
//! in the form are defined in this file, not in the domain: a field that is renamed there keeps its stored name. A form
//! that earlier programs cannot read gets a version of its own. Programs read that version for one release before they
//! write it.
//!
//! | version | written by |
//! |---|---|
//! | 1, with no `v` | programs from before versions |
//! | 1 | programs of November 2026; those from before read it too |
//! | 2 | this one: version 1 without what every create has |
//!
//! Version 2 is written although no earlier program reads it: on this program's schema, earlier programs cannot answer
//! any request that writes.
//!
//! The store's clock determines the time of the write only during the write. So the times that equal it are filled in
//! when the answer is read, from the record's own time. The actor that created the payout is in its row, which never
//! changes it.

use std::borrow::Cow;

use payout_core::Timestamp;
use payout_core::approval::Approval;
use payout_core::batch::BatchId;
use payout_core::money::{Currency, Money};
use payout_core::payout::{
    Actor, Description, Failure, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderKey,
    ProviderReference, Status,
};
use payout_core::ports::RepositoryError;
use payout_core::stored_recipient::RecipientId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::approvals::{ApprovalColumns, StoredApproval};
use super::details::{external_id, metadata, metadata_column, statement_text};
use super::error::refused;
use super::recipient::{details_column, restored};
use super::row::broken;

/// The version of a snapshot, which determines how the rest is read.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first")]
    v: u32,
}

fn first() -> u32 {
    1
}

/// Versions 1 and 2.
#[derive(Serialize, Deserialize)]
struct SnapshotV1<'a> {
    #[serde(default = "first")]
    v: u32,
    /// In version 1; the record has it too.
    #[serde(default, skip_serializing)]
    id: Option<Uuid>,
    /// The amount and the currency's code.
    #[serde(borrow)]
    money: (Cow<'a, str>, Cow<'a, str>),
    #[serde(borrow)]
    recipient_account: Cow<'a, str>,
    #[serde(borrow)]
    recipient_name: Cow<'a, str>,
    /// The parts besides the account and the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient_details: Option<String>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow, default = "pending", skip_serializing_if = "is_pending")]
    status: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    needs_review: bool,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    failure: Option<FailureV1<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    provider_reference: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_key: Option<Uuid>,
    #[serde(default, skip_serializing_if = "is_default")]
    generation: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    claims: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    fence: u64,
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_submitted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_at: Option<Timestamp>,
    /// Absent in the answer to a create: filled in when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<Cow<'a, str>>,
    /// A JSON object of texts, as the row has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement_text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalV1<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient_id: Option<Uuid>,
}

/// The approvals, by the names of their columns.
#[derive(Serialize, Deserialize)]
struct ApprovalV1<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    created_person: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    edited_person: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    required: i16,
    #[serde(default, skip_serializing_if = "is_default")]
    round: i32,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reasons: Option<Cow<'a, str>>,
}

impl ApprovalV1<'_> {
    /// Serializes the approvals that a payout requires when a create or a retry is answered: none are given then.
    fn of(parts: &PayoutParts) -> Result<Option<Self>, RepositoryError> {
        if parts.approval.is_none() {
            return Ok(None);
        }
        let columns = ApprovalColumns::of(parts)?;
        Ok(Some(Self {
            created_person: columns.created_person.map(Cow::Owned),
            edited_person: columns.edited_person.map(Cow::Owned),
            required: columns.required,
            round: columns.round,
            reasons: columns.reasons.map(Cow::Owned),
        }))
    }

    fn restore(&self) -> Result<Option<Box<Approval>>, RepositoryError> {
        let stored = StoredApproval {
            created_person: self.created_person.as_deref(),
            edited_person: self.edited_person.as_deref(),
            required: self.required,
            round: self.round,
            reasons: self.reasons.as_deref(),
            given: None,
            digest: None,
        };
        stored.restore()
    }
}

fn pending() -> Cow<'static, str> {
    Status::Pending.as_str().into()
}

fn is_pending(status: &str) -> bool {
    status == Status::Pending.as_str()
}

fn first_version() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_first_version(version: &u64) -> bool {
    *version == first_version()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
struct FailureV1<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Serializes a payout that is about to be written.
pub(crate) fn write(payout: &Payout) -> Result<String, RepositoryError> {
    serde_json::to_string(&SnapshotV1::of(payout)?).map_err(refused)
}

/// Parses the payout from a text that was written at this time. Its row has the actor that created it.
pub(crate) fn read(
    text: &str,
    id: Uuid,
    written_at: Timestamp,
    created_by: Option<Actor>,
) -> Result<Payout, RepositoryError> {
    let Versioned { v } = parse(text)?;
    match v {
        1 | 2 => parse::<SnapshotV1<'_>>(text)?.restore(id, written_at, created_by),
        later => Err(broken("snapshot")(format!(
            "it is of version {later}, which a later program has written"
        ))),
    }
}

/// Parses a form. The parser's errors quote positions, not values.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, RepositoryError> {
    serde_json::from_str(text)
        .map_err(|error| broken("snapshot")(format!("line {}, column {}", error.line(), error.column())))
}

impl<'a> SnapshotV1<'a> {
    fn of(payout: &'a Payout) -> Result<Self, RepositoryError> {
        let (parts, details) = (payout.parts(), payout.details());
        Ok(Self {
            v: 2,
            id: None,
            money: (
                details.money.amount().to_string().into(),
                details.money.currency().code().into(),
            ),
            recipient_account: details.recipient.account().as_str().into(),
            recipient_name: details.recipient.name().as_str().into(),
            recipient_details: details_column(&details.recipient)?,
            description: details.description.as_str().into(),
            status: parts.status.as_str().into(),
            needs_review: parts.needs_review,
            failure: parts.failure.as_ref().map(|failure| FailureV1 {
                code: failure.code().into(),
                message: failure.message().into(),
            }),
            provider_reference: parts
                .provider_reference
                .as_ref()
                .map(|reference| reference.as_str().into()),
            provider_key: parts.provider_key.map(ProviderKey::as_uuid),
            generation: parts.generation,
            claims: parts.claims,
            fence: parts.fence,
            version: parts.version,
            first_submitted_at: parts.first_submitted_at,
            claimed_at: parts.claimed_at,
            quiet_at: parts.calls_end_at,
            created_at: (parts.version > first_version()).then_some(parts.created_at),
            external_id: details.external_id.as_ref().map(|id| id.as_str().into()),
            metadata: metadata_column(&details.metadata)?,
            recipient_id: details.recipient_id.map(RecipientId::as_uuid),
            statement_text: details.statement_text.as_ref().map(|text| text.as_str().into()),
            scheduled_at: details.scheduled_at,
            batch: parts.batch.map(BatchId::as_uuid),
            approval: ApprovalV1::of(parts)?,
        })
    }

    fn restore(
        self,
        id: Uuid,
        written_at: Timestamp,
        created_by: Option<Actor>,
    ) -> Result<Payout, RepositoryError> {
        let (amount, currency) = &self.money;
        let amount = Decimal::from_str_exact(amount).map_err(broken("snapshot: money"))?;
        let currency = Currency::recorded(currency).map_err(broken("snapshot: money"))?;
        let details = PaymentDetails {
            money: Money::restore(amount, currency).map_err(broken("snapshot: money"))?,
            recipient: restored(
                &self.recipient_account,
                &self.recipient_name,
                self.recipient_details.as_deref(),
            )?,
            description: Description::restore(&self.description).map_err(broken("snapshot: description"))?,
            external_id: external_id(self.external_id.as_deref())?,
            metadata: metadata(self.metadata.as_deref())?,
            recipient_id: self.recipient_id.map(RecipientId::from),
            statement_text: statement_text(self.statement_text.as_deref())?,
            scheduled_at: self.scheduled_at,
        };
        let mut parts = PayoutParts {
            id: PayoutId::from(self.id.unwrap_or(id)),
            details,
            status: self
                .status
                .parse::<Status>()
                .map_err(broken("snapshot: status"))?,
            needs_review: self.needs_review,
            failure: self
                .failure
                .map(|failure| Failure::new(&failure.code, &failure.message)),
            provider_reference: self
                .provider_reference
                .as_deref()
                .and_then(ProviderReference::new),
            provider_key: self.provider_key.map(ProviderKey::from),
            generation: self.generation,
            claims: self.claims,
            fence: self.fence,
            version: self.version,
            first_submitted_at: self.first_submitted_at,
            claimed_at: self.claimed_at,
            calls_end_at: self.quiet_at,
            due_at: None,
            created_at: self
                .created_at
                .filter(|_| self.version > first_version())
                .unwrap_or(written_at),
            updated_at: written_at,
            provider: None,
            waiting_for: None,
            waiting_since: None,
            completed_at: None,
            returned_at: None,
            returned_amount: None,
            recheck_at: None,
            batch: self.batch.map(BatchId::from),
            created_by,
            approval: match &self.approval {
                Some(approval) => approval.restore()?,
                None => None,
            },
        };
        let scheduled_at = parts.details.scheduled_at.filter(|_| parts.generation == 0);
        parts.due_at = parts
            .awaits_somebody()
            .then(|| scheduled_at.map_or(written_at, |at| at.max(written_at)));
        Payout::restore(parts).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to a create, as programs from before `provider_key` wrote it.
    const CREATED: &str = r#"{"id":"01a20cf8-b758-773a-beeb-06fc8801f3e5","money":["10.50","USD"],"recipient_account":"DE89370400440532013000","recipient_name":"Ada Lovelace","description":"","status":"pending","needs_review":false,"failure":null,"provider_reference":null,"generation":0,"claims":0,"fence":0,"version":1,"first_submitted_at":null,"claimed_at":null,"quiet_at":null,"due_at":"1970-01-01T00:00:00Z","created_at":"1970-01-01T00:00:00Z","updated_at":"1970-01-01T00:00:00Z"}"#;
    /// An answer to a retry, as programs of November 2026 wrote it, from before versions.
    const RETRIED: &str = r#"{"id":"01a20cf8-b758-773a-beeb-06fc8801f3e5","money":["3","JPY"],"recipient_account":"A \"1\"","recipient_name":"José","description":"a\nb","status":"pending","needs_review":false,"failure":null,"provider_reference":null,"provider_key":"260a7d3e-c5d8-8f34-971f-7a2eeafedae4","generation":1,"claims":0,"fence":2,"version":7,"first_submitted_at":null,"claimed_at":"2026-11-20T10:00:00.000001Z","quiet_at":"2026-11-20T10:00:20Z","due_at":"2026-11-20T10:01:00Z","created_at":"2026-11-20T09:00:00.123456Z","updated_at":"2026-11-20T10:01:00Z"}"#;
    /// A failed payout.
    const FAILED: &str = r#"{"id":"01a20cf8-b758-773a-beeb-06fc8801f3e5","money":["10.50","USD"],"recipient_account":"A","recipient_name":"N","description":"","status":"failed","needs_review":false,"failure":{"code":"closed","message":"Account closed"},"provider_reference":"ref-1","generation":0,"claims":1,"fence":1,"version":3,"first_submitted_at":"2026-11-20T10:00:00Z","claimed_at":"2026-11-20T10:00:00Z","quiet_at":"2026-11-20T10:00:20Z","due_at":null,"created_at":"2026-11-20T09:00:00Z","updated_at":"2026-11-20T10:01:00Z"}"#;

    const ID: Uuid = Uuid::from_u128(0x01a2_0cf8_b758_773a_beeb_06fc_8801_f3e5);

    fn written_at() -> Timestamp {
        Timestamp::from_timestamp_micros(1_000_000).unwrap()
    }

    #[test]
    fn a_create_that_an_earlier_program_answered_is_read() {
        let payout = read(CREATED, ID, written_at(), None).unwrap();
        let parts = payout.parts();
        assert_eq!(parts.id.to_string(), "01a20cf8-b758-773a-beeb-06fc8801f3e5");
        assert_eq!(parts.details.money.to_string(), "10.50 USD");
        assert_eq!(
            parts.details.recipient.account().as_str(),
            "DE89370400440532013000"
        );
        assert_eq!(parts.details.recipient.name().as_str(), "Ada Lovelace");
        assert_eq!((parts.status, parts.provider_key), (Status::Pending, None));
        assert_eq!(
            (parts.created_at, parts.updated_at, parts.due_at),
            (written_at(), written_at(), Some(written_at()))
        );
    }

    #[test]
    fn a_retry_that_an_earlier_program_answered_is_read() {
        let payout = read(RETRIED, ID, written_at(), None).unwrap();
        let parts = payout.parts();
        assert_eq!(parts.details.money.to_string(), "3 JPY");
        assert_eq!(parts.details.recipient.account().as_str(), "A \"1\"");
        assert_eq!(
            (
                parts.details.recipient.name().as_str(),
                parts.details.description.as_str()
            ),
            ("José", "a\nb")
        );
        assert_eq!(
            parts.provider_key.unwrap().to_string(),
            "260a7d3e-c5d8-8f34-971f-7a2eeafedae4"
        );
        assert_eq!((parts.generation, parts.fence, parts.version), (1, 2, 7));
        assert_eq!(
            parts.created_at.to_rfc3339(),
            "2026-11-20T09:00:00.123456+00:00",
            "only a create is answered with the time of its record"
        );
        assert_eq!(parts.updated_at, written_at());
    }

    #[test]
    fn a_failed_payout_of_an_earlier_program_is_read() {
        let payout = read(FAILED, ID, written_at(), None).unwrap();
        let failure = payout.parts().failure.as_ref().unwrap();
        assert_eq!((failure.code(), failure.message()), ("closed", "Account closed"));
        let reference = payout.parts().provider_reference.as_ref().unwrap();
        assert_eq!((reference.as_str(), payout.parts().due_at), ("ref-1", None));
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same() {
        for text in [CREATED, RETRIED, FAILED] {
            let payout = read(text, ID, written_at(), None).unwrap();
            assert_eq!(
                read(&write(&payout).unwrap(), ID, written_at(), None).unwrap(),
                payout,
                "{text}"
            );
        }
    }

    #[test]
    fn a_create_is_written_without_what_every_create_has() {
        let written = write(&read(CREATED, ID, written_at(), None).unwrap()).unwrap();
        assert_eq!(
            written,
            r#"{"v":2,"money":["10.50","USD"],"recipient_account":"DE89370400440532013000","recipient_name":"Ada Lovelace","description":""}"#
        );
    }

    #[test]
    fn a_typed_recipient_is_written_and_read_whole() {
        let text = r#"{"v":2,"money":["10.50","EUR"],"recipient_account":"ada@example.com","recipient_name":"Ada","recipient_details":"{\"email\":\"ada@example.com\",\"type\":\"email\"}","description":""}"#;
        let payout = read(text, ID, written_at(), None).unwrap();
        let fields = payout.details().recipient.fields();
        assert_eq!(fields.get("email"), Some("ada@example.com"));
        assert_eq!(fields.get("type"), Some("email"));
        assert_eq!(write(&payout).unwrap(), text);
    }

    #[test]
    fn an_account_that_is_not_the_details_own_is_refused() {
        let text = r#"{"v":2,"money":["10.50","EUR"],"recipient_account":"eve@example.com","recipient_name":"Ada","recipient_details":"{\"email\":\"ada@example.com\",\"type\":\"email\"}","description":""}"#;
        assert!(read(text, ID, written_at(), None).is_err());
    }

    #[test]
    fn a_snapshot_of_a_later_version_is_refused_and_not_misread() {
        let later = CREATED.replacen('{', r#"{"v":3,"#, 1);
        let error = read(&later, ID, written_at(), None).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("version 3"), "{cause}");
    }

    #[test]
    fn an_error_quotes_nothing_of_whom_it_pays() {
        let broken = CREATED.replace(
            "\"needs_review\":false",
            "\"needs_review\":\"DE89370400440532013000\"",
        );
        let error = read(&broken, ID, written_at(), None).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(!cause.contains("DE89") && cause.contains("column"), "{cause}");
    }
}
