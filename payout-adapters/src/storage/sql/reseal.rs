//! Re-encryption of values that an older key encrypted, or that were stored before the first key.
//!
//! Each call reads one batch of rows, in the order of their primary key, and writes those that the current key has not
//! encrypted. A row is written only while it is unchanged since it was read, so that a concurrent change wins. The rows
//! themselves show the progress, so an operator can stop and restart the work at any time. No version increases: a
//! payout stays the same.

use payout_core::ports::RepositoryError;
use sqlx::FromRow;
use uuid::Uuid;

use super::error::refused;
use super::recipient::{StoredRecipient, WrittenAnswer, answer, parsed, recipient, text_of};
use super::row::broken;
use super::stored::StoredAmount;
use super::webhooks::{EndpointRow, StoredSecrets, secrets_text};
use crate::encryption::{EncryptionKeys, Paid};

/// The outcome of one batch of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReencryptedBatch<Place> {
    /// The number of rows that were read.
    pub looked_at: u64,
    /// The number of rows that were re-encrypted.
    pub sealed: u64,
    /// The number of rows that no key can decrypt; each is logged, and stays as it is.
    pub unreadable: u64,
    /// The number of rows that the current key had not encrypted: those that were re-encrypted, those that are
    /// unreadable, and those that somebody else changed meanwhile.
    pub stale: u64,
    /// The place where the next batch begins; absent after the last row.
    pub next: Option<Place>,
}

/// The columns of a [`RecipientRow`], for the constant statements of both dialects.
macro_rules! recipient_columns {
    () => {
        "payout.id, payout.recipient_account, payout.recipient_name, payout.recipient_details, payout.sealed, payout.amount, \
         payout.currency, payout.description, payout.statement_text, payout.provider_key, payout.mac, payout.changed_version, state.generation, state.version"
    };
}
pub(crate) use recipient_columns;

/// The recipient and the payment, as a row has them.
#[derive(FromRow)]
pub(crate) struct RecipientRow {
    pub(crate) id: Uuid,
    pub(crate) recipient_account: String,
    pub(crate) recipient_name: String,
    pub(crate) recipient_details: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    generation: i64,
    amount: StoredAmount,
    currency: String,
    description: String,
    statement_text: Option<String>,
    provider_key: Option<Uuid>,
    pub(crate) mac: Option<Vec<u8>>,
    changed_version: Option<i64>,
    pub(crate) version: i64,
}

/// An answer, as a row has it.
#[derive(FromRow)]
pub(crate) struct StoredAnswerRow {
    pub(crate) key: String,
    pub(crate) payout_id: Uuid,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) snapshot: String,
    pub(crate) sealed: Option<Vec<u8>>,
}

/// A row and its replacement.
pub(crate) struct Resealed<Row, New> {
    pub(crate) row: Row,
    pub(crate) new: New,
}

/// The columns of a recipient, owned.
pub(crate) struct NewRecipient {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) name_folded: String,
    pub(crate) details: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) mac: Option<Vec<u8>>,
    pub(crate) changed_version: Option<i64>,
}

