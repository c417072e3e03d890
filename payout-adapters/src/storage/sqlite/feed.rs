//! The event feed: events in the order of their numbers, and creations between them.
//!
//! SQLite has one writer at a time, so the numbers of events are in the order in which transactions commit, and a reader
//! sees the transactions up to one of them. An event's position is its number. A creation's position is the number of
//! the latest event that was there before it, and a number of its own, which is greater than those of earlier creations
//! after the same event. Events of other subjects than payouts have places of the same kind.

use payout_core::Timestamp;
use payout_core::feed::{Announcement, FeedPosition};
use payout_core::ports::{FeedPage, FeedQuery, RepositoryError};
use uuid::Uuid;

use super::store::{Store, json};
use super::writer::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::feed::{AnnouncementColumns, FeedRow, LastRow, Reading, feed_columns};

/// Reads a round of the feed.
pub(super) const ROUND: &str = concat!(
    "WITH scanned AS MATERIALIZED (
        SELECT *,
            kind IN (SELECT value FROM jsonb_each(?5))
                OR (claimed_by IS NOT NULL AND 'claimed' IN (SELECT value FROM jsonb_each(?5))) AS is_wanted
        FROM (
            SELECT * FROM (
                SELECT
                    feed_after AS major, 1 + feed_number AS minor, 1 AS is_creation, id AS payout_id, 0 AS sequence,
                    'created' AS kind, coalesce(created_status, 'pending') AS status, 0 AS generation, 0 AS fence,
                    created_at AS at, created_by AS actor, created_because AS detail, NULL AS claimed_by, NULL AS claimed_at, 1 AS version,
                    created_scheduled_at AS scheduled_at, NULL AS own_id, NULL AS subject, NULL AS external_id, NULL AS payouts,
                    NULL AS changed, NULL AS finished
                FROM payout_details
                WHERE created_by IS NOT NULL AND (feed_after, feed_number, id) > (?1, ?2, ?3)
                ORDER BY feed_after, feed_number, id
                LIMIT ?6
            )
            UNION ALL
            SELECT * FROM (
                SELECT
                    sequence, 1, 0, payout_id, sequence, kind, status, generation, fence, at, actor, detail, claimed_by,
                    claimed_at, version, scheduled_at, NULL, NULL, NULL, NULL, NULL, NULL
                FROM payout_events
                WHERE sequence > ?4
                ORDER BY sequence
                LIMIT ?6
            )
            UNION ALL
            SELECT * FROM (
                SELECT
                    feed_after, 1 + feed_number, 0, NULL, 0, type, '', 0, 0, at, actor, reason, NULL, NULL, 0, NULL, id,
                    subject, external_id, payouts, changed, finished
                FROM feed_events
                WHERE (feed_after, feed_number) > (?1, ?2)
                ORDER BY feed_after, feed_number
                LIMIT ?6
            )
        )
        ORDER BY major, minor, payout_id
        LIMIT ?6
    )
    SELECT ",
    feed_columns!(),
    ",
        CASE WHEN scanned.is_wanted THEN coalesce((
            SELECT edit.amount_before FROM payout_events AS edit
            WHERE edit.payout_id = scanned.payout_id AND edit.sequence > scanned.sequence
                AND edit.amount_before IS NOT NULL
            ORDER BY edit.sequence LIMIT 1
        ), payout.amount) END AS amount,
        CASE WHEN scanned.is_wanted THEN coalesce((
            SELECT edit.currency_before FROM payout_events AS edit
            WHERE edit.payout_id = scanned.payout_id AND edit.sequence > scanned.sequence
                AND edit.amount_before IS NOT NULL
            ORDER BY edit.sequence LIMIT 1
        ), payout.currency) END AS currency
    FROM scanned
    LEFT JOIN payout_details AS payout ON scanned.is_wanted AND payout.id = scanned.payout_id
    ORDER BY scanned.major, scanned.minor, scanned.payout_id"
);

