//! Reading the audit trail of one payout.
//!
//! Most events are rows. The others are carried:
//!
//! - The payout's details carry the creation, unless a row has it.
//! - The row of an outcome carries its claim, in the place before its own, which no row has.
//! - The payout's state carries a claim without an outcome.

use payout_core::payout::PayoutId;
use payout_core::ports::{EventPage, EventQuery, RepositoryError};

use super::link::{Link, only};
use crate::storage::reads::Cost;
use crate::storage::sql::row::EventRow;
use crate::storage::sql::trail::{self, Part};

/// Reads a part of a trail. A payout has at least the event of its creation, so an empty result means that there is no
/// such payout.
const EVENTS: &str = "
    WITH part AS (
        SELECT sequence, kind, status, generation, fence, actor, request_id, detail, at, claimed_by, claimed_at
        FROM payout_events
        WHERE payout_id = $1 AND sequence > $2
        ORDER BY sequence
        LIMIT $3
    ), trail AS (
        SELECT
            0::bigint AS sequence, 'created' AS kind, coalesce(created_status, 'pending') AS status, 0::bigint AS generation, 0::bigint AS fence,
            created_by AS actor, created_in AS request_id, created_because AS detail, created_at AS at
        FROM payout_details
        WHERE id = $1 AND created_by IS NOT NULL AND $2 < 0
        UNION ALL
        SELECT sequence - 1, 'claimed', 'processing', generation, fence, claimed_by, NULL, NULL, claimed_at
        FROM part
        WHERE claimed_by IS NOT NULL AND sequence - 1 > $2
        UNION ALL
        SELECT sequence, kind, status, generation, fence, actor, request_id, detail, at
        FROM part
        UNION ALL
        -- The latest of all.
        SELECT 9223372036854775807, 'claimed', 'processing', generation, fence, claimed_by, NULL, NULL, claimed_at
        FROM payout_states
        WHERE id = $1 AND claimed_by IS NOT NULL
    )
    SELECT sequence, kind, status, generation, fence, actor, request_id, detail, at
    FROM trail
    WHERE EXISTS (SELECT FROM payout_details WHERE id = $1 AND CASE WHEN deleted_at IS NULL THEN $4 ELSE $5 END)
    ORDER BY sequence
    LIMIT $3";

const COUNT_EVENTS: &str = "
    SELECT CASE
        WHEN EXISTS (SELECT FROM payout_details WHERE id = $1 AND CASE WHEN deleted_at IS NULL THEN $3 ELSE $4 END)
        THEN (
            SELECT count(*) + count(claimed_by)
            FROM (SELECT claimed_by FROM payout_events WHERE payout_id = $1 LIMIT $2) AS counted
        )
        + (SELECT count(created_by) FROM payout_details WHERE id = $1)
        + (SELECT count(claimed_by) FROM payout_states WHERE id = $1)
        ELSE 0 END";

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
