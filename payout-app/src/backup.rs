//! `payout backup FILE`: a copy of the SQLite file while others write to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::settings::{Config, ConfigError, Database};
use crate::unusable::Unusable;
use crate::wiring;

/// The reason that no copy was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The database is not a SQLite file.
    #[error("DATABASE_URL: {0} is not a SQLite file; use pg_dump for PostgreSQL")]
    NotAFile(&'static str),
    /// The copy would replace an existing file.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// The database could not be copied.
    #[error("{0}; it was not copied")]
    Copy(Unusable),
    /// The file could not be written.
    #[error("{}: the copy cannot be written: {error}", .path.display())]
    File {
        /// The path of the copy.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

/// Copies the database. The name appears once the copy is complete and on disk; only the current user may read it.
///
/// # Errors
/// [`BackupError`]; a file with `.part` after its name may remain.
pub(crate) async fn backup(config: &Config, to: &Path) -> Result<(), BackupError> {
    let Database::Sqlite { .. } = &config.database else {
        return Err(BackupError::NotAFile(config.database.kind()));
    };
    if to.exists() {
        return Err(BackupError::Taken(to.to_owned()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = |error| BackupError::File {
        path: to.to_owned(),
        error,
    };
    if part.exists() {
        fs::remove_file(&part).map_err(written)?;
    }
    // SQLite accepts an empty file, and keeps its permissions.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .map_err(written)?;
    let store = wiring::store(config)?;
    let copied = store.copy_to(&part).await;
    let copied = copied.map_err(|error| BackupError::Copy(Unusable::new(&config.database, &error)))?;
    debug_assert!(copied, "a SQLite database is a file");
    store.close().await;
    let synced = File::open(&part).and_then(|part| part.sync_all());
    synced.and_then(|()| fs::rename(&part, to)).map_err(written)?;
    Ok(())
}
