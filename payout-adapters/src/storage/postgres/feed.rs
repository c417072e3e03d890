//! The event feed: events, creations, and events of other subjects than payouts, in the order of their keys.
//!
//! An event's key is the number of the transaction that wrote it, or that of the payout's previous event if it is
//! greater (`payout_feed_key` in the migration). A reader shows only keys below its snapshot's horizon: the number of
//! the oldest transaction that still ran when the snapshot was taken.
//!
//! - **Nothing is skipped.** A transaction that has not ended when the snapshot is taken has a number that is not below
//!   the horizon, or gets a greater one later. The keys that it writes are not smaller than its number. So everything
//!   below the horizon is committed or was rolled back, and the snapshot shows all of it.
//! - **A payout's events are in the order of its versions.** Transactions lock a payout in any order of their numbers.
//!   The later one reads the payout's greatest key under the lock, takes a key that is not smaller, and draws a greater
//!   `sequence`, which decides between equal keys.
//!
//! The price: while a transaction with a number runs anywhere on the server, also in another database, the feed shows
//! nothing that was written after its beginning. It loses nothing, and `delay` tells how long that has lasted. Reads have
//! no number, so a long report or a dump delays nothing.

use std::time::Duration;

use payout_core::feed::{Announcement, FeedPosition};
use payout_core::ports::{FeedPage, FeedQuery, RepositoryError};
use sqlx::Connection;
use uuid::Uuid;

use super::link::{Link, only};
use super::transaction::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::feed::{AnnouncementColumns, FeedRow, LastRow, Reading, feed_columns};

/// Reads a round of the feed. The constant limits show the planner that few rows are wanted, so that it walks the indexes
/// in order; the parameter alone would not.
const ROUND: &str = concat!(
    "SELECT ",
    feed_columns!(),
    ",
        COALESCE(edit.amount_before, payout.amount) AS amount,
        COALESCE(edit.currency_before, payout.currency) AS currency
    FROM (
        SELECT *,
            kind = ANY ($4) OR (claimed_by IS NOT NULL AND 'claimed' = ANY ($4)) AS is_wanted
        FROM (
            (SELECT * FROM (
                SELECT
                    feed_key AS major, 0::bigint AS minor, true AS is_creation, id AS payout_id, 0::bigint AS sequence,
                    'created' AS kind, coalesce(created_status, 'pending') AS status, 0::bigint AS generation,
                    0::bigint AS fence, created_at AS at, created_by AS actor, created_because AS detail, NULL::text AS claimed_by,
                    NULL::timestamptz AS claimed_at, 1::bigint AS version, created_scheduled_at AS scheduled_at,
                    NULL::uuid AS own_id, NULL::text AS subject, NULL::text AS external_id, NULL::bigint AS payouts,
                    NULL::bigint AS changed, NULL::text AS finished
                FROM payout_details
                WHERE created_by IS NOT NULL AND (feed_key, id) > ($1, $2) AND feed_key < payout_feed_horizon()
                ORDER BY feed_key, id
                LIMIT 1001
            ) AS created LIMIT $5)
            UNION ALL
            (SELECT * FROM (
                SELECT
                    feed_key, 2 * sequence + 1, false, payout_id, sequence, kind, status, generation, fence, at, actor,
                    detail, claimed_by, claimed_at, version, scheduled_at, NULL::uuid, NULL::text, NULL::text, NULL::bigint,
                    NULL::bigint, NULL::text
                FROM payout_events
                WHERE (feed_key, sequence) > ($1, $3) AND feed_key < payout_feed_horizon()
                ORDER BY feed_key, sequence
                LIMIT 1001
            ) AS happened LIMIT $5)
            UNION ALL
            (SELECT * FROM (
                SELECT
                    feed_key, 2 * sequence + 1, false, NULL::uuid, sequence, type, '', 0, 0, at, actor, reason, NULL::text,
                    NULL::timestamptz, 0, NULL::timestamptz, id, subject, external_id, payouts, changed, finished
                FROM feed_events
                WHERE (feed_key, sequence) > ($1, $3) AND feed_key < payout_feed_horizon()
                ORDER BY feed_key, sequence
                LIMIT 1001
            ) AS announced LIMIT $5)
        ) AS all_kinds
        ORDER BY major, minor, payout_id
        LIMIT $5
    ) AS scanned
    LEFT JOIN LATERAL (
        SELECT amount, currency, created_by, batch_id FROM payout_details
        WHERE scanned.is_wanted AND payout_details.id = scanned.payout_id
        OFFSET 0
    ) AS payout ON true
    LEFT JOIN LATERAL (
        SELECT amount_before, currency_before FROM payout_events
        WHERE scanned.is_wanted AND payout_events.payout_id = scanned.payout_id
            AND payout_events.sequence > scanned.sequence AND amount_before IS NOT NULL
        ORDER BY payout_events.sequence
        LIMIT 1
    ) AS edit ON true
    ORDER BY scanned.major, scanned.minor, scanned.payout_id"
);

