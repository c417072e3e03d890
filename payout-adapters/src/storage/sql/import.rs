//! The rows of an import in the form that both dialects read: one JSON array, with times in microseconds since 1970.

use std::collections::HashSet;
use std::fmt::Write as _;

use payout_core::Timestamp;
use payout_core::payout::{ForeignPayout, Payout};
use payout_core::ports::{Imported, RepositoryError};
use serde::Serialize;
use uuid::Uuid;

use super::error::refused;
use super::recipient::{StoredRecipient, mac};
use super::stored::without_nul;
use crate::encryption::EncryptionKeys;

/// A payout of another service, as columns.
#[derive(Serialize)]
struct ImportRow {
    id: String,
    amount: String,
    currency: &'static str,
    recipient_account: String,
    recipient_name: String,
    recipient_name_folded: String,
    sealed: Option<String>,
    mac: Option<String>,
    description: String,
    status: &'static str,
    needs_review: bool,
    failure_code: Option<String>,
    failure_message: Option<String>,
    provider_reference: Option<String>,
    claims: u32,
    fence: u64,
    /// The time of the first submission, of the claim and of its last call: the other service has only one time.
    sent_at: Option<i64>,
    due_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    actor: String,
    detail: String,
}

impl ImportRow {
    fn of(foreign: &ForeignPayout, payout: &Payout, keys: &EncryptionKeys) -> Result<Self, RepositoryError> {
        let parts = payout.parts();
        let details = &parts.details;
        let recipient = StoredRecipient::of(parts.id.as_uuid(), &details.recipient, keys)?;
        let micros = |at: Timestamp| at.timestamp_micros();
        Ok(Self {
            id: hex(parts.id.as_uuid().as_bytes()),
            amount: details.money.amount().to_string(),
            currency: details.money.currency().code(),
            recipient_account: recipient.account.into_owned(),
            recipient_name: recipient.name.to_owned(),
            recipient_name_folded: recipient.name_folded,
            sealed: recipient.sealed.as_deref().map(hex),
            mac: mac(payout, 1, keys)?.as_deref().map(hex),
            description: details.description.as_str().to_owned(),
            status: parts.status.as_str(),
            needs_review: parts.needs_review,
            failure_code: parts.failure.as_ref().map(|failure| without_nul(failure.code())),
            failure_message: parts
                .failure
                .as_ref()
                .map(|failure| without_nul(failure.message())),
            provider_reference: parts
                .provider_reference
                .as_ref()
                .map(|reference| without_nul(reference.as_str())),
            claims: parts.claims,
            fence: parts.fence,
            sent_at: parts.first_submitted_at.map(micros),
            due_at: parts.due_at.map(micros),
            created_at: micros(parts.created_at),
            updated_at: micros(parts.updated_at),
            actor: foreign.actor.as_str().to_owned(),
            detail: without_nul(&foreign.detail),
        })
    }
}

/// Serializes the batch as JSON, each id once, in the form that is stored at `now`.
pub(crate) fn rows(
    batch: &[ForeignPayout],
    now: Timestamp,
    keys: &EncryptionKeys,
) -> Result<String, RepositoryError> {
    let mut seen = HashSet::new();
    let first = batch.iter().filter(|foreign| seen.insert(foreign.id));
    let rows = first.map(|foreign| ImportRow::of(foreign, &foreign.stored_at(now), keys));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    serde_json::to_string(&rows).map_err(refused)
}

/// Returns the answers, given the ids that were written.
pub(crate) fn answers(batch: &[ForeignPayout], written: Vec<(Uuid,)>) -> Vec<Imported> {
    let mut written: HashSet<Uuid> = written.into_iter().map(|(id,)| id).collect();
    let answer = |foreign: &ForeignPayout| {
        if written.remove(&foreign.id.as_uuid()) {
            Imported::Stored
        } else {
            Imported::Known
        }
    };
    batch.iter().map(answer).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
