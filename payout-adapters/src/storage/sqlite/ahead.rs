//! Corrects due times that were written while the clock was ahead, after it was set back: the step of
//! `Payout::brought_back`.

use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::claim::hexes;
use super::store::{Store, Write, run_detached};
use crate::storage::sql::error::repository_error;

/// Condition on a waiting row: its due time comes from a clock that was ahead, not from a schedule or a retry; `?1` is
/// now.
macro_rules! is_ahead {
    () => {
        "(+due_at > ?1
            -- A schedule is a date that a client chose.
            AND (fence > 0 OR due_at = created_at)
            AND (fence = 0 OR updated_at > ?1 + 1000000 OR "
    };
}

/// Condition on a row whose wait no component can have asked for: a lease that ends after the claim's own
/// last call, or a wait that exceeds the longest one by an hour.
macro_rules! is_impossible {
    () => {
        "CASE WHEN status = 'processing' AND updated_at = claimed_at
            THEN due_at > quiet_at ELSE due_at > updated_at + 90000000000 END"
    };
}

/// Finds candidates in three bounded index scans: payouts that are due next, payouts in flight, and payouts with a
/// creation time in the future.
pub(super) const FIND: &str = concat!(
    "SELECT DISTINCT id FROM (
        SELECT * FROM (SELECT * FROM payout_states WHERE due_at > ?1 ORDER BY due_at LIMIT 2000)
        UNION ALL
        SELECT * FROM (SELECT * FROM payout_states WHERE deleted_at IS NULL AND status = 'processing'
            ORDER BY created_at, id LIMIT 10000)
        UNION ALL
        SELECT * FROM (SELECT * FROM payout_states WHERE deleted_at IS NULL AND status = 'pending' AND created_at > ?1
            ORDER BY created_at, id LIMIT 1000)
    ) WHERE ",
    is_ahead!(),
    is_impossible!(),
    ")) LIMIT ?2"
);

const BRING_BACK: &str = concat!(
    "UPDATE payout_states
    SET due_at = ?1 + CASE WHEN fence = 0 OR ",
    is_impossible!(),
    " THEN 0 ELSE max(due_at - updated_at, 0) END,
        updated_at = min(updated_at, ?1)
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?2)) AND ",
    is_ahead!(),
    is_impossible!(),
    "))"
);

pub(super) async fn count(store: &Store, at_most: u32) -> Result<u64, RepositoryError> {
    Ok(find(store, at_most).await?.len() as u64)
}

pub(super) async fn bring_back(store: &Store, limit: u32) -> Result<u64, RepositoryError> {
    let ids = find(store, limit).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let (store, ids) = (store.clone(), hexes(ids.into_iter())?);
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let brought_back = sqlx::query(BRING_BACK)
            .bind(now.timestamp_micros())
            .bind(ids)
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?
            .rows_affected();
        transaction.commit().await.map_err(repository_error)?;
        Ok(brought_back)
    })
    .await
}

async fn find(store: &Store, limit: u32) -> Result<Vec<Uuid>, RepositoryError> {
    let statement = sqlx::query_as::<_, (Uuid,)>(FIND)
        .bind(store.now().timestamp_micros())
        .bind(i64::from(limit));
    let found = store.read(statement).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}