const END: &str = "
    SELECT major, minor, created, kind, status, scheduled_at FROM (
        (SELECT feed_key AS major, 0::bigint AS minor, id AS created, 'created' AS kind,
                coalesce(created_status, 'pending') AS status, created_scheduled_at AS scheduled_at
            FROM payout_details
            WHERE created_by IS NOT NULL AND feed_key < payout_feed_horizon()
            ORDER BY feed_key DESC, id DESC LIMIT 1)
        UNION ALL
        (SELECT feed_key, 2 * sequence + 1, NULL, kind, status, scheduled_at FROM payout_events
            WHERE feed_key < payout_feed_horizon()
            ORDER BY feed_key DESC, sequence DESC LIMIT 1)
        UNION ALL
        (SELECT feed_key, 2 * sequence + 1, NULL, NULL, NULL, NULL FROM feed_events
            WHERE feed_key < payout_feed_horizon()
            ORDER BY feed_key DESC, sequence DESC LIMIT 1)
    ) AS latest
    ORDER BY major DESC, minor DESC
    LIMIT 1";

/// Reads for how many seconds the oldest event beyond the horizon has waited.
const DELAY: &str = "
    SELECT COALESCE(GREATEST(EXTRACT(EPOCH FROM now() - min(at)), 0), 0)::float8 FROM (
        (SELECT created_at AS at FROM payout_details
            WHERE created_by IS NOT NULL AND feed_key >= payout_feed_horizon()
            ORDER BY feed_key, id LIMIT 1)
        UNION ALL
        (SELECT at FROM payout_events
            WHERE feed_key >= payout_feed_horizon()
            ORDER BY feed_key, sequence LIMIT 1)
        UNION ALL
        (SELECT at FROM feed_events
            WHERE feed_key >= payout_feed_horizon()
            ORDER BY feed_key, sequence LIMIT 1)
    ) AS waiting";

/// Returns whether the next transaction's key would not be above all that are stored.
const IS_BEHIND: &str = "
    SELECT GREATEST(
        (SELECT feed_key FROM payout_details WHERE created_by IS NOT NULL ORDER BY feed_key DESC, id DESC LIMIT 1),
        (SELECT feed_key FROM payout_events ORDER BY feed_key DESC, sequence DESC LIMIT 1),
        (SELECT feed_key FROM feed_events ORDER BY feed_key DESC, sequence DESC LIMIT 1),
        0) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + payout_feed_offset()";

/// Raises the offset, so that the keys of all later transactions are above all that are stored. The locks exclude writers,
/// so none writes a key by the old offset afterwards: a statement that waits for a lock is planned again, with the new one.
const RAISE: &str = "
    DO $$
    DECLARE
        latest bigint;
        next_number bigint;
    BEGIN
        LOCK TABLE payout_details, payout_states, payout_events, feed_events IN SHARE ROW EXCLUSIVE MODE;
        latest := GREATEST(
            (SELECT feed_key FROM payout_details WHERE created_by IS NOT NULL
                ORDER BY feed_key DESC, id DESC LIMIT 1),
            (SELECT feed_key FROM payout_events ORDER BY feed_key DESC, sequence DESC LIMIT 1),
            (SELECT feed_key FROM feed_events ORDER BY feed_key DESC, sequence DESC LIMIT 1),
            0);
        next_number := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
        IF latest >= next_number + payout_feed_offset() THEN
            EXECUTE format(
                'CREATE OR REPLACE FUNCTION payout_feed_offset() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE '
                'RETURN %s::bigint',
                latest - next_number + 1);
        END IF;
    END
    $$";

/// Stores an event of something other than a payout. Its key is not smaller than those of the subject's earlier ones: the
/// change that it tells holds the subject's lock, and this statement reads after it. Neither is it smaller than that of
/// any event which the statement sees, such as those of a batch's payouts: the transactions of all of them have numbers
/// below the snapshot's end.
const TELL: &str = "
    INSERT INTO feed_events (feed_key, type, subject, actor, reason, external_id, payouts, changed, finished)
    SELECT
        GREATEST(
            payout_feed_key(),
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 + payout_feed_offset(),
            (SELECT max(feed_key) FROM feed_events WHERE subject = $2)),
        $1, $2, $3, $4, $5, $6, $7, $8
    RETURNING 1";

