//! The rows as both dialects select them, and their conversion into the domain.

use std::fmt::Display;
use std::str::FromStr;

use payout_core::approval::Approval;
use payout_core::attempt::{Claim, UnreadableClaim};
use payout_core::batch::BatchId;
use payout_core::idempotency::IdempotencyRecord;
use payout_core::money::{Currency, Money};
use payout_core::payout::{
    Actor, Description, Event, EventKind, Failure, PaymentDetails, Payout, PayoutId, PayoutParts,
    ProviderKey, ProviderReference, Status,
};
use payout_core::ports::{Claims, Cursor, DeletedPayout, EventPlace, Listed, Order, RepositoryError};
use payout_core::provider::ProviderName;
use payout_core::stored_recipient::RecipientId;
use sqlx::FromRow;
use uuid::Uuid;

use super::approvals::StoredApproval;
use super::details::{external_id, metadata, statement_text};
use super::error::{SqlError, refused};
use super::recipient::{answer, parsed, recipient};
use super::snapshot;
use super::stored::{StoredAmount, StoredTime};
use crate::encryption::{EncryptionKeys, OpenError, Paid};

/// The columns of a [`PayoutRow`], for the constant statements of both dialects: of `payout_details AS payout` and
/// `payout_states AS state`.
macro_rules! payout_columns {
    () => {
        "payout.id, payout.amount, payout.currency, payout.recipient_account, payout.recipient_name, payout.sealed, \
         payout.description, payout.provider_key, payout.mac, payout.changed_version, payout.created_at, \
         state.status, state.needs_review, state.failure_code, state.failure_message, state.provider_reference, \
         state.generation, state.claims, state.fence, state.version, state.first_submitted_at, state.claimed_at, \
         state.quiet_at, COALESCE(state.batch_due_at, state.due_at) AS due_at, state.updated_at, payout.recipient_details, state.failure_reason, \
         state.provider, state.waiting_for, state.waiting_since, state.completed_at, state.returned_at, \
         state.returned_amount, state.recheck_at, payout.external_id, CAST(payout.metadata AS text) AS metadata, \
         payout.statement_text, payout.scheduled_at, payout.batch_id, payout.created_by, payout.created_person, \
         payout.edited_person, payout.recipient_id, state.approvals_required, state.approval_round, \
         state.approval_reasons, state.approvals_given, state.approved_digest"
    };
}
pub(crate) use payout_columns;

/// The two rows of a payout, without what no read shows: whether it is deleted, and the folded name.
#[derive(FromRow)]
pub(crate) struct PayoutRow {
    pub(crate) id: Uuid,
    amount: StoredAmount,
    currency: String,
    recipient_account: String,
    recipient_name: String,
    sealed: Option<Vec<u8>>,
    description: String,
    status: String,
    needs_review: bool,
    failure_code: Option<String>,
    failure_message: Option<String>,
    provider_reference: Option<String>,
    provider_key: Option<Uuid>,
    mac: Option<Vec<u8>>,
    changed_version: Option<i64>,
    generation: i64,
    claims: i64,
    fence: i64,
    version: i64,
    first_submitted_at: Option<StoredTime>,
    claimed_at: Option<StoredTime>,
    quiet_at: Option<StoredTime>,
    due_at: Option<StoredTime>,
    created_at: StoredTime,
    updated_at: StoredTime,
    recipient_details: Option<String>,
    failure_reason: Option<String>,
    provider: String,
    waiting_for: Option<String>,
    waiting_since: Option<StoredTime>,
    completed_at: Option<StoredTime>,
    returned_at: Option<StoredTime>,
    returned_amount: Option<StoredAmount>,
    recheck_at: Option<StoredTime>,
    external_id: Option<String>,
    /// A JSON object of texts.
    metadata: Option<String>,
    statement_text: Option<String>,
    scheduled_at: Option<StoredTime>,
    batch_id: Option<Uuid>,
    recipient_id: Option<Uuid>,
    created_by: Option<String>,
    created_person: Option<String>,
    edited_person: Option<String>,
    approvals_required: i16,
    approval_round: i32,
    approval_reasons: Option<String>,
    /// A JSON array.
    approvals_given: Option<String>,
    approved_digest: Option<Vec<u8>>,
}

