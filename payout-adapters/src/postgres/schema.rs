//! The schema: its migrations are embedded in the program.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection};

use super::link::Link;
use crate::sql::error::{SqlError, migration_error, repository_error};
use crate::sql::schema::{all_applied, tolerant};

static MIGRATIONS: Migrator = sqlx::migrate!("src/postgres/migrations");

/// Where the trigger and its function are made that keep the audit trail append-only.
const AUDIT_TRAIL: &str = include_str!("migrations/0001_payouts.sql");

/// 58: before an update, a delete or a truncation, once for each statement.
const TRIGGER: &str = "
    SELECT
        tgtype = 58 AND tgqual IS NULL AND tgattr::text = '' AND proname = 'payout_events_refuse_change',
        tgenabled IN ('O', 'A') AND current_setting('session_replication_role') <> 'replica' OR tgenabled = 'A',
        prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = 'payout_events'::regclass AND tgname = 'payout_events_append_only'";

const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// On a connection of its own: a migration may take longer than any statement of the service may, and the advisory
/// lock under which it runs goes with the connection if this future is dropped.
pub(super) async fn migrate(link: &Link) -> Result<(), RepositoryError> {
    let mut connection = link.unlimited.connect().await.map_err(repository_error)?;
    let result = tolerant(&MIGRATIONS)
        .run(&mut connection)
        .await
        .map_err(migration_error);
    let _ = connection.close().await;
    result
}

pub(super) async fn is_current(link: &Link) -> Result<bool, RepositoryError> {
    let applied = match link.read(|| sqlx::query_as::<_, (i64, Vec<u8>)>(APPLIED)).await {
        Ok(applied) => applied,
        Err(RepositoryError::Unavailable(error))
            if matches!(error.downcast_ref(), Some(SqlError::NotMigrated { .. })) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    all_applied(&MIGRATIONS, &applied)
}

pub(super) async fn audit_trail_flaws(link: &Link) -> Result<Vec<String>, RepositoryError> {
    let found = link
        .read(|| sqlx::query_as::<_, (bool, bool, String)>(TRIGGER))
        .await?;
    let Some((as_made, enabled, body)) = found.into_iter().next() else {
        return Ok(vec![
            "the trigger payout_events_append_only is missing".to_owned(),
        ]);
    };
    let mut flaws = Vec::new();
    if !as_made {
        flaws.push("the trigger payout_events_append_only was replaced".to_owned());
    }
    if !enabled {
        flaws.push("the trigger payout_events_append_only is disabled".to_owned());
    }
    if AUDIT_TRAIL.split("$$").nth(1).map(str::trim) != Some(body.trim()) {
        flaws.push("the function payout_events_refuse_change was replaced".to_owned());
    }
    Ok(flaws)
}
