//! Reads of one payout, of an idempotency record, and of the clock.

use payout_core::Timestamp;
use payout_core::idempotency::{IdempotencyRecord, ScopedKey};
use payout_core::payout::{Payout, PayoutId};
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::link::{Link, only};
use super::state_of_payout;
use crate::storage::sql::row::{AnswerRow, PayoutRow, payout_columns};
use crate::storage::sql::stored::StoredTime;

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.id = $1 AND payout.deleted_at IS NULL"
);

/// Reads payouts by id. COALESCE hides the condition from the partial indexes: otherwise the planner would read one of
/// them whole beside the primary key, and take a hundred times as long.
const FIND_MANY: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.id = ANY ($1) AND COALESCE(payout.deleted_at, 'infinity') = 'infinity'"
);

/// Reads a record by its key; the record of an API key comes before the one without.
const FIND_ANSWER: &str = "
    SELECT
        key, payout_id, fingerprint, snapshot, sealed, created_at,
        (SELECT created_by FROM payout_details WHERE id = payout_id) AS created_by
    FROM idempotency_keys
    WHERE key = ANY ($1)
    ORDER BY position(' ' IN key) DESC
    LIMIT 1";

const NOW: &str = "SELECT now()";

pub(super) async fn payout(link: &Link, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
    let rows = link
        .read(|| sqlx::query_as::<_, PayoutRow>(FIND).bind(id.as_uuid()))
        .await?;
    let row = rows.into_iter().next();
    row.map(|row| row.restore(&link.keyring)).transpose()
}

pub(super) async fn payouts(link: &Link, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = link
        .read(|| sqlx::query_as::<_, PayoutRow>(FIND_MANY).bind(&ids))
        .await?;
    rows.into_iter().map(|row| row.restore(&link.keyring)).collect()
}

pub(super) async fn answer(
    link: &Link,
    key: &ScopedKey,
) -> Result<Option<IdempotencyRecord>, RepositoryError> {
    let keys: Vec<&str> = [Some(key.as_str()), key.unscoped()]
        .into_iter()
        .flatten()
        .collect();
    let rows = link
        .read(|| sqlx::query_as::<_, AnswerRow>(FIND_ANSWER).bind(&keys))
        .await?;
    let row = rows.into_iter().next();
    row.map(|row| row.restore(&link.keyring)).transpose()
}

pub(super) async fn now(link: &Link) -> Result<Timestamp, RepositoryError> {
    let (StoredTime(now),) = only(link.read(|| sqlx::query_as::<_, (StoredTime,)>(NOW)).await?)?;
    Ok(now)
}