/// A row of `payout_events`.
#[derive(FromRow)]
pub(crate) struct EventRow {
    sequence: i64,
    kind: String,
    status: String,
    generation: i64,
    fence: i64,
    actor: String,
    request_id: Option<String>,
    detail: Option<String>,
    at: StoredTime,
}

/// A row of `idempotency_keys`, with the actor that created its payout.
#[derive(FromRow)]
pub(crate) struct AnswerRow {
    key: String,
    payout_id: Uuid,
    fingerprint: Vec<u8>,
    snapshot: String,
    sealed: Option<Vec<u8>>,
    created_at: StoredTime,
    created_by: Option<String>,
}

/// Names the broken column and the problem.
pub(crate) fn broken<E: Display>(column: &'static str) -> impl Fn(E) -> RepositoryError {
    move |problem| {
        refused(SqlError::Broken {
            column,
            problem: problem.to_string(),
        })
    }
}

pub(crate) fn parse<T: FromStr<Err: Display>>(
    column: &'static str,
    text: &str,
) -> Result<T, RepositoryError> {
    text.parse().map_err(broken(column))
}

pub(crate) fn number<T: TryFrom<i64, Error: Display>>(
    column: &'static str,
    number: i64,
) -> Result<T, RepositoryError> {
    T::try_from(number).map_err(broken(column))
}

impl PayoutRow {
    /// Restores the payout, if the domain's steps can lead to the row and one of the keys decrypts what is encrypted.
    pub(crate) fn restore(&self, keys: &EncryptionKeys) -> Result<Payout, RepositoryError> {
        let id = self.id;
        self.checked(keys).inspect_err(|error| {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(payout_id = %id, reason, "a payout cannot be read");
        })
    }

