//! The state of providers: which are paused, which have due payouts, how many workers share them, and how often they
//! were called.

use std::time::Duration;

use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Actor, Caller};
use payout_core::ports::{DueProvider, PausedProvider, RepositoryError};
use payout_core::provider::{ProviderCalls, ProviderName};

use super::feed;
use super::interval;
use super::link::{Link, Statement, only};
use super::transaction::Transaction;
use crate::storage::sql::providers::{CallColumns, CallsRow, DueRow, PausedRow};

const PAUSED: &str = "SELECT name, paused_at, paused_by, reason FROM paused_providers ORDER BY name";

const PAUSE: &str = "
    INSERT INTO paused_providers (name, paused_at, paused_by, reason)
    VALUES ($1, now(), $2, $3)
    ON CONFLICT (name) DO NOTHING
    RETURNING 1";

const RESUME: &str = "DELETE FROM paused_providers WHERE name = $1 RETURNING 1";

/// Finds the names of the index one by one: each step jumps to the next name, past all its due payouts. Payouts without
/// a name are not in that index, and are found in the order of their due times.
const DUE: &str = "
    WITH RECURSIVE named (name) AS (
        (SELECT provider FROM payout_states WHERE due_at IS NOT NULL AND provider <> '' ORDER BY provider LIMIT 1)
        UNION ALL
        SELECT (
            SELECT provider FROM payout_states
            WHERE due_at IS NOT NULL AND provider <> '' AND provider > named.name
            ORDER BY provider LIMIT 1
        )
        FROM named
        WHERE named.name IS NOT NULL
    )
    SELECT name, LEAST((
        SELECT due_at FROM payout_states WHERE due_at IS NOT NULL AND provider <> '' AND provider = named.name
        ORDER BY due_at LIMIT 1
    ), (
        SELECT batch_due_at FROM payout_states WHERE batch_due_at IS NOT NULL AND provider = named.name
        ORDER BY batch_id, batch_due_at LIMIT 1
    )) AS since
    FROM named
    WHERE name IS NOT NULL
    UNION ALL
    SELECT '', min(since) FROM (
        (SELECT due_at AS since FROM payout_states WHERE due_at <= now() AND provider = '' ORDER BY due_at LIMIT 1)
        UNION ALL
        (SELECT batch_due_at FROM payout_states WHERE batch_due_at <= now() AND provider = ''
            ORDER BY batch_id, batch_due_at LIMIT 1)
    ) AS unnamed
    HAVING count(*) > 0";

const COUNT_WORKERS: &str = "
    WITH seen AS (
        INSERT INTO live_workers (name, seen_at) VALUES ($1, now())
        ON CONFLICT (name) DO UPDATE SET seen_at = now()
    ), gone AS (
        DELETE FROM live_workers WHERE seen_at < now() - 10 * $2 AND name <> $1
    )
    SELECT count(*) + 1 FROM live_workers WHERE name <> $1 AND seen_at >= now() - $2";

/// Skips rows that another worker is deleting.
const ADD_CALLS: &str = "
    WITH old AS (
        DELETE FROM provider_calls WHERE (minute, provider) IN (
            SELECT minute, provider FROM provider_calls WHERE minute < now() - $4 FOR UPDATE SKIP LOCKED)
    )
    INSERT INTO provider_calls (minute, provider, calls, errors)
    SELECT date_trunc('minute', now()), provider, calls, errors
    FROM unnest($1, $2, $3) AS said (provider, calls, errors)
    ON CONFLICT (minute, provider) DO UPDATE
    SET calls = provider_calls.calls + excluded.calls, errors = provider_calls.errors + excluded.errors
    RETURNING 1";

const COUNT_CALLS: &str = "
    SELECT provider, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors
    FROM provider_calls WHERE minute >= now() - $1
    GROUP BY provider ORDER BY provider";

pub(super) async fn paused(link: &Link) -> Result<Vec<PausedProvider>, RepositoryError> {
    let rows = link.read(|| sqlx::query_as::<_, PausedRow>(PAUSED)).await?;
    Ok(rows.into_iter().filter_map(PausedRow::restore).collect())
}

pub(super) async fn pause(link: &Link, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
    let statement = sqlx::query_as::<_, (i32,)>(PAUSE)
        .bind(name.as_str())
        .bind(caller.actor.as_str())
        .bind(caller.reason.as_deref());
    let paused = Announcement::of_provider(EventType::ProviderPaused, name, caller);
    write_and_tell(link, statement, &paused).await
}

pub(super) async fn resume(link: &Link, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
    let statement = sqlx::query_as::<_, (i32,)>(RESUME).bind(name.as_str());
    let resumed = Announcement::of_provider(EventType::ProviderResumed, name, caller);
    write_and_tell(link, statement, &resumed).await
}

/// Runs a statement, and tells the feed what it changed, if it changed anything.
async fn write_and_tell(
    link: &Link,
    statement: Statement<'_, (i32,)>,
    announcement: &Announcement,
) -> Result<(), RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    if transaction.run(statement).await?.is_empty() {
        return transaction.rollback().await;
    }
    feed::tell(&mut transaction, announcement).await?;
    transaction.commit().await
}

pub(super) async fn due(link: &Link) -> Result<Vec<DueProvider>, RepositoryError> {
    let rows = link.read(|| sqlx::query_as::<_, DueRow>(DUE)).await?;
    Ok(rows.into_iter().filter_map(DueRow::restore).collect())
}

pub(super) async fn count_workers(
    link: &Link,
    worker: &Actor,
    within: Duration,
) -> Result<u32, RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(COUNT_WORKERS)
        .bind(worker.as_str())
        .bind(interval(within));
    let (count,) = only(link.write(statement).await?)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) async fn add_calls(link: &Link, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
    let columns = CallColumns::of(calls);
    let statement = sqlx::query_as::<_, (i32,)>(ADD_CALLS)
        .bind(columns.providers)
        .bind(columns.calls)
        .bind(columns.errors)
        .bind(interval(ProviderCalls::KEPT));
    link.write(statement).await.map(drop)
}

pub(super) async fn count_calls(
    link: &Link,
    within: Duration,
) -> Result<Vec<ProviderCalls>, RepositoryError> {
    let rows = link
        .read(|| sqlx::query_as::<_, CallsRow>(COUNT_CALLS).bind(interval(within)))
        .await?;
    Ok(rows.into_iter().filter_map(CallsRow::restore).collect())
}
