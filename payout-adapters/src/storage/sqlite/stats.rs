//! Statistics: the sums that the table `payout_stats` keeps, and the payouts that it does not count yet.
//!
//! `fold` adds payouts to the table in the order of their creation, and remembers how far it came. Whatever it has
//! reached is counted in the table, or listed in `payout_stats_open`, or has a note in `payout_stats_notes` of what was
//! counted before a change. A read adds all of these up in one statement, so that it is exact at any time. Amounts are
//! texts here, and are added in this program.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use payout_core::payout::Status;
use payout_core::ports::RepositoryError;
use payout_core::stats::{Days, Grouping, StatsRow, time_class};
use rust_decimal::Decimal;
use sqlx::FromRow;
use uuid::Uuid;

use super::claim::hexes;
use super::store::{Store, Write, run_detached};
use super::writer::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::broken;
use crate::storage::sql::stats::Counted;
use crate::storage::sql::stored::{StoredAmount, StoredTime};

/// The number of payouts that one transaction adds at most: no other write waits for long.
const MOST: u32 = 500;
/// The age, in microseconds, at which a payout is reached. Most are final by then.
const REACHED_AFTER_US: i64 = 10_000_000;

const PASSED: &str = "
    SELECT id, created_at FROM payout_details
    WHERE deleted_at IS NULL AND created_at < ?1
        AND (created_at, id) > (SELECT created_at, id FROM payout_stats_progress)
    ORDER BY created_at, id LIMIT ?2";

const ENDED: &str = "
    SELECT open.id FROM payout_stats_open AS open CROSS JOIN payout_states AS state ON state.id = open.id
    WHERE state.status IN ('completed', 'returned', 'failed', 'cancelled') OR state.deleted_at IS NOT NULL
    LIMIT ?1";

/// Condition on the first note of a payout: it says what is counted.
macro_rules! is_counted {
    () => {
        "(note.created_at, note.id) <= (SELECT created_at, id FROM payout_stats_progress)
            AND NOT EXISTS (SELECT 1 FROM payout_stats_open AS open WHERE open.id = note.id)
            AND NOT EXISTS (SELECT 1 FROM payout_stats_notes AS earlier
                WHERE earlier.id = note.id AND earlier.sequence < note.sequence)"
    };
}

const BEFORE: &str = concat!(
    "SELECT note.id, note.created_at, note.currency, note.status, note.provider, note.scheduled_at, note.completed_at,
        note.amount
    FROM payout_stats_notes AS note WHERE ",
    is_counted!(),
    " ORDER BY note.sequence LIMIT ?1"
);

const CURRENT: &str = "
    SELECT payout.id, payout.created_at, payout.currency, state.status, state.provider, payout.scheduled_at,
        state.completed_at, payout.amount
    FROM jsonb_each(?1) AS looked_at
    CROSS JOIN payout_details AS payout ON payout.id = unhex(looked_at.value)
    CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE state.deleted_at IS NULL";

/// Removes the notes of these payouts, and those that say nothing: of payouts that were not reached, or that are open.
const FORGET_NOTES: &str = "
    DELETE FROM payout_stats_notes
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))
        OR (created_at, id) > (SELECT created_at, id FROM payout_stats_progress)
        OR id IN (SELECT id FROM payout_stats_open)";

const OPEN: &str = "INSERT INTO payout_stats_open (id) SELECT unhex(value) FROM jsonb_each(?1)";
const CLOSE: &str = "DELETE FROM payout_stats_open WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))";
const MOVE: &str = "UPDATE payout_stats_progress SET created_at = ?1, id = ?2";

const SUM: &str = "
    SELECT payouts, amount FROM payout_stats
    WHERE (day, currency, status, provider, time_class) = (?1, ?2, ?3, ?4, ?5)";
const STORE_SUM: &str = "
    INSERT INTO payout_stats (day, currency, status, provider, time_class, payouts, amount)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (day, currency, status, provider, time_class)
    DO UPDATE SET payouts = excluded.payouts, amount = excluded.amount";

