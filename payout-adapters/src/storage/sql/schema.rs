//! The comparison of embedded migrations with the applied ones.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;

use super::error::{SqlError, refused};

/// Returns these migrations in a form that accepts a database which a later version has migrated. During a rolling
/// upgrade, the older version can still start.
pub(crate) fn tolerant(embedded: &Migrator) -> Migrator {
    let mut migrator = Migrator::with_migrations(embedded.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// Returns whether every embedded migration was applied.
///
/// # Errors
/// [`RepositoryError::Refused`] when a migration was applied with other content: waiting will not fix that.
pub(crate) fn all_applied(embedded: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<bool, RepositoryError> {
    let mut all = true;
    for migration in embedded.iter() {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            Some((_, checksum)) if *checksum == *migration.checksum => (),
            Some((version, _)) => {
                let problem =
                    format!("migration {version} was applied as another than the one of this program");
                return Err(refused(SqlError::Migration(problem)));
            }
            None => all = false,
        }
    }
    Ok(all)
}