    /// Returns whether no other worker has claimed the payout since this claim. Its metadata may have changed, which makes
    /// a new version.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_under_the_claim_of(&self, claimed: &Self) -> bool {
        self.fence == claimed.fence && self.status == claimed.status
    }

    fn place(&self, order: Order) -> Cursor {
        let scheduled_at = self.scheduled_at.filter(|_| order.is_by_schedule());
        Cursor {
            at: scheduled_at.unwrap_or(self.created_at).0,
            id: PayoutId::from(self.id),
        }
    }

    /// Returns whether someone without an encryption key changed the payment, as far as the row shows.
    fn is_altered(&self, keys: &EncryptionKeys) -> bool {
        let altered = |error: &OpenError| match error {
            OpenError::Altered | OpenError::Malformed | OpenError::Unprotected => true,
            OpenError::UnknownKey { .. } => false,
        };
        match self.recipient_text(keys) {
            Err(error) => altered(&error),
            Ok(text) => self.verify(&text, keys).is_err_and(|error| altered(&error)),
        }
    }

    fn recipient_text(&self, keys: &EncryptionKeys) -> Result<String, OpenError> {
        recipient(
            self.id,
            &self.recipient_account,
            &self.recipient_name,
            self.recipient_details.as_deref(),
            self.sealed.as_deref(),
            keys,
        )
    }

    /// Verifies the row's MAC, if there is one: whether the payment is unchanged.
    fn verify(&self, recipient: &str, keys: &EncryptionKeys) -> Result<(), OpenError> {
        let amount = self.amount.read().map_err(|_| OpenError::Altered);
        match (amount, self.mac.as_deref()) {
            (Err(_), None) => Ok(()),
            (Err(altered), Some(_)) => Err(altered),
            (Ok(amount), mac) => keys.verify(
                mac,
                &Paid {
                    id: self.id,
                    generation: self.generation,
                    amount,
                    currency: &self.currency,
                    recipient,
                    description: &self.description,
                    statement_text: self.statement_text.as_deref(),
                    provider_key: self.provider_key,
                    changed_version: self.changed_version.unwrap_or_default(),
                },
            ),
        }
    }

    fn unreadable(&self, keys: &EncryptionKeys) -> Option<UnreadableClaim> {
        Some(UnreadableClaim {
            id: PayoutId::from(self.id),
            fence: u64::try_from(self.fence).ok()?,
            generation: u32::try_from(self.generation).ok()?,
            claims: u32::try_from(self.claims).ok()?,
            altered: self.is_altered(keys),
        })
    }

    fn checked(&self, keys: &EncryptionKeys) -> Result<Payout, RepositoryError> {
        Payout::restore(self.parts(keys)?).map_err(refused)
    }

    fn approval(&self) -> Result<Option<Box<Approval>>, RepositoryError> {
        let stored = StoredApproval {
            created_person: self.created_person.as_deref(),
            edited_person: self.edited_person.as_deref(),
            required: self.approvals_required,
            round: self.approval_round,
            reasons: self.approval_reasons.as_deref(),
            given: self.approvals_given.as_deref(),
            digest: self.approved_digest.as_deref(),
        };
        stored.restore()
    }

    fn parts(&self, keys: &EncryptionKeys) -> Result<PayoutParts, RepositoryError> {
        let time = |time: Option<StoredTime>| time.map(|time| time.0);
        let currency = Currency::recorded(&self.currency).map_err(broken("currency"))?;
        let failure = match (&self.failure_code, &self.failure_message) {
            (Some(code), Some(message)) => {
                let reason = self.failure_reason.as_deref();
                let reason = reason.map(|reason| parse("failure_reason", reason)).transpose()?;
                Some(Failure::new(code, message).with_reason(reason))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(broken("failure_message")("half a failure")),
        };
        let amount = self.amount.read()?;
        let text = self.recipient_text(keys).map_err(broken("sealed"))?;
        self.verify(&text, keys).map_err(broken("mac"))?;
        let details = PaymentDetails {
            money: Money::restore(amount, currency).map_err(broken("amount"))?,
            recipient: parsed(&text)?,
            description: Description::restore(&self.description).map_err(broken("description"))?,
            external_id: external_id(self.external_id.as_deref())?,
            metadata: metadata(self.metadata.as_deref())?,
            recipient_id: self.recipient_id.map(RecipientId::from),
            statement_text: statement_text(self.statement_text.as_deref())?,
            scheduled_at: time(self.scheduled_at),
        };
        Ok(PayoutParts {
            id: PayoutId::from(self.id),
            details,
            status: parse("status", &self.status)?,
            needs_review: self.needs_review,
            failure,
            provider_reference: self
                .provider_reference
                .as_deref()
                .and_then(ProviderReference::new),
            provider_key: self.provider_key.map(ProviderKey::from),
            generation: number("generation", self.generation)?,
            claims: number("claims", self.claims)?,
            fence: number("fence", self.fence)?,
            version: number("version", self.version)?,
            first_submitted_at: time(self.first_submitted_at),
            claimed_at: time(self.claimed_at),
            calls_end_at: time(self.quiet_at),
            due_at: time(self.due_at),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
            provider: provider(&self.provider)?,
            waiting_for: self
                .waiting_for
                .as_deref()
                .map(|reason| parse("waiting_for", reason))
                .transpose()?,
            waiting_since: time(self.waiting_since),
            completed_at: time(self.completed_at),
            returned_at: time(self.returned_at),
            returned_amount: self.returned_amount.map(StoredAmount::read).transpose()?,
            recheck_at: time(self.recheck_at),
            batch: self.batch_id.map(BatchId::from),
            created_by: self.created_by.as_deref().map(Actor::new),
            approval: self.approval()?,
        })
    }
}

/// Reads the column of a provider's name, which is empty for a payout without a provider.
pub(crate) fn provider(name: &str) -> Result<Option<ProviderName>, RepositoryError> {
    if name.is_empty() {
        return Ok(None);
    }
    parse("provider", name).map(Some)
}