/// Stores an event of something other than a payout, in the transaction of the change that it tells.
pub(super) async fn tell(
    transaction: &mut Transaction<'_>,
    announcement: &Announcement,
) -> Result<(), RepositoryError> {
    let columns = AnnouncementColumns::of(announcement)?;
    let tell = sqlx::query_as::<_, (i32,)>(TELL)
        .bind(columns.event_type)
        .bind(columns.subject)
        .bind(columns.actor)
        .bind(columns.reason)
        .bind(columns.external_id)
        .bind(columns.payouts)
        .bind(columns.changed)
        .bind(columns.finished);
    transaction.run(tell).await.map(drop)
}

pub(super) async fn after(link: &Link, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
    let mut reading = Reading::new(query);
    while let Some(position) = reading.next_round() {
        let (key, id, sequence) = bounds(position);
        let read = || {
            sqlx::query_as::<_, FeedRow>(ROUND)
                .bind(key)
                .bind(id)
                .bind(sequence)
                .bind(reading.kinds().to_vec())
                .bind(reading.round_length())
        };
        let rows = link.read_costly(Cost::Light, read).await?;
        reading.add(&rows)?;
    }
    Ok(reading.finish())
}

/// Returns the key, the id of the creation and the sequence of the event after which a round begins: right before the row
/// at the position, which may tell more events than were shown. A creation comes before the events with its key, and a
/// claim that an outcome carries right before the outcome.
fn bounds(position: FeedPosition) -> (i64, Uuid, i64) {
    let id = match position.created {
        Some(id) if position.is_second => id.as_uuid(),
        Some(id) => Uuid::from_u128(id.as_uuid().as_u128().saturating_sub(1)),
        None if position.minor == 0 => Uuid::nil(),
        None => Uuid::max(),
    };
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sequence = signed(position.minor / 2);
    (
        signed(position.major),
        id,
        sequence - i64::from(!position.is_second),
    )
}

pub(super) async fn end(link: &Link) -> Result<FeedPosition, RepositoryError> {
    let latest = link.read(|| sqlx::query_as::<_, LastRow>(END)).await?;
    latest
        .into_iter()
        .next()
        .map_or(Ok(FeedPosition::START), LastRow::end)
}

pub(super) async fn delay(link: &Link) -> Result<Duration, RepositoryError> {
    let (seconds,) = only(link.read(|| sqlx::query_as::<_, (f64,)>(DELAY)).await?)?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Makes the keys of later transactions greater than all stored ones. They are already, unless the database was restored
/// into a server whose numbers of transactions are smaller.
pub(super) async fn go_on(link: &Link) -> Result<(), RepositoryError> {
    let (is_behind,) = only(link.read(|| sqlx::query_as::<_, (bool,)>(IS_BEHIND)).await?)?;
    if !is_behind {
        return Ok(());
    }
    let mut connection = link.connect_unlimited().await.map_err(repository_error)?;
    let raised = sqlx::raw_sql(RAISE).execute(&mut connection).await;
    let _ = connection.close().await;
    raised.map_err(repository_error)?;
    tracing::warn!(
        "this server's numbers of transactions are smaller than the feed's keys: the feed goes on above them"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use payout_core::payout::PayoutId;

    use super::*;

    #[test]
    fn a_round_begins_with_the_row_at_its_position() {
        let id = PayoutId::from(Uuid::from_u128(7));
        let position = |minor, created| FeedPosition {
            major: 9,
            minor,
            created,
            is_second: false,
        };
        assert_eq!(bounds(FeedPosition::START), (0, Uuid::nil(), -1));
        let before = Uuid::from_u128(6);
        assert_eq!(bounds(position(0, Some(id))), (9, before, -1));
        assert_eq!(bounds(position(0, Some(id)).second()), (9, id.as_uuid(), 0));
        // The claim that event 5 carries, the event itself, and the one that it tells besides.
        assert_eq!(bounds(position(10, None)), (9, Uuid::max(), 4));
        assert_eq!(bounds(position(11, None)), (9, Uuid::max(), 4));
        assert_eq!(bounds(position(11, None).second()), (9, Uuid::max(), 5));
    }
}