/// Selects the sums of these days, the payouts that they do not count as they are, and what they count for those, with
/// the opposite sign. A single payout has no class of times yet.
const STATS: &str = concat!(
    "WITH before AS MATERIALIZED (SELECT note.* FROM payout_stats_notes AS note WHERE ",
    is_counted!(),
    ")
    SELECT day, currency, status, provider, time_class, payouts, amount, 0 AS created_at, NULL AS scheduled_at,
        NULL AS completed_at
    FROM payout_stats WHERE day BETWEEN ?1 AND ?2
    UNION ALL
    SELECT created_at / 86400000000, currency, status, provider, NULL, -1, amount, created_at, scheduled_at, completed_at
    FROM before
    WHERE status IS NOT NULL AND created_at >= ?1 * 86400000000 AND created_at < (?2 + 1) * 86400000000
    UNION ALL
    SELECT payout.created_at / 86400000000, payout.currency, state.status, state.provider, NULL, 1, payout.amount,
        payout.created_at, payout.scheduled_at, state.completed_at
    FROM (
        SELECT id FROM payout_details
        WHERE deleted_at IS NULL AND (created_at, id) > (SELECT created_at, id FROM payout_stats_progress)
        UNION ALL SELECT id FROM payout_stats_open
        UNION ALL SELECT id FROM before
    ) AS live
    CROSS JOIN payout_details AS payout ON payout.id = live.id
    CROSS JOIN payout_states AS state ON state.id = live.id
    WHERE state.deleted_at IS NULL
        AND payout.created_at >= ?1 * 86400000000 AND payout.created_at < (?2 + 1) * 86400000000"
);

/// A payout as it is, or as it was when it was counted.
#[derive(FromRow)]
struct PayoutOfStats {
    id: Uuid,
    created_at: StoredTime,
    currency: Option<String>,
    status: Option<String>,
    provider: Option<String>,
    scheduled_at: Option<StoredTime>,
    completed_at: Option<StoredTime>,
    amount: Option<StoredAmount>,
}

/// A row of [`STATS`].
#[derive(FromRow)]
struct RowOfStats {
    day: i64,
    currency: String,
    status: String,
    provider: String,
    time_class: Option<i64>,
    payouts: i64,
    amount: StoredAmount,
    created_at: StoredTime,
    scheduled_at: Option<StoredTime>,
    completed_at: Option<StoredTime>,
}

/// The key of a sum.
type Key = (i64, String, String, String, i64);

/// The change of each sum.
#[derive(Default)]
struct Changes(BTreeMap<Key, (i64, Decimal)>);

impl Changes {
    /// Adds a payout, or takes it away.
    fn add(&mut self, payout: PayoutOfStats, sign: i64) -> Result<(), RepositoryError> {
        let (Some(currency), Some(status), Some(provider), Some(amount)) =
            (payout.currency, payout.status, payout.provider, payout.amount)
        else {
            return Ok(());
        };
        let class = class(
            &status,
            payout.created_at,
            payout.scheduled_at,
            payout.completed_at,
        );
        let day = payout.created_at.0.timestamp_micros().div_euclid(86_400_000_000);
        let key = (day, currency, status, provider, class);
        let (payouts, sum) = self.0.entry(key).or_default();
        *payouts += sign;
        *sum += amount.read()? * Decimal::from(sign);
        Ok(())
    }
}

/// Returns the class of the time to pay; -1 for a payout that was not paid.
fn class(
    status: &str,
    created_at: StoredTime,
    scheduled_at: Option<StoredTime>,
    completed_at: Option<StoredTime>,
) -> i64 {
    let paid = matches!(status.parse(), Ok(Status::Completed | Status::Returned));
    match completed_at.filter(|_| paid) {
        Some(completed_at) => i64::from(time_class(
            created_at.0,
            scheduled_at.map(|at| at.0),
            completed_at.0,
        )),
        None => -1,
    }
}

fn is_final(status: &str) -> bool {
    match status.parse::<Status>() {
        Ok(status) => matches!(
            status,
            Status::Completed | Status::Returned | Status::Failed | Status::Cancelled
        ),
        Err(_) => false,
    }
}

pub(super) async fn fold(store: &Store, limit: u32) -> Result<u64, RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let mut folded = 0;
        // Nothing to do is the rule, and must not write.
        while folded < u64::from(limit) && !is_idle(&store).await? {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let some = fold_some(&mut transaction, now.timestamp_micros(), limit.min(MOST)).await?;
            transaction.commit().await.map_err(repository_error)?;
            folded += some;
            if some < u64::from(MOST) {
                break;
            }
        }
        Ok(folded)
    })
    .await
}

/// Returns whether a fold would find nothing.
async fn is_idle(store: &Store) -> Result<bool, RepositoryError> {
    let horizon = store.now().timestamp_micros() - REACHED_AFTER_US;
    let passed = sqlx::query_as::<_, (Uuid, i64)>(PASSED).bind(horizon).bind(1);
    let ended = sqlx::query_as::<_, (Uuid,)>(ENDED).bind(1);
    let noted = sqlx::query_as::<_, (i64,)>("SELECT sequence FROM payout_stats_notes LIMIT 1");
    Ok(store.read_costly(Cost::Own, passed).await?.is_empty()
        && store.read_costly(Cost::Own, ended).await?.is_empty()
        && store.read_costly(Cost::Own, noted).await?.is_empty())
}

