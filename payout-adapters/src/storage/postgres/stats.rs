//! Statistics: the sums that the table `payout_stats` keeps, and the payouts that it does not count yet.
//!
//! `fold` adds payouts to the table in the order of their creation, and remembers how far it came. Whatever it has
//! reached is counted in the table, or listed in `payout_stats_open`, or has a note in `payout_stats_notes` of what was
//! counted before a change. A read adds all of these up in one statement, so that it is exact at any time.

use payout_core::Timestamp;
use payout_core::ports::RepositoryError;
use payout_core::stats::{Days, Grouping, StatsRow};
use rust_decimal::Decimal;

use super::link::{Link, only};
use super::transaction::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::stats::Counted;

/// The key of the lock that lets one process fold at a time.
const LOCK: i64 = 0x7061_796f_7574_0020;

/// The largest number of payouts with notes that one call takes.
const NOTED: i64 = 10_000;

/// Takes the lock, and finds the time before which no transaction can store a payout any more. It is found before the
/// snapshot of the statement below, so that a transaction which it does not see has ended before that.
///
/// A payout that is stored more than five seconds after its time of creation leaves a note.
const BEGIN: &str = "
    SELECT pg_try_advisory_xact_lock($1), least(
        now() - interval '10 seconds',
        (SELECT min(xact_start) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid())),
        (SELECT created_at > now() FROM payout_stats_progress)";

/// Begins from the first payout again. The clock of the server was set back: payouts may have been stored behind those
/// that were reached.
const BEGIN_AGAIN: &str = "
    WITH counted AS (DELETE FROM payout_stats), open AS (DELETE FROM payout_stats_open)
    UPDATE payout_stats_progress SET created_at = 'epoch', id = '00000000-0000-0000-0000-000000000000'";

const FOLD: &str = "
    WITH passed AS (
        SELECT id, created_at FROM payout_details
        WHERE deleted_at IS NULL AND created_at < $1
            AND (created_at, id) > ((SELECT created_at FROM payout_stats_progress), (SELECT id FROM payout_stats_progress))
        ORDER BY created_at, id LIMIT $2
    ), ended AS (
        SELECT open.id FROM payout_stats_open AS open
        CROSS JOIN LATERAL (
            SELECT status, deleted_at FROM payout_states WHERE payout_states.id = open.id OFFSET 0) AS state
        WHERE state.status IN ('completed', 'returned', 'failed', 'cancelled') OR state.deleted_at IS NOT NULL
        LIMIT $2
    ), noted AS (
        DELETE FROM payout_stats_notes WHERE id IN (
            SELECT id FROM (SELECT id FROM payout_stats_notes ORDER BY sequence LIMIT $3) AS first
            UNION ALL SELECT id FROM passed
            UNION ALL SELECT id FROM ended)
        RETURNING *
    ), before AS (
        -- The first note of a payout says what was counted, unless it was not reached or not counted yet.
        SELECT DISTINCT ON (note.id) note.* FROM noted AS note
        WHERE (note.created_at, note.id)
            <= ((SELECT created_at FROM payout_stats_progress), (SELECT id FROM payout_stats_progress))
            AND NOT EXISTS (SELECT FROM payout_stats_open AS open WHERE open.id = note.id)
        ORDER BY note.id, note.sequence
    ), current AS (
        SELECT payout.id, payout.created_at, payout.currency, state.status, state.provider, payout.amount,
            payout_time_class(state.status, payout.created_at, payout.scheduled_at, state.completed_at) AS time_class,
            state.status IN ('completed', 'returned', 'failed', 'cancelled') AS final
        FROM (SELECT id FROM passed UNION ALL SELECT id FROM ended UNION ALL SELECT id FROM before) AS looked_at
        CROSS JOIN LATERAL (SELECT * FROM payout_details WHERE payout_details.id = looked_at.id OFFSET 0) AS payout
        CROSS JOIN LATERAL (SELECT * FROM payout_states WHERE payout_states.id = looked_at.id OFFSET 0) AS state
        WHERE state.deleted_at IS NULL
    ), opened AS (
        INSERT INTO payout_stats_open (id) SELECT id FROM current WHERE NOT final
    ), closed AS (
        DELETE FROM payout_stats_open WHERE id IN (SELECT id FROM ended)
    ), summed AS (
        INSERT INTO payout_stats AS stats (day, currency, status, provider, time_class, payouts, amount)
        SELECT (created_at AT TIME ZONE 'UTC')::date, currency, status, provider, time_class, sum(payouts), sum(amount)
        FROM (
            SELECT created_at, currency, status, provider, time_class, 1 AS payouts, amount FROM current WHERE final
            UNION ALL
            SELECT created_at, currency, status, provider, time_class, -1, -amount FROM before WHERE status IS NOT NULL
        ) AS counted
        GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (day, currency, status, provider, time_class)
        DO UPDATE SET payouts = stats.payouts + excluded.payouts, amount = stats.amount + excluded.amount
    ), moved AS (
        UPDATE payout_stats_progress SET (created_at, id) = (
            SELECT created_at, id FROM passed ORDER BY created_at DESC, id DESC LIMIT 1)
        WHERE EXISTS (SELECT FROM passed)
    )
    SELECT greatest((SELECT count(*) FROM passed), (SELECT count(*) FROM ended))";

