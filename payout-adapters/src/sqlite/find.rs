//! Reading one payout, its audit trail, an answer, and the clock.

use payout_core::Timestamp;
use payout_core::idempotency::{ScopedKey, StoredAnswer};
use payout_core::payout::{Payout, PayoutId};
use payout_core::ports::{EventPage, EventQuery, RepositoryError};

use super::claim::hexes;
use super::store::Store;
use crate::reads::Cost;
use crate::sql::row::{AnswerRow, EventRow, PayoutRow, payout_columns};
use crate::sql::trail::{self, Part};

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payouts WHERE id = ?1 AND deleted_at IS NULL"
);

const FIND_MANY: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payouts WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL"
);

/// That of an API key comes before that of none.
const FIND_ANSWER: &str = "
    SELECT key, payout_id, fingerprint, snapshot, sealed, created_at
    FROM idempotency_keys
    WHERE key IN (?1, ?2)
    ORDER BY instr(key, ' ') DESC
    LIMIT 1";

/// A payout has at least the event of its creation, so none at all means that there is no such payout.
const EVENTS: &str = "
    SELECT sequence, kind, status, generation, fence, actor, request_id, detail, at
    FROM payout_events
    WHERE payout_id = ?1 AND sequence > ?2 AND EXISTS (
        SELECT 1 FROM payouts WHERE id = ?1 AND CASE WHEN deleted_at IS NULL THEN ?4 ELSE ?5 END)
    ORDER BY sequence
    LIMIT ?3";

const COUNT_EVENTS: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM payout_events
        WHERE payout_id = ?1 AND EXISTS (
            SELECT 1 FROM payouts WHERE id = ?1 AND CASE WHEN deleted_at IS NULL THEN ?3 ELSE ?4 END)
        LIMIT ?2
    )";

/// The file answers; the time is the clock's.
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

pub(super) async fn answer(store: &Store, key: &ScopedKey) -> Result<Option<StoredAnswer>, RepositoryError> {
    let find = sqlx::query_as::<_, AnswerRow>(FIND_ANSWER)
        .bind(key.as_str())
        .bind(key.unscoped());
    let row = store.read(find).await?.into_iter().next();
    row.map(|row| row.restore(&store.keyring)).transpose()
}

pub(super) async fn events(
    store: &Store,
    id: PayoutId,
    query: EventQuery,
) -> Result<Option<EventPage>, RepositoryError> {
    let (after, limit) = trail::bounds(query);
    let id = id.as_uuid();
    let read = sqlx::query_as::<_, EventRow>(EVENTS)
        .bind(id)
        .bind(after)
        .bind(limit)
        .bind(query.deleted.has_others())
        .bind(query.deleted.has_deleted());
    let part = match Part::of(store.read_costly(Cost::Light, read).await?, query)?.whole() {
        Ok(page) => return Ok(Some(page)),
        Err(part) => part,
    };
    let count = sqlx::query_as::<_, (i64,)>(COUNT_EVENTS)
        .bind(id)
        .bind(trail::COUNTED)
        .bind(query.deleted.has_others())
        .bind(query.deleted.has_deleted());
    let counted = store.read_costly(Cost::Light, count).await?.into_iter().next();
    Ok(part.counted(counted.map_or(0, |(counted,)| counted)))
}

pub(super) async fn now(store: &Store) -> Result<Timestamp, RepositoryError> {
    store.read(sqlx::query_as::<_, (i64,)>(ANSWERS)).await?;
    Ok(store.now())
}
