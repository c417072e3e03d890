//! Completions of batches: each is reported once after its last open payout was finished, by whichever worker finds it.
//!
//! `is_open` says that the completion is still to be told. Finishing a payout writes nothing for it; a retry sets it
//! again, by a trigger. No other session writes between the count and the event.

use payout_core::batch::{BatchId, FinishedPayouts};
use payout_core::feed::Announcement;
use payout_core::payout::Actor;
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::feed;
use super::store::{Store, Write, run_detached};
use crate::storage::reads::Cost;
use crate::storage::sql::batches::{BatchRow, batch_columns, first, read_counts};
use crate::storage::sql::error::repository_error;

/// Finds open batches without an open payout.
pub(super) const FIND: &str = "
    SELECT id FROM payout_batches AS batch
    WHERE is_open AND NOT EXISTS (
        SELECT 1 FROM payout_states AS state
        WHERE state.deleted_at IS NULL AND state.status IN ('awaiting_approval', 'pending', 'processing')
            AND state.created_at = batch.created_at AND state.batch_id = batch.id)
    ORDER BY created_at, id LIMIT ?1";

const FIND_OPEN: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches WHERE id = ?1 AND is_open"
);

/// Counts the payouts of a batch, along the index of batches.
pub(super) const COUNT: &str = "
    SELECT state.status, count(*) FROM payout_states AS state
    WHERE state.deleted_at IS NULL
        AND state.status IN (
            'awaiting_approval', 'pending', 'processing', 'completed', 'returned', 'failed', 'cancelled')
        AND state.created_at = ?1 AND state.batch_id = ?2
    GROUP BY state.status";

const CLOSE: &str = "UPDATE payout_batches SET is_open = 0 WHERE id = ?1";

pub(super) async fn complete(store: &Store, worker: &Actor, limit: u32) -> Result<u64, RepositoryError> {
    let find = sqlx::query_as::<_, (Uuid,)>(FIND).bind(i64::from(limit));
    let found = store.read_costly(Cost::Own, find).await?;
    let mut completed = 0;
    for (id,) in found {
        let (store, worker) = (store.clone(), worker.clone());
        let done = run_detached(async move { complete_one(&store, &worker, BatchId::from(id)).await });
        completed += u64::from(done.await?);
    }
    Ok(completed)
}

async fn complete_one(store: &Store, worker: &Actor, id: BatchId) -> Result<bool, RepositoryError> {
    let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
    let found = sqlx::query_as::<_, BatchRow>(FIND_OPEN)
        .bind(id.as_uuid())
        .fetch_all(&mut *transaction)
        .await;
    let Some(batch) = first(found.map_err(repository_error)?)? else {
        transaction.rollback().await.map_err(repository_error)?;
        return Ok(false);
    };
    let counted = sqlx::query_as::<_, (String, i64)>(COUNT)
        .bind(batch.created_at.timestamp_micros())
        .bind(id.as_uuid())
        .fetch_all(&mut *transaction)
        .await;
    let counts = read_counts(counted.map_err(repository_error)?)?;
    let Some(finished) = FinishedPayouts::of(counts) else {
        transaction.rollback().await.map_err(repository_error)?;
        return Ok(false);
    };
    let close = sqlx::query(CLOSE).bind(id.as_uuid());
    close.execute(&mut *transaction).await.map_err(repository_error)?;
    let told = Announcement::of_completed(&batch, finished, worker);
    feed::tell(&mut transaction, now, &told).await?;
    transaction.commit().await.map_err(repository_error)?;
    Ok(true)
}