/// Writes the column of a provider's name.
pub(crate) fn provider_column(name: Option<&ProviderName>) -> &str {
    name.map_or("", ProviderName::as_str)
}

/// A row of a list that may include deleted payouts.
#[derive(FromRow)]
pub(crate) struct MaybeDeletedRow {
    #[sqlx(flatten)]
    row: PayoutRow,
    deleted_at: Option<StoredTime>,
}

impl MaybeDeletedRow {
    /// Restores the payout, which may be deleted.
    pub(crate) fn restore(self, keys: &EncryptionKeys) -> Result<Listed, RepositoryError> {
        let id = self.row.id;
        let restored = match self.deleted_at {
            None => return self.row.restore(keys).map(Listed::Payout),
            Some(StoredTime(deleted_at)) => self.row.parts(keys).and_then(|parts| {
                let payout = Payout::restore_deleted(parts).map_err(refused)?;
                Ok(Listed::Deleted(DeletedPayout { payout, deleted_at }))
            }),
        };
        restored.inspect_err(|error| {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(payout_id = %id, reason, "a deleted payout cannot be read");
        })
    }
}

/// Restores the rows of a page that may include deleted payouts. A row that cannot be read keeps its place.
pub(crate) fn listed_with_deleted(
    rows: Vec<MaybeDeletedRow>,
    order: Order,
    keys: &EncryptionKeys,
) -> Vec<Listed> {
    rows.into_iter()
        .map(|row| {
            let place = row.row.place(order);
            row.restore(keys).unwrap_or(Listed::Unreadable(place))
        })
        .collect()
}

/// Restores the rows of a page in the order of creation. A row that cannot be read keeps its place.
pub(crate) fn listed(rows: Vec<PayoutRow>, keys: &EncryptionKeys) -> Vec<Listed> {
    rows.into_iter()
        .map(|row| {
            let place = row.place(Order::OldestFirst);
            row.restore(keys)
                .map_or(Listed::Unreadable(place), Listed::Payout)
        })
        .collect()
}

/// Restores the rows that a claim won. One that cannot be read must not block those that were claimed with it.
pub(crate) fn claims(rows: Vec<PayoutRow>, keys: &EncryptionKeys) -> Claims {
    let mut claims = Claims::default();
    for row in rows {
        match row.restore(keys).map(Claim::new) {
            Ok(Ok(claim)) => claims.won.push(claim),
            // A row whose fence, generation or claims cannot be read either is left until its lease expires.
            Ok(Err(_)) | Err(_) => claims.unreadable.extend(row.unreadable(keys)),
        }
    }
    claims
}

impl EventRow {
    /// Returns the place of the event in the trail.
    pub(crate) fn place(&self) -> EventPlace {
        EventPlace(self.sequence.unsigned_abs())
    }

    /// Restores the event.
    pub(crate) fn restore(self) -> Result<Event, RepositoryError> {
        Ok(Event {
            kind: parse::<EventKind>("kind", &self.kind)?,
            status: parse::<Status>("status", &self.status)?,
            generation: number("generation", self.generation)?,
            fence: number("fence", self.fence)?,
            actor: Actor::new(&self.actor),
            request_id: self.request_id,
            detail: self.detail,
            at: self.at.0,
        })
    }
}

impl AnswerRow {
    /// Restores the answer that was given under the row's idempotency key.
    pub(crate) fn restore(self, keys: &EncryptionKeys) -> Result<IdempotencyRecord, RepositoryError> {
        let (fingerprint, snapshot) = answer(
            self.payout_id,
            &self.key,
            &self.fingerprint,
            self.snapshot,
            self.sealed.as_deref(),
            keys,
        )?;
        let created_by = self.created_by.as_deref().map(Actor::new);
        let payout = snapshot::read(&snapshot, self.payout_id, self.created_at.0, created_by)?;
        Ok(IdempotencyRecord { fingerprint, payout })
    }
}

/// Converts a count for a column that counts up from zero.
pub(crate) fn as_i64(column: &'static str, number: u64) -> Result<i64, RepositoryError> {
    i64::try_from(number).map_err(broken(column))
}
