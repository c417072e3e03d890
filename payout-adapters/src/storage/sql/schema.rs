//! What both dialects do with their embedded migrations.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;

use super::error::{SqlError, refused};

/// The same migrations, content with a database that a later version has migrated: while two versions are exchanged,
/// the older one still starts.
pub(crate) fn tolerant(embedded: &Migrator) -> Migrator {
    let mut migrator = Migrator::with_migrations(embedded.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether every embedded migration is among those that were applied.
///
/// # Errors
/// [`RepositoryError::Refused`] when one of them was applied as another: waiting will not mend that.
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
