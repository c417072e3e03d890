//! The state of providers: which are paused, which have due payouts, how many workers share them, and how often they
//! were called.

use std::time::Duration;

use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Actor, Caller};
use payout_core::ports::{DueProvider, PausedProvider, RepositoryError};
use payout_core::provider::{ProviderCalls, ProviderName};

use super::feed;
use super::store::{Store, Write, run_detached};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::providers::{CallColumns, CallsRow, DueRow, PausedRow};
use crate::storage::sql::stored::as_micros;

const PAUSED: &str = "SELECT name, paused_at, paused_by, reason FROM paused_providers ORDER BY name";

const PAUSE: &str = "
    INSERT INTO paused_providers (name, paused_at, paused_by, reason) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (name) DO NOTHING";

const RESUME: &str = "DELETE FROM paused_providers WHERE name = ?1";

/// Finds the names of the index one by one: each step jumps to the next name, past all its due payouts. Payouts without
/// a name are not in that index, and are found in the order of their due times.
const DUE: &str = "
    WITH RECURSIVE named (name) AS (
        SELECT min(provider) FROM payout_states WHERE due_at IS NOT NULL AND provider <> ''
        UNION ALL
        SELECT (
            SELECT min(provider) FROM payout_states
            WHERE due_at IS NOT NULL AND provider <> '' AND provider > named.name
        )
        FROM named
        WHERE named.name IS NOT NULL
    )
    SELECT name, min((
        SELECT min(due_at) FROM payout_states WHERE due_at IS NOT NULL AND provider <> '' AND provider = named.name
    ), coalesce((
        SELECT batch_due_at FROM payout_states WHERE batch_due_at IS NOT NULL AND provider = named.name
        ORDER BY batch_id, batch_due_at LIMIT 1
    ), 9223372036854775807)) AS since
    FROM named
    WHERE name IS NOT NULL
    UNION ALL
    SELECT '' AS name, min(since) AS since FROM (
        SELECT * FROM (
            SELECT due_at AS since FROM payout_states WHERE due_at <= ?1 AND provider = '' ORDER BY due_at LIMIT 1)
        UNION ALL
        SELECT * FROM (
            SELECT batch_due_at FROM payout_states WHERE batch_due_at <= ?1 AND provider = ''
            ORDER BY batch_id, batch_due_at LIMIT 1)
    )
    HAVING count(*) > 0";

const SEE: &str = "
    INSERT INTO live_workers (name, seen_at) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at";

const FORGET: &str = "DELETE FROM live_workers WHERE seen_at < ?1";

const COUNT: &str = "SELECT count(*) FROM live_workers WHERE seen_at >= ?1";

const ADD_CALLS: &str = "
    INSERT INTO provider_calls (minute, provider, calls, errors) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (minute, provider) DO UPDATE
    SET calls = calls + excluded.calls, errors = errors + excluded.errors";

const FORGET_CALLS: &str = "DELETE FROM provider_calls WHERE minute < ?1";

const COUNT_CALLS: &str = "
    SELECT provider, sum(calls) AS calls, sum(errors) AS errors
    FROM provider_calls WHERE minute >= ?1
    GROUP BY provider ORDER BY provider";

const MINUTE_US: i64 = 60_000_000;

pub(super) async fn paused(store: &Store) -> Result<Vec<PausedProvider>, RepositoryError> {
    let rows = store.read(sqlx::query_as::<_, PausedRow>(PAUSED)).await?;
    Ok(rows.into_iter().filter_map(PausedRow::restore).collect())
}

pub(super) async fn pause(
    store: &Store,
    name: &ProviderName,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let (store, name, caller) = (store.clone(), name.clone(), caller.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let pause = sqlx::query(PAUSE)
            .bind(name.as_str())
            .bind(now.timestamp_micros())
            .bind(caller.actor.as_str())
            .bind(caller.reason.as_deref());
        let paused = pause.execute(&mut *transaction).await.map_err(repository_error)?;
        if paused.rows_affected() > 0 {
            let paused = Announcement::of_provider(EventType::ProviderPaused, &name, &caller);
            feed::tell(&mut transaction, now, &paused).await?;
        }
        transaction.commit().await.map_err(repository_error)
    })
    .await
}

pub(super) async fn resume(
    store: &Store,
    name: &ProviderName,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let (store, name, caller) = (store.clone(), name.clone(), caller.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let resume = sqlx::query(RESUME).bind(name.as_str());
        let resumed = resume
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        if resumed.rows_affected() > 0 {
            let resumed = Announcement::of_provider(EventType::ProviderResumed, &name, &caller);
            feed::tell(&mut transaction, now, &resumed).await?;
        }
        transaction.commit().await.map_err(repository_error)
    })
    .await
}

pub(super) async fn due(store: &Store) -> Result<Vec<DueProvider>, RepositoryError> {
    let due = sqlx::query_as::<_, DueRow>(DUE).bind(store.now().timestamp_micros());
    let rows = store.read(due).await?;
    Ok(rows.into_iter().filter_map(DueRow::restore).collect())
}

pub(super) async fn count_workers(
    store: &Store,
    worker: &Actor,
    within: Duration,
) -> Result<u32, RepositoryError> {
    let (store, worker) = (store.clone(), worker.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let now = now.timestamp_micros();
        let see = sqlx::query(SEE).bind(worker.as_str()).bind(now);
        see.execute(&mut *transaction).await.map_err(repository_error)?;
        let forget = sqlx::query(FORGET).bind(now - as_micros(within * 10));
        forget
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let count = sqlx::query_as::<_, (i64,)>(COUNT).bind(now - as_micros(within));
        let (count,) = count
            .fetch_one(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    })
    .await
}

pub(super) async fn add_calls(store: &Store, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
    let (store, columns) = (store.clone(), CallColumns::of(calls));
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let now = now.timestamp_micros();
        let counts = columns.calls.into_iter().zip(columns.errors);
        for (provider, (calls, errors)) in columns.providers.into_iter().zip(counts) {
            let add = sqlx::query(ADD_CALLS)
                .bind(now - now % MINUTE_US)
                .bind(provider)
                .bind(calls)
                .bind(errors);
            add.execute(&mut *transaction).await.map_err(repository_error)?;
        }
        let forget = sqlx::query(FORGET_CALLS).bind(now - as_micros(ProviderCalls::KEPT));
        forget
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)
    })
    .await
}

pub(super) async fn count_calls(
    store: &Store,
    within: Duration,
) -> Result<Vec<ProviderCalls>, RepositoryError> {
    let since = store.now().timestamp_micros() - as_micros(within);
    let rows = store
        .read(sqlx::query_as::<_, CallsRow>(COUNT_CALLS).bind(since))
        .await?;
    Ok(rows.into_iter().filter_map(CallsRow::restore).collect())
}