/// Returns whether the current key encrypted this value, or computed this MAC.
pub(crate) fn is_current(sealed: Option<&[u8]>, keys: &EncryptionKeys) -> bool {
    match (sealed, keys.current()) {
        (Some(sealed), Some(key)) => sealed.starts_with(key.header()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// An outcome for no rows.
impl<Place> Default for ReencryptedBatch<Place> {
    fn default() -> Self {
        Self::of(0, 1, None)
    }
}

impl<Place> ReencryptedBatch<Place> {
    /// Creates the outcome of `looked_at` rows, of which `limit` were requested: fewer means that they are the last.
    pub(crate) fn of(looked_at: usize, limit: u32, last: Option<Place>) -> Self {
        Self {
            looked_at: looked_at as u64,
            sealed: 0,
            unreadable: 0,
            stale: 0,
            next: last.filter(|_| looked_at >= limit as usize),
        }
    }

    /// Re-encrypts the rows that need it.
    pub(crate) fn reseal<Row, New>(
        &mut self,
        rows: Vec<Row>,
        seal: impl Fn(&Row) -> Result<Option<New>, RepositoryError>,
        name: impl Fn(&Row) -> Uuid,
    ) -> Vec<Resealed<Row, New>> {
        let mut resealed = Vec::new();
        for row in rows {
            match seal(&row) {
                Ok(None) => continue,
                Ok(Some(new)) => resealed.push(Resealed { row, new }),
                Err(error) => {
                    self.unreadable += 1;
                    let reason = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(payout_id = %name(&row), reason, "this cannot be opened, and stays as it is");
                }
            }
            self.stale += 1;
        }
        resealed
    }
}

/// Returns the new columns of a payout; absent when the current key encrypted the old ones.
pub(crate) fn new_recipient(
    row: &RecipientRow,
    keys: &EncryptionKeys,
) -> Result<Option<NewRecipient>, RepositoryError> {
    if is_current(row.sealed.as_deref(), keys) && is_current(row.mac.as_deref(), keys) {
        return Ok(None);
    }
    let text = recipient(
        row.id,
        &row.recipient_account,
        &row.recipient_name,
        row.recipient_details.as_deref(),
        row.sealed.as_deref(),
        keys,
    )
    .map_err(broken("sealed"))?;
    // An older row does not record the version at which its payment was last changed.
    let changed_version = row.changed_version.unwrap_or(row.version);
    let paid = Paid {
        id: row.id,
        generation: row.generation,
        amount: row.amount.read()?,
        currency: &row.currency,
        recipient: &text,
        description: &row.description,
        statement_text: row.statement_text.as_deref(),
        provider_key: row.provider_key,
        changed_version,
    };
    keys.verify(row.mac.as_deref(), &paid).map_err(broken("mac"))?;
    let recipient = parsed(&text)?;
    let new = StoredRecipient::of(row.id, &recipient, keys)?;
    let mac = keys.protect(&Paid {
        recipient: &text_of(&recipient)?,
        ..paid
    });
    Ok(Some(NewRecipient {
        account: new.account.into_owned(),
        name: new.name.to_owned(),
        name_folded: new.name_folded,
        details: new.details.map(std::borrow::Cow::into_owned),
        sealed: new.sealed,
        changed_version: mac.as_ref().map(|_| changed_version),
        mac,
    }))
}

/// Returns the new columns of an answer; absent when the current key encrypted the old ones.
pub(crate) fn new_answer(
    row: &StoredAnswerRow,
    keys: &EncryptionKeys,
) -> Result<Option<WrittenAnswer>, RepositoryError> {
    if is_current(row.sealed.as_deref(), keys) {
        return Ok(None);
    }
    let (fingerprint, snapshot) = answer(
        row.payout_id,
        &row.key,
        &row.fingerprint,
        row.snapshot.clone(),
        row.sealed.as_deref(),
        keys,
    )?;
    let fingerprint = *fingerprint.as_bytes();
    WrittenAnswer::sealed(row.payout_id, &row.key, fingerprint, snapshot, keys).map(Some)
}

/// Returns the new columns of a webhook endpoint's secrets; absent when the current key encrypted the old ones.
pub(crate) fn new_webhook_secrets(
    row: &EndpointRow,
    keys: &EncryptionKeys,
) -> Result<Option<StoredSecrets>, RepositoryError> {
    if is_current(row.sealed.as_deref(), keys) {
        return Ok(None);
    }
    StoredSecrets::of(row.id, secrets_text(row, keys)?, keys).map(Some)
}

/// Checks the number of rows that a statement may read.
pub(crate) fn checked(limit: u32) -> Result<i64, RepositoryError> {
    if limit == 0 {
        return Err(refused("a stretch has at least one row"));
    }
    Ok(i64::from(limit))
}
