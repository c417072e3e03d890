//! Reads of one payout, of an idempotency record, and of the clock.

use payout_core::Timestamp;
use payout_core::idempotency::{IdempotencyRecord, ScopedKey};
use payout_core::payout::{Payout, PayoutId};
use payout_core::ports::RepositoryError;

use super::claim::hexes;
use super::store::Store;
use crate::storage::sql::row::{AnswerRow, PayoutRow, payout_columns};

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.id = ?1 AND payout.deleted_at IS NULL"
);

const FIND_MANY: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.id IN (SELECT unhex(value) FROM jsonb_each(?1)) AND payout.deleted_at IS NULL"
);

/// Reads a record by its key; the record of an API key comes before the one without.
const FIND_ANSWER: &str = "
    SELECT
        key, payout_id, fingerprint, snapshot, sealed, created_at,
        (SELECT created_by FROM payout_details WHERE id = payout_id) AS created_by
    FROM idempotency_keys
    WHERE key IN (?1, ?2)
    ORDER BY instr(key, ' ') DESC
    LIMIT 1";

/// Checks that the file responds; the time comes from the clock.
const ANSWERS: &str = "SELECT count(*) FROM sqlite_schema";

pub(super) async fn payout(store: &Store, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
    let rows = store
        .read(sqlx::query_as::<_, PayoutRow>(FIND).bind(id.as_uuid()))
        .await?;
    let row = rows.into_iter().next();
    row.map(|row| row.restore(&store.keyring)).transpose()
}

pub(super) async fn payouts(store: &Store, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
    let ids = hexes(ids.iter().map(|id| id.as_uuid()))?;
    let rows = store
        .read(sqlx::query_as::<_, PayoutRow>(FIND_MANY).bind(ids))
        .await?;
    rows.into_iter().map(|row| row.restore(&store.keyring)).collect()
}

pub(super) async fn answer(
    store: &Store,
    key: &ScopedKey,
) -> Result<Option<IdempotencyRecord>, RepositoryError> {
    let find = sqlx::query_as::<_, AnswerRow>(FIND_ANSWER)
        .bind(key.as_str())
        .bind(key.unscoped());
    let row = store.read(find).await?.into_iter().next();
    row.map(|row| row.restore(&store.keyring)).transpose()
}

pub(super) async fn now(store: &Store) -> Result<Timestamp, RepositoryError> {
    store.read(sqlx::query_as::<_, (i64,)>(ANSWERS)).await?;
    Ok(store.now())
}
