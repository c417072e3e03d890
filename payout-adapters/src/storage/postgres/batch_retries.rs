//! Retries of many payouts of a batch in one transaction.

use std::collections::HashSet;

use payout_core::batch::Batch;
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::Change;
use payout_core::ports::{MemberRetry, RepositoryError};
use payout_core::spending::SpendingBucket;
use uuid::Uuid;

use super::apply::apply_locked;
use super::link::Link;
use super::totals::LockedTotals;
use super::{duplicates, feed};
use crate::storage::sql::row::as_i64;

/// Locks the states of payouts that still have the version.
const LOCK: &str = "
    SELECT state.id FROM payout_states AS state
    JOIN UNNEST($1::uuid[], $2::bigint[]) AS incoming (id, version)
        ON incoming.id = state.id AND incoming.version = state.version
    WHERE state.deleted_at IS NULL
    ORDER BY state.id
    FOR UPDATE OF state SKIP LOCKED";

/// Writes retries. The daily totals are locked first, as by any other charge.
pub(super) async fn retry(
    link: &Link,
    batch: &Batch,
    retries: &[Change],
) -> Result<Vec<MemberRetry>, RepositoryError> {
    let Some(first) = retries.first() else {
        return Ok(Vec::new());
    };
    let charges = retries.iter().filter_map(|change| change.charge.as_ref());
    let buckets: HashSet<SpendingBucket> = charges.map(|charge| charge.bucket()).collect();
    let mut held = LockedTotals::begin(link, buckets.into_iter().collect()).await?;
    let ids: Vec<Uuid> = retries.iter().map(|change| change.after.id().as_uuid()).collect();
    let versions = retries
        .iter()
        .map(|change| as_i64("version", change.expected_version));
    let lock = sqlx::query_as::<_, (Uuid,)>(LOCK)
        .bind(ids)
        .bind(versions.collect::<Result<Vec<i64>, _>>()?);
    let locked = held.transaction.run(lock).await?;
    let locked: HashSet<Uuid> = locked.into_iter().map(|(id,)| id).collect();
    duplicates::lock_changes(&mut held.transaction, retries, &link.keyring).await?;
    let mut results = Vec::with_capacity(retries.len());
    for change in retries {
        if !locked.contains(&change.after.id().as_uuid()) {
            results.push(MemberRetry::Missed);
            continue;
        }
        if let Some(charge) = &change.charge
            && let Err(over) = held.take(charge)
        {
            results.push(MemberRetry::OverLimit(over));
            continue;
        }
        let change = duplicates::held_change(&mut held.transaction, change, &link.keyring).await?;
        apply_locked(&mut held.transaction, &change, &link.keyring).await?;
        results.push(MemberRetry::Written);
    }
    let written = results.iter().filter(|result| **result == MemberRetry::Written);
    let count = written.count() as u64;
    if count == 0 {
        held.rollback().await?;
        return Ok(results);
    }
    let retried = Announcement::of_members(EventType::BatchRetried, batch, count, &first.caller);
    feed::tell(&mut held.transaction, &retried).await?;
    held.commit().await?;
    Ok(results)
}
