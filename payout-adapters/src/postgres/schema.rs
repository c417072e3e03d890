//! The schema: its migrations are embedded in the program.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection};

use super::link::Link;
use crate::sql::error::{SqlError, migration_error, repository_error};
use crate::sql::schema::{all_applied, tolerant};

static MIGRATIONS: Migrator = sqlx::migrate!("src/postgres/migrations");

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
