//! Likely duplicates among the payouts of a batch. No other session writes between this look-up and the insert, since
//! both are in one writer's transaction.

use std::collections::HashMap;

use payout_core::payout::{Change, NewPayout, PayoutId};
use payout_core::ports::RepositoryError;
use serde::Serialize;
use uuid::Uuid;

use super::store::{Store, Write, json};
use crate::encryption::EncryptionKeys;
use crate::storage::reads::Cost;
use crate::storage::sql::duplicates::{self, Looking};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::stored::as_micros;

/// Finds payouts of the same amount to the same account that were paid or may still be, latest last.
pub(super) const FIND: &str = "
    SELECT wanted.value ->> 'place', payout.id
    FROM jsonb_each(?1) AS wanted
    CROSS JOIN payout_details AS payout ON payout.recipient_account = wanted.value ->> 'account'
    CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.deleted_at IS NULL AND payout.created_at > ?2 - (wanted.value ->> 'within')
        AND payout.amount = wanted.value ->> 'amount' AND payout.currency = wanted.value ->> 'currency'
        AND payout.id <> unhex(wanted.value ->> 'id')
        AND state.status NOT IN ('failed', 'returned', 'cancelled')
    ORDER BY payout.created_at, payout.id";

/// An account to look for.
#[derive(Serialize)]
struct Wanted<'a> {
    place: usize,
    account: &'a str,
    amount: String,
    currency: &'a str,
    within: i64,
    /// In hexadecimal digits.
    id: String,
}

/// Returns the batch with its likely duplicates held; `None` if no payout of it is to be looked at.
pub(super) async fn held(
    write: &mut Write,
    batch: &[NewPayout],
    keys: &EncryptionKeys,
) -> Result<Option<Vec<NewPayout>>, RepositoryError> {
    let looking = Looking::of(batch, keys);
    if looking.is_empty() {
        return Ok(None);
    }
    let found = found(write, &looking).await?;
    Ok(Some(duplicates::held(batch, found)))
}

/// Returns the change as it is to be written: held, if it looks for a likely duplicate and there is one.
pub(super) async fn held_change(
    write: &mut Write,
    change: &Change,
    keys: &EncryptionKeys,
) -> Result<Change, RepositoryError> {
    let looking = Looking::of_changes(std::slice::from_ref(change), keys);
    if looking.is_empty() {
        return Ok(change.clone());
    }
    let found = found(write, &looking).await?;
    Ok(duplicates::held_change(change, found))
}

async fn found(
    write: &mut Write,
    looking: &[Looking<'_>],
) -> Result<HashMap<usize, PayoutId>, RepositoryError> {
    let find = sqlx::query_as::<_, (i64, Uuid)>(FIND)
        .bind(wanted(looking)?)
        .bind(write.now.timestamp_micros());
    let found = find.fetch_all(&mut *write.transaction).await;
    Ok(duplicates::by_place(found.map_err(repository_error)?))
}

/// Finds the likely duplicates among stored payouts.
pub(super) async fn find(
    store: &Store,
    batch: &[NewPayout],
) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError> {
    let looking = Looking::of(batch, &store.keyring);
    if looking.is_empty() {
        return Ok(HashMap::new());
    }
    let find = sqlx::query_as::<_, (i64, Uuid)>(FIND)
        .bind(wanted(&looking)?)
        .bind(store.now().timestamp_micros());
    let found = store.read_costly(Cost::Dear, find).await?;
    Ok(duplicates::by_id(batch, duplicates::by_place(found)))
}

/// Writes what is looked for as JSON.
fn wanted(looking: &[Looking<'_>]) -> Result<String, RepositoryError> {
    let wanted = looking.iter().flat_map(|one| {
        one.accounts.iter().map(|account| Wanted {
            place: one.place,
            account,
            amount: one.amount.to_string(),
            currency: one.currency,
            within: as_micros(one.within),
            id: one.id.as_uuid().simple().to_string(),
        })
    });
    json(&wanted.collect::<Vec<_>>())
}
