//! What both dialects do with their embedded migrations.

use sqlx::migrate::Migrator;

/// The same migrations, content with a database that a later version has migrated: while two versions are exchanged,
/// the older one still starts.
pub(crate) fn tolerant(embedded: &Migrator) -> Migrator {
    let mut migrator = Migrator::with_migrations(embedded.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether every embedded migration is among those that were applied, as it is.
pub(crate) fn all_applied(embedded: &Migrator, applied: &[(i64, Vec<u8>)]) -> bool {
    embedded.iter().all(|migration| {
        applied
            .iter()
            .any(|(version, checksum)| *version == migration.version && *checksum == *migration.checksum)
    })
}
