//! Retries of many payouts of a batch in one transaction.

use payout_core::batch::Batch;
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::Change;
use payout_core::ports::{MemberRetry, RepositoryError};

use super::apply::apply_in;
use super::feed;
use super::store::{Store, Write, run_detached};
use super::totals;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::as_i64;

const FIND: &str = "SELECT 1 FROM payout_states WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL";

pub(super) async fn retry(
    store: &Store,
    batch: &Batch,
    retries: &[Change],
) -> Result<Vec<MemberRetry>, RepositoryError> {
    let Some(first) = retries.first() else {
        return Ok(Vec::new());
    };
    let (store, batch, caller) = (store.clone(), batch.clone(), first.caller.clone());
    let retries = retries.to_vec();
    run_detached(async move {
        let mut write = store.begin().await.map_err(repository_error)?;
        let mut results = Vec::with_capacity(retries.len());
        for change in &retries {
            results.push(retry_one(&mut write, change, &store.keyring).await?);
        }
        let written = results.iter().filter(|result| **result == MemberRetry::Written);
        let count = written.count() as u64;
        if count > 0 {
            let now = write.now;
            let retried = Announcement::of_members(EventType::BatchRetried, &batch, count, &caller);
            feed::tell(&mut write.transaction, now, &retried).await?;
        }
        write.transaction.commit().await.map_err(repository_error)?;
        Ok(results)
    })
    .await
}

async fn retry_one(
    write: &mut Write,
    change: &Change,
    keys: &EncryptionKeys,
) -> Result<MemberRetry, RepositoryError> {
    let find = sqlx::query_as::<_, (i64,)>(FIND)
        .bind(change.after.id().as_uuid())
        .bind(as_i64("version", change.expected_version)?);
    let found = find.fetch_optional(&mut *write.transaction).await;
    if found.map_err(repository_error)?.is_none() {
        return Ok(MemberRetry::Missed);
    }
    // Charged first, since a payout that is over the limit must leave nothing in the transaction.
    if let Some(charge) = &change.charge {
        match totals::take(write, charge).await {
            Ok(()) => (),
            Err(RepositoryError::OverLimit(over)) => return Ok(MemberRetry::OverLimit(over)),
            Err(error) => return Err(error),
        }
    }
    let charged = Change {
        charge: None,
        ..change.clone()
    };
    apply_in(write, &charged, None, keys).await?;
    Ok(MemberRetry::Written)
}
