//! Completions of batches: each is reported once after its last open payout was finished, by whichever worker finds it.
//!
//! `is_open` says that the completion is still to be told. Finishing a payout writes nothing for it, so no settlement
//! waits for its batch. A retry sets it again, by a trigger that first locks the batch against the transaction below.
//! So either that transaction sees the payout which is open again, or the retry sees that the completion was told.

use payout_core::batch::{BatchId, FinishedPayouts};
use payout_core::feed::Announcement;
use payout_core::payout::Actor;
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::feed;
use super::link::Link;
use super::transaction::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::batches::{BatchRow, batch_columns, first, read_counts};

/// Finds open batches without an open payout. The subquery stays one, so that it walks the index of each batch, whatever
/// the planner expects.
const FIND: &str = "
    SELECT id FROM payout_batches AS batch
    WHERE is_open AND NOT EXISTS (
        SELECT FROM payout_states AS state
        WHERE state.deleted_at IS NULL AND state.status IN ('awaiting_approval', 'pending', 'processing')
            AND state.created_at = batch.created_at AND state.batch_id = batch.id
        OFFSET 0)
    ORDER BY created_at, id LIMIT $1";

/// Locks a batch against other workers, which skip it, and against retries. What follows has a later snapshot: it shows
/// each retry that held the batch before.
const LOCK: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches WHERE id = $1 AND is_open FOR UPDATE SKIP LOCKED"
);

/// Counts the payouts of a batch, along the index of batches.
const COUNT: &str = "
    SELECT status, count(*) FROM payout_states
    WHERE deleted_at IS NULL
        AND status IN ('awaiting_approval', 'pending', 'processing', 'completed', 'returned', 'failed', 'cancelled')
        AND created_at = $1 AND batch_id = $2
    GROUP BY status";

const CLOSE: &str = "UPDATE payout_batches SET is_open = false WHERE id = $1";

pub(super) async fn complete(link: &Link, worker: &Actor, limit: u32) -> Result<u64, RepositoryError> {
    let find = || sqlx::query_as::<_, (Uuid,)>(FIND).bind(i64::from(limit));
    let found = link.read_costly(Cost::Own, find).await?;
    let mut completed = 0;
    for (id,) in found {
        completed += u64::from(complete_one(link, worker, BatchId::from(id)).await?);
    }
    Ok(completed)
}

async fn complete_one(link: &Link, worker: &Actor, id: BatchId) -> Result<bool, RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    let lock = sqlx::query_as::<_, BatchRow>(LOCK).bind(id.as_uuid());
    let Some(batch) = first(transaction.run(lock).await?)? else {
        transaction.rollback().await?;
        return Ok(false);
    };
    let count = sqlx::query_as::<_, (String, i64)>(COUNT)
        .bind(batch.created_at)
        .bind(id.as_uuid());
    let counts = read_counts(transaction.run(count).await?)?;
    let Some(finished) = FinishedPayouts::of(counts) else {
        transaction.rollback().await?;
        return Ok(false);
    };
    let close = sqlx::query_as::<_, ()>(CLOSE).bind(id.as_uuid());
    transaction.run(close).await?;
    let told = Announcement::of_completed(&batch, finished, worker);
    feed::tell(&mut transaction, &told).await?;
    transaction.commit().await?;
    Ok(true)
}
