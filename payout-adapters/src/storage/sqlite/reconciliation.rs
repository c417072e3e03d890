//! Reconciliation reads, and the claims that a restored store presumes.

use payout_core::payout::{Actor, Event};
use payout_core::ports::{ReconciliationQuery, Record, RepositoryError};
use uuid::Uuid;

use super::claim::hexes;
use super::store::{Store, Write, run_detached};
use crate::storage::reads::Cost;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::record::{RecordRow, record_columns, window};

/// Reads existing and deleted payouts, each along its own index, then merges them.
pub(super) const RECORDS: &str = concat!(
    "SELECT * FROM (
        SELECT ",
    record_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
        WHERE payout.deleted_at IS NULL
            AND (payout.created_at, payout.id) > (?1, ?2) AND (payout.created_at, payout.id) < (?3, ?4)
        ORDER BY payout.created_at, payout.id LIMIT ?5
    ) UNION ALL SELECT * FROM (
        SELECT ",
    record_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
        WHERE payout.deleted_at IS NOT NULL
            AND (payout.created_at, payout.id) > (?1, ?2) AND (payout.created_at, payout.id) < (?3, ?4)
        ORDER BY payout.created_at, payout.id LIMIT ?5
    ) ORDER BY created_at, id LIMIT ?5"
);

const DUE: &str = "
    SELECT * FROM (
        SELECT id FROM payout_states WHERE status = 'pending' AND due_at <= ?1 ORDER BY due_at LIMIT ?2)
    UNION ALL
    SELECT * FROM (
        SELECT id FROM payout_states WHERE batch_due_at <= ?1 ORDER BY provider, batch_id LIMIT ?2)
    UNION ALL
    SELECT * FROM (
        SELECT id FROM payout_states
        WHERE status = 'awaiting_approval' AND deleted_at IS NULL AND first_submitted_at IS NULL
        ORDER BY created_at, id LIMIT ?2)
    LIMIT ?2";

const PRESUME_CLAIMED: &str = "
    UPDATE payout_states
    SET status = CASE status WHEN 'pending' THEN 'processing' ELSE status END,
        fence = fence + 1,
        claims = claims + 1,
        version = version + 1,
        -- Presumed sent as early as the last write, so that an old payout is reviewed instead of sent again.
        claimed_at = max(updated_at, coalesce(claimed_at + 1, 0)),
        first_submitted_at = max(updated_at, coalesce(claimed_at + 1, 0)),
        quiet_at = max(coalesce(quiet_at, 0), ?1),
        due_at = CASE status WHEN 'pending' THEN ?1 END,
        batch_due_at = NULL,
        updated_at = ?1
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?2))";

const LOG: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, detail, version)
    SELECT id, generation, fence, ?2, 'claimed', status, ?3, ?4, version
    FROM payout_states
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))";

pub(super) async fn records(
    store: &Store,
    query: &ReconciliationQuery,
) -> Result<Vec<Record>, RepositoryError> {
    let window = window(query);
    let statement = sqlx::query_as::<_, RecordRow>(RECORDS)
        .bind(window.above.0.timestamp_micros())
        .bind(window.above.1)
        .bind(window.below.0.timestamp_micros())
        .bind(window.below.1)
        .bind(i64::from(query.limit));
    let rows = store.read_costly(Cost::Own, statement).await?;
    rows.into_iter().map(|row| row.restore(&store.keyring)).collect()
}

pub(super) async fn presume_claimed(store: &Store, limit: u32, by: &Actor) -> Result<u64, RepositoryError> {
    let (store, by) = (store.clone(), by.as_str().to_owned());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let now = now.timestamp_micros();
        let due: Vec<(Uuid,)> = sqlx::query_as(DUE)
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let ids = hexes(due.iter().map(|(id,)| *id))?;
        let claim = sqlx::query(PRESUME_CLAIMED).bind(now).bind(&ids);
        claim.execute(&mut *transaction).await.map_err(repository_error)?;
        let log = sqlx::query(LOG)
            .bind(&ids)
            .bind(now)
            .bind(by)
            .bind(Event::PRESUMED_CLAIM);
        log.execute(&mut *transaction).await.map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(due.len() as u64)
    })
    .await
}
