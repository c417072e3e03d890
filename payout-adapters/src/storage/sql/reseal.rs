//! Sealing anew what an older key sealed, or what was stored before there was a key.
//!
//! Each call looks at one stretch of rows, in the order of their primary key, and writes those that the current key has
//! not sealed: every row only while it still reads as it was read, so that whoever changes it meanwhile wins. What was
//! done is in the rows themselves, so it can be stopped and begun again at any time. No version grows: a payout stays
//! the same.

use payout_core::ports::RepositoryError;
use sqlx::FromRow;
use uuid::Uuid;

use super::error::refused;
use super::recipient::{StoredRecipient, WrittenAnswer, answer, parsed, recipient};
use super::row::broken;
use super::stored::StoredAmount;
use crate::encryption::{EncryptionKeys, Paid};

/// What became of one stretch of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReencryptedBatch<Place> {
    /// So many rows were looked at.
    pub looked_at: u64,
    /// So many of them were sealed anew.
    pub sealed: u64,
    /// So many cannot be opened with any key; each is logged, and stays as it is.
    pub unreadable: u64,
    /// So many were not the current key's: those that were sealed, that are unreadable, and that somebody else changed
    /// just then.
    pub stale: u64,
    /// Where the next stretch begins; absent after the last row.
    pub next: Option<Place>,
}

/// The columns of a [`RecipientRow`], for the constant statements of both dialects.
macro_rules! recipient_columns {
    () => {
        "payout.id, payout.recipient_account, payout.recipient_name, payout.sealed, payout.amount, payout.currency, \
         payout.description, payout.provider_key, payout.mac, payout.changed_version, state.generation, state.version"
    };
}
pub(crate) use recipient_columns;

/// Who is paid and what, as a row has it.
#[derive(FromRow)]
pub(crate) struct RecipientRow {
    pub(crate) id: Uuid,
    pub(crate) recipient_account: String,
    pub(crate) recipient_name: String,
    pub(crate) sealed: Option<Vec<u8>>,
    generation: i64,
    amount: StoredAmount,
    currency: String,
    description: String,
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

/// A row, and what it is to have instead.
pub(crate) struct Resealed<Row, New> {
    pub(crate) row: Row,
    pub(crate) new: New,
}

/// The columns of who is paid, owned.
pub(crate) struct NewRecipient {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) name_folded: String,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) mac: Option<Vec<u8>>,
    pub(crate) changed_version: Option<i64>,
}

/// Whether the current key sealed it, or made this code.
fn is_current(sealed: Option<&[u8]>, keys: &EncryptionKeys) -> bool {
    match (sealed, keys.current()) {
        (Some(sealed), Some(key)) => sealed.starts_with(key.header()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Of no rows.
impl<Place> Default for ReencryptedBatch<Place> {
    fn default() -> Self {
        Self::of(0, 1, None)
    }
}

impl<Place> ReencryptedBatch<Place> {
    /// Of `rows`, of which `limit` were asked for: fewer are the last.
    pub(crate) fn of(looked_at: usize, limit: u32, last: Option<Place>) -> Self {
        Self {
            looked_at: looked_at as u64,
            sealed: 0,
            unreadable: 0,
            stale: 0,
            next: last.filter(|_| looked_at >= limit as usize),
        }
    }

    /// Seals those rows anew that need it.
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

/// What a payout is to have instead; absent when the current key sealed it.
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
        row.sealed.as_deref(),
        keys,
    )
    .map_err(broken("sealed"))?;
    // Where it was last written by a person is not known of a row from before.
    let changed_version = row.changed_version.unwrap_or(row.version);
    let paid = Paid {
        id: row.id,
        generation: row.generation,
        amount: row.amount.read()?,
        currency: &row.currency,
        recipient: &text,
        description: &row.description,
        provider_key: row.provider_key,
        changed_version,
    };
    keys.verify(row.mac.as_deref(), &paid).map_err(broken("mac"))?;
    let recipient = parsed(&text)?;
    let new = StoredRecipient::of(row.id, &recipient, keys)?;
    let mac = keys.protect(&paid);
    Ok(Some(NewRecipient {
        account: new.account.into_owned(),
        name: new.name.to_owned(),
        name_folded: new.name_folded,
        sealed: new.sealed,
        changed_version: mac.as_ref().map(|_| changed_version),
        mac,
    }))
}

/// What an answer is to have instead; absent when the current key sealed it.
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

/// How many rows a statement may look at.
pub(crate) fn checked(limit: u32) -> Result<i64, RepositoryError> {
    if limit == 0 {
        return Err(refused("a stretch has at least one row"));
    }
    Ok(i64::from(limit))
}
