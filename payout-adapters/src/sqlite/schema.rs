//! The schema: its migrations are embedded in the program.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;

use super::store::{Store, to_its_end};
use crate::sql::error::{SqlError, migration_error, repository_error};
use crate::sql::schema::{all_applied, tolerant};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/sqlite/migrations");

const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// SQLite has no lock that a migrator could hold across its transactions: of several that migrate at once, those who
/// come second find the work done and fail, and then look again.
pub(super) async fn migrate(store: &Store) -> Result<(), RepositoryError> {
    let store = store.clone();
    to_its_end(async move {
        let migrator = tolerant(&MIGRATIONS);
        let mut result = migrator.run(store.writer()).await;
        for _ in 0..5 {
            if result.is_ok() {
                break;
            }
            result = migrator.run(store.writer()).await;
        }
        result.map_err(migration_error)
    })
    .await
}

pub(super) async fn is_current(store: &Store) -> Result<bool, RepositoryError> {
    // By the writer, who makes the file when it is missing.
    let statement = sqlx::query_as::<_, (i64, Vec<u8>)>(APPLIED);
    match statement
        .fetch_all(store.writer())
        .await
        .map_err(repository_error)
    {
        Ok(applied) => all_applied(&MIGRATIONS, &applied),
        Err(RepositoryError::Unavailable(error))
            if matches!(error.downcast_ref(), Some(SqlError::NotMigrated { .. })) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