const PROGRESS: &str = "SELECT created_at FROM payout_stats_progress";

/// Selects the sums of these days, the payouts that they do not count as they are, and what they count for those, with the
/// opposite sign. The joins are by the primary keys, whatever the planner expects.
macro_rules! uncounted {
    () => {
        "WITH progress AS (SELECT created_at, id FROM payout_stats_progress),
        before AS (
            SELECT DISTINCT ON (note.id) note.* FROM payout_stats_notes AS note, progress
            WHERE (note.created_at, note.id) <= (progress.created_at, progress.id)
                AND NOT EXISTS (SELECT FROM payout_stats_open AS open WHERE open.id = note.id)
            ORDER BY note.id, note.sequence
        ), counted AS (
            SELECT day, currency, status, provider, time_class, payouts, amount FROM payout_stats
            WHERE day BETWEEN $1 AND $2
            UNION ALL
            SELECT (created_at AT TIME ZONE 'UTC')::date, currency, status, provider, time_class, -1, -amount FROM before
            WHERE status IS NOT NULL
                AND created_at >= $1::timestamp AT TIME ZONE 'UTC' AND created_at < ($2 + 1)::timestamp AT TIME ZONE 'UTC'
            UNION ALL
            SELECT (payout.created_at AT TIME ZONE 'UTC')::date, payout.currency, state.status, state.provider,
                payout_time_class(state.status, payout.created_at, payout.scheduled_at, state.completed_at),
                1, payout.amount
            FROM (
                -- $3 is the progress as it was a moment ago: the planner must know that few payouts are behind it.
                SELECT id, created_at, currency, amount, scheduled_at FROM payout_details
                WHERE deleted_at IS NULL AND created_at >= $3
                    AND (created_at, id) > ((SELECT created_at FROM progress), (SELECT id FROM progress))
                UNION ALL
                SELECT id, created_at, currency, amount, scheduled_at
                FROM (SELECT id FROM payout_stats_open UNION ALL SELECT id FROM before) AS reached
                CROSS JOIN LATERAL (
                    SELECT created_at, currency, amount, scheduled_at FROM payout_details
                    WHERE payout_details.id = reached.id OFFSET 0) AS payout
            ) AS payout
            CROSS JOIN LATERAL (
                SELECT status, provider, completed_at, deleted_at FROM payout_states
                WHERE payout_states.id = payout.id OFFSET 0) AS state
            WHERE state.deleted_at IS NULL
                AND payout.created_at >= $1::timestamp AT TIME ZONE 'UTC'
                AND payout.created_at < ($2 + 1)::timestamp AT TIME ZONE 'UTC'
        ) "
    };
}

macro_rules! grouped_by {
    ($group:literal) => {
        concat!(
            uncounted!(),
            "SELECT ",
            $group,
            ", currency, time_class, sum(payouts)::bigint, sum(amount) FROM counted GROUP BY 1, 2, 3"
        )
    };
}

const TOTAL: &str = grouped_by!("''");
const BY_DAY: &str = grouped_by!("day::text");
const BY_CURRENCY: &str = grouped_by!("currency");
const BY_STATUS: &str = grouped_by!("status");
const BY_PROVIDER: &str = grouped_by!("provider");

pub(super) async fn fold(link: &Link, limit: u32) -> Result<u64, RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    let begin = sqlx::query_as::<_, (bool, Timestamp, bool)>(BEGIN).bind(LOCK);
    let (is_locked, horizon, is_ahead) = only(transaction.run(begin).await?)?;
    if !is_locked {
        transaction.rollback().await?;
        return Ok(0);
    }
    if is_ahead {
        transaction.run(sqlx::query_as::<_, ()>(BEGIN_AGAIN)).await?;
    }
    let fold = sqlx::query_as::<_, (i64,)>(FOLD)
        .bind(horizon)
        .bind(i64::from(limit))
        .bind(NOTED);
    let (folded,) = only(transaction.run(fold).await?)?;
    transaction.commit().await?;
    Ok(folded.unsigned_abs())
}

pub(super) async fn stats(
    link: &Link,
    days: Days,
    by: Option<Grouping>,
) -> Result<Vec<StatsRow>, RepositoryError> {
    let statement = match by {
        None => TOTAL,
        Some(Grouping::Day) => BY_DAY,
        Some(Grouping::Currency) => BY_CURRENCY,
        Some(Grouping::Status) => BY_STATUS,
        Some(Grouping::Provider) => BY_PROVIDER,
    };
    let progress = link.read(|| sqlx::query_as::<_, (Timestamp,)>(PROGRESS)).await?;
    let (reached,) = only(progress)?;
    let rows = link
        .read_costly(Cost::Light, || {
            sqlx::query_as::<_, (String, String, i16, i64, Decimal)>(statement)
                .bind(days.first())
                .bind(days.last())
                .bind(reached)
                // Planned again with the actual days, and with the sizes that the tables have now.
                .persistent(false)
        })
        .await?;
    let counted = rows
        .into_iter()
        .map(|(group, currency, time_class, payouts, amount)| Counted {
            group,
            currency,
            time_class,
            payouts,
            amount,
        });
    counted.filter_map(|row| row.restore(by).transpose()).collect()
}