async fn fold_some(transaction: &mut Transaction, now: i64, limit: u32) -> Result<u64, RepositoryError> {
    let limit = i64::from(limit);
    let passed: Vec<(Uuid, i64)> = sqlx::query_as(PASSED)
        .bind(now - REACHED_AFTER_US)
        .bind(limit)
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let ended: Vec<(Uuid,)> = sqlx::query_as(ENDED)
        .bind(limit)
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let before: Vec<PayoutOfStats> = sqlx::query_as(BEFORE)
        .bind(limit)
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let looked_at = passed
        .iter()
        .map(|(id, _)| *id)
        .chain(ended.iter().map(|(id,)| *id))
        .chain(before.iter().map(|payout| payout.id));
    let looked_at = hexes(looked_at)?;
    let current: Vec<PayoutOfStats> = sqlx::query_as(CURRENT)
        .bind(&looked_at)
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let (mut changes, mut opened) = (Changes::default(), Vec::new());
    for payout in before {
        changes.add(payout, -1)?;
    }
    for payout in current {
        if payout.status.as_deref().is_some_and(is_final) {
            changes.add(payout, 1)?;
        } else {
            opened.push(payout.id);
        }
    }
    // While the progress and the open payouts are still those that the notes were compared with.
    run(transaction, FORGET_NOTES, &looked_at).await?;
    run(transaction, CLOSE, &hexes(ended.iter().map(|(id,)| *id))?).await?;
    run(transaction, OPEN, &hexes(opened.into_iter())?).await?;
    if let Some((id, created_at)) = passed.last() {
        let moved = sqlx::query(MOVE).bind(created_at).bind(id);
        moved
            .execute(&mut **transaction)
            .await
            .map_err(repository_error)?;
    }
    store_changes(transaction, changes).await?;
    Ok(passed.len().max(ended.len()) as u64)
}

async fn run(transaction: &mut Transaction, sql: &'static str, ids: &str) -> Result<(), RepositoryError> {
    let statement = sqlx::query(sql).bind(ids);
    statement
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?;
    Ok(())
}

async fn store_changes(transaction: &mut Transaction, changes: Changes) -> Result<(), RepositoryError> {
    for ((day, currency, status, provider, class), (payouts, amount)) in changes.0 {
        let sum: Option<(i64, StoredAmount)> = sqlx::query_as(SUM)
            .bind(day)
            .bind(&currency)
            .bind(&status)
            .bind(&provider)
            .bind(class)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(repository_error)?;
        let (known, known_amount) = match sum {
            Some((known, amount)) => (known, amount.read()?),
            None => (0, Decimal::ZERO),
        };
        sqlx::query(STORE_SUM)
            .bind(day)
            .bind(currency)
            .bind(status)
            .bind(provider)
            .bind(class)
            .bind(known + payouts)
            .bind((known_amount + amount).to_string())
            .execute(&mut **transaction)
            .await
            .map_err(repository_error)?;
    }
    Ok(())
}

pub(super) async fn stats(
    store: &Store,
    days: Days,
    by: Option<Grouping>,
) -> Result<Vec<StatsRow>, RepositoryError> {
    let statement = sqlx::query_as::<_, RowOfStats>(STATS)
        .bind(number_of(days.first()))
        .bind(number_of(days.last()));
    let rows = store.read_costly(Cost::Light, statement).await?;
    let mut sums = BTreeMap::<(String, String, i64), (i64, Decimal)>::new();
    for row in rows {
        let class_of_row = row
            .time_class
            .unwrap_or_else(|| class(&row.status, row.created_at, row.scheduled_at, row.completed_at));
        let group = match by {
            None => String::new(),
            Some(Grouping::Day) => day_of(row.day)?.to_string(),
            Some(Grouping::Currency) => row.currency.clone(),
            Some(Grouping::Status) => row.status,
            Some(Grouping::Provider) => row.provider,
        };
        let (payouts, sum) = sums.entry((group, row.currency, class_of_row)).or_default();
        *payouts += row.payouts;
        // The row of a note takes one payout away, and has its amount.
        let takes_away = row.payouts < 0 && row.time_class.is_none();
        *sum += if takes_away {
            -row.amount.read()?
        } else {
            row.amount.read()?
        };
    }
    let counted = sums
        .into_iter()
        .map(|((group, currency, class), (payouts, amount))| {
            let time_class = i16::try_from(class).map_err(broken("time_class"))?;
            let counted = Counted {
                group,
                currency,
                time_class,
                payouts,
                amount,
            };
            counted.restore(by)
        });
    counted.filter_map(Result::transpose).collect()
}

fn number_of(day: NaiveDate) -> i64 {
    (day - NaiveDate::default()).num_days()
}

fn day_of(number: i64) -> Result<NaiveDate, RepositoryError> {
    let day = TimeDelta::try_days(number).and_then(|days| NaiveDate::default().checked_add_signed(days));
    day.ok_or_else(|| broken("day")("no day"))
}
