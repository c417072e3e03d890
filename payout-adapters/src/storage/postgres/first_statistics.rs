//! The first statistics of new tables.
//!
//! Without statistics, the planner takes it that hardly any payout lacks a `deleted_at`. So it walks an index of such
//! payouts to its end where another finds one row, and sessions keep that plan. Autovacuum analyzes a new table within
//! minutes; the first thousands of payouts come sooner.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use payout_core::ports::RepositoryError;
use sqlx::AssertSqlSafe;

use super::link::Link;

/// The pause after an attempt that failed.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The number of rows from which a table is analyzed.
const ENOUGH: i64 = 1_000;

/// The state of the look at the tables' statistics.
#[derive(Debug, Default)]
pub(super) struct FirstStatistics {
    are_there: AtomicBool,
    is_looking: AtomicBool,
}

/// Finds the tables without statistics that this role may analyze.
const MISSING: &str = "
    SELECT class.relname::text
    FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid IN (
            to_regclass('payout_details'), to_regclass('payout_states'), to_regclass('payout_events'))
        AND pg_has_role(class.relowner, 'USAGE')
        AND NOT EXISTS (
            SELECT FROM pg_stats AS known
            WHERE known.schemaname = namespace.nspname AND known.tablename = class.relname)";

/// Analyzes new tables in a task of its own. To be called about once a second, until all have statistics.
pub(super) fn look(link: &Link) {
    let state = &link.first_statistics;
    if state.are_there.load(Ordering::Relaxed) || state.is_looking.swap(true, Ordering::Relaxed) {
        return;
    }
    let link = link.clone();
    tokio::spawn(async move {
        match analyze(&link).await {
            Ok(are_there) => link
                .first_statistics
                .are_there
                .store(are_there, Ordering::Relaxed),
            Err(_) => tokio::time::sleep(TRIED_AGAIN_AFTER).await,
        }
        link.first_statistics.is_looking.store(false, Ordering::Relaxed);
    });
}

/// Returns whether every table has statistics now.
async fn analyze(link: &Link) -> Result<bool, RepositoryError> {
    let missing = link.read(|| sqlx::query_as::<_, (String,)>(MISSING)).await?;
    let mut are_there = true;
    for (table,) in missing {
        if has_rows(link, &table).await? {
            let analyze = AssertSqlSafe(format!("ANALYZE {table}"));
            link.write(sqlx::query_as::<_, ()>(analyze)).await?;
        } else {
            are_there = false;
        }
    }
    Ok(are_there)
}

/// Returns whether a table has as many rows as statistics need, which others see. The planner reads a small table as a
/// whole, and it takes a table whose rows are not committed yet for an empty one: any index then seems as good as
/// another, and sessions would keep such a plan.
async fn has_rows(link: &Link, table: &str) -> Result<bool, RepositoryError> {
    let count = format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT {ENOUGH}) AS seen");
    let counted = link
        .read(|| sqlx::query_as::<_, (i64,)>(AssertSqlSafe(count.clone())))
        .await?;
    Ok(counted.first().is_some_and(|(rows,)| *rows >= ENOUGH))
}