const END: &str = "
    SELECT major, minor, created, kind, status, scheduled_at FROM (
        SELECT * FROM (
            SELECT feed_after AS major, 1 + feed_number AS minor, id AS created, 'created' AS kind,
                coalesce(created_status, 'pending') AS status, created_scheduled_at AS scheduled_at
            FROM payout_details
            WHERE created_by IS NOT NULL
            ORDER BY feed_after DESC, feed_number DESC, id DESC LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT sequence, 1, NULL, kind, status, scheduled_at FROM payout_events ORDER BY sequence DESC LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT feed_after, 1 + feed_number, NULL, NULL, NULL, NULL FROM feed_events
            ORDER BY feed_after DESC, feed_number DESC LIMIT 1
        )
    )
    ORDER BY major DESC, minor DESC
    LIMIT 1";

/// Finds the next place among creations and events of other subjects than payouts.
const PLACE: &str = "
    SELECT latest.sequence, 1 + max(
        coalesce((
            SELECT max(feed_number) FROM payout_details
            WHERE created_by IS NOT NULL AND feed_after = latest.sequence
        ), 0),
        coalesce((SELECT max(feed_number) FROM feed_events WHERE feed_after = latest.sequence), 0)
    )
    FROM (SELECT coalesce(max(sequence), 0) AS sequence FROM payout_events) AS latest";

const TELL: &str = "
    INSERT INTO feed_events (feed_after, feed_number, at, type, subject, actor, reason, external_id, payouts, changed,
        finished)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(super) async fn after(store: &Store, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
    let mut reading = Reading::new(query);
    let kinds = json(&reading.kinds())?;
    while let Some(position) = reading.next_round() {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (major, minor) = (signed(position.major), signed(position.minor));
        // The round begins right before the row at the position, which may tell more events than were shown.
        let is_shown = position.is_second;
        let id = match position.created {
            Some(id) if is_shown => id.as_uuid(),
            Some(id) => Uuid::from_u128(id.as_uuid().as_u128().saturating_sub(1)),
            None => Uuid::nil(),
        };
        // The claim that an event carries has the minor number 0, and the event itself has 1.
        let is_before_event = position.created.is_none() && (minor == 0 || minor == 1 && !is_shown);
        let read = sqlx::query_as::<_, FeedRow>(ROUND)
            .bind(major)
            .bind(minor - 1)
            .bind(id)
            .bind(major - i64::from(is_before_event))
            .bind(&kinds)
            .bind(reading.round_length());
        let rows = store.read_costly(Cost::Light, read).await?;
        reading.add(&rows)?;
    }
    Ok(reading.finish())
}

pub(super) async fn end(store: &Store) -> Result<FeedPosition, RepositoryError> {
    let latest = store.read(sqlx::query_as::<_, LastRow>(END)).await?;
    latest
        .into_iter()
        .next()
        .map_or(Ok(FeedPosition::START), LastRow::end)
}

/// Stores an event of something other than a payout, in the transaction of the change that it tells.
pub(super) async fn tell(
    transaction: &mut Transaction,
    now: Timestamp,
    announcement: &Announcement,
) -> Result<(), RepositoryError> {
    let columns = AnnouncementColumns::of(announcement)?;
    let (feed_after, feed_number) = place(transaction).await?;
    let tell = sqlx::query(TELL)
        .bind(feed_after)
        .bind(feed_number)
        .bind(now.timestamp_micros())
        .bind(columns.event_type)
        .bind(columns.subject)
        .bind(columns.actor)
        .bind(columns.reason)
        .bind(columns.external_id)
        .bind(columns.payouts)
        .bind(columns.changed)
        .bind(columns.finished);
    tell.execute(&mut **transaction)
        .await
        .map(drop)
        .map_err(repository_error)
}

/// Returns the next place for creations, or for an event of something other than a payout, of this transaction.
pub(super) async fn place(transaction: &mut Transaction) -> Result<(i64, i64), RepositoryError> {
    sqlx::query_as::<_, (i64, i64)>(PLACE)
        .fetch_one(&mut **transaction)
        .await
        .map_err(repository_error)
}
