//! Reading one payout, its audit trail, an answer, and the clock.

use payout_core::Timestamp;
use payout_core::idempotency::{ScopedKey, StoredAnswer};
use payout_core::payout::{Payout, PayoutId};
use payout_core::ports::{EventPage, EventQuery, RepositoryError};
use uuid::Uuid;

use super::link::{Link, only};
use crate::reads::Cost;
use crate::sql::row::{AnswerRow, EventRow, PayoutRow, payout_columns};
use crate::sql::stored::StoredTime;
use crate::sql::trail::{self, Part};

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payouts WHERE id = $1 AND deleted_at IS NULL"
);

/// COALESCE hides the condition from the partial indexes: the planner would read one of them whole beside the primary
/// key, and take a hundred times as long.
const FIND_MANY: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payouts WHERE id = ANY ($1) AND COALESCE(deleted_at, 'infinity') = 'infinity'"
);

/// That of an API key comes before that of none.
const FIND_ANSWER: &str = "
    SELECT key, payout_id, fingerprint, snapshot, sealed, created_at
    FROM idempotency_keys
    WHERE key = ANY ($1)
    ORDER BY position(' ' IN key) DESC
    LIMIT 1";

/// A payout has at least the event of its creation, so none at all means that there is no such payout.
const EVENTS: &str = "
    SELECT sequence, kind, status, generation, fence, actor, request_id, detail, at
    FROM payout_events
    WHERE payout_id = $1 AND sequence > $2 AND EXISTS (
        SELECT FROM payouts WHERE id = $1 AND CASE WHEN deleted_at IS NULL THEN $4 ELSE $5 END)
    ORDER BY sequence
    LIMIT $3";

const COUNT_EVENTS: &str = "
    SELECT count(*) FROM (
        SELECT FROM payout_events
        WHERE payout_id = $1 AND EXISTS (
            SELECT FROM payouts WHERE id = $1 AND CASE WHEN deleted_at IS NULL THEN $3 ELSE $4 END)
        LIMIT $2
    ) AS counted";

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

pub(super) async fn answer(link: &Link, key: &ScopedKey) -> Result<Option<StoredAnswer>, RepositoryError> {
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

pub(super) async fn events(
    link: &Link,
    id: PayoutId,
    query: EventQuery,
) -> Result<Option<EventPage>, RepositoryError> {
    let (after, limit) = trail::bounds(query);
    let id = id.as_uuid();
    let read = || {
        sqlx::query_as::<_, EventRow>(EVENTS)
            .bind(id)
            .bind(after)
            .bind(limit)
            .bind(query.deleted.has_others())
            .bind(query.deleted.has_deleted())
    };
    let part = match Part::of(link.read_costly(Cost::Light, read).await?, query)?.whole() {
        Ok(page) => return Ok(Some(page)),
        Err(part) => part,
    };
    let count = || {
        sqlx::query_as::<_, (i64,)>(COUNT_EVENTS)
            .bind(id)
            .bind(trail::COUNTED)
            .bind(query.deleted.has_others())
            .bind(query.deleted.has_deleted())
    };
    let (counted,) = only(link.read_costly(Cost::Light, count).await?)?;
    Ok(part.counted(counted))
}

pub(super) async fn now(link: &Link) -> Result<Timestamp, RepositoryError> {
    let (StoredTime(now),) = only(link.read(|| sqlx::query_as::<_, (StoredTime,)>(NOW)).await?)?;
    Ok(now)
}
