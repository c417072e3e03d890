//! Likely duplicates among the payouts of a batch, found in the transaction that stores them.

use std::collections::HashMap;

use payout_core::payout::{Change, NewPayout, PayoutId};
use payout_core::ports::RepositoryError;
use rust_decimal::Decimal;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::interval;
use super::link::{Link, Statement};
use super::transaction::Transaction;
use crate::encryption::EncryptionKeys;
use crate::storage::reads::Cost;
use crate::storage::sql::duplicates::{self, Looking};

/// Locks the accounts' stripes in their order, so that two transactions which store a payout to one account decide one
/// after the other. The locks end with the transaction.
const LOCK: &str = "SELECT pg_advisory_xact_lock(stripe) FROM UNNEST($1::bigint[]) AS stripe";

/// Finds the latest payout of the same amount to the same account that was paid or may still be. Each account may stand
/// in several forms: the spellings of an IBAN, and a digest under each encryption key.
const FIND: &str = "
    SELECT wanted.place, found.id
    FROM UNNEST($1::integer[], $2::text[], $3::numeric[], $4::text[], $5::interval[], $6::uuid[])
        AS wanted (place, account, amount, currency, within, id)
    CROSS JOIN LATERAL (
        SELECT payout.id, payout.created_at
        FROM payout_details AS payout JOIN payout_states AS state ON state.id = payout.id
        WHERE payout.recipient_account = wanted.account AND payout.deleted_at IS NULL
            AND payout.created_at > now() - wanted.within
            AND payout.amount = wanted.amount AND payout.currency = wanted.currency AND payout.id <> wanted.id
            AND state.status NOT IN ('failed', 'returned', 'cancelled')
        ORDER BY payout.created_at DESC, payout.id DESC
        LIMIT 1
    ) AS found
    ORDER BY found.created_at, found.id";

/// Returns the batch with its likely duplicates held; `None` if no payout of it is to be looked at.
pub(super) async fn held(
    transaction: &mut Transaction<'_>,
    batch: &[NewPayout],
    keys: &EncryptionKeys,
) -> Result<Option<Vec<NewPayout>>, RepositoryError> {
    let looking = Looking::of(batch, keys);
    if looking.is_empty() {
        return Ok(None);
    }
    lock(transaction, &looking).await?;
    let wanted = Wanted::of(&looking);
    let found = transaction.run(wanted.statement()).await?;
    Ok(Some(duplicates::held(batch, duplicates::by_place(found))))
}

/// Locks the accounts of changes that look for likely duplicates, so that [`held_change`] may look one after the other.
pub(super) async fn lock_changes(
    transaction: &mut Transaction<'_>,
    changes: &[Change],
    keys: &EncryptionKeys,
) -> Result<(), RepositoryError> {
    let looking = Looking::of_changes(changes, keys);
    if looking.is_empty() {
        return Ok(());
    }
    lock(transaction, &looking).await
}

async fn lock(transaction: &mut Transaction<'_>, looking: &[Looking<'_>]) -> Result<(), RepositoryError> {
    let stripes = duplicates::stripes(looking);
    let lock = sqlx::query_as::<_, ()>(LOCK).bind(stripes);
    transaction.run(lock).await?;
    Ok(())
}

/// Returns the change as it is to be written: held, if it looks for a likely duplicate and there is one. Its account is
/// locked.
pub(super) async fn held_change(
    transaction: &mut Transaction<'_>,
    change: &Change,
    keys: &EncryptionKeys,
) -> Result<Change, RepositoryError> {
    let looking = Looking::of_changes(std::slice::from_ref(change), keys);
    if looking.is_empty() {
        return Ok(change.clone());
    }
    let wanted = Wanted::of(&looking);
    let found = transaction.run(wanted.statement()).await?;
    Ok(duplicates::held_change(change, duplicates::by_place(found)))
}

/// Finds the likely duplicates among stored payouts, without a lock.
pub(super) async fn find(
    link: &Link,
    batch: &[NewPayout],
) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError> {
    let looking = Looking::of(batch, &link.keyring);
    if looking.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = Wanted::of(&looking);
    let found = link.read_costly(Cost::Dear, || wanted.statement()).await?;
    Ok(duplicates::by_id(batch, duplicates::by_place(found)))
}

/// The columns of what is looked for.
#[derive(Default)]
struct Wanted<'a> {
    places: Vec<i32>,
    accounts: Vec<&'a str>,
    amounts: Vec<Decimal>,
    currencies: Vec<&'a str>,
    within: Vec<PgInterval>,
    ids: Vec<Uuid>,
}

impl<'a> Wanted<'a> {
    fn of(looking: &'a [Looking<'a>]) -> Self {
        let mut wanted = Self::default();
        for one in looking {
            for account in &one.accounts {
                wanted.places.push(i32::try_from(one.place).unwrap_or(i32::MAX));
                wanted.accounts.push(account);
                wanted.amounts.push(one.amount);
                wanted.currencies.push(one.currency);
                wanted.within.push(interval(one.within));
                wanted.ids.push(one.id.as_uuid());
            }
        }
        wanted
    }

    fn statement(&self) -> Statement<'_, (i32, Uuid)> {
        sqlx::query_as(FIND)
            .bind(&self.places)
            .bind(&self.accounts)
            .bind(&self.amounts)
            .bind(&self.currencies)
            .bind(&self.within)
            .bind(&self.ids)
    }
}
