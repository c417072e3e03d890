//! `payout backup FILE`: a copy of the SQLite file while others write to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::settings::{Config, ConfigError, Database};
use crate::unusable::Unusable;
use crate::wiring;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// Not SQLite.
    #[error("DATABASE_URL: {0} is no SQLite file; use pg_dump for PostgreSQL")]
    NotAFile(&'static str),
    /// The copy would replace something.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// The database could not be copied.
    #[error("{0}; it was not copied")]
    Copy(Unusable),
    /// The file could not be written.
    #[error("{}: the copy cannot be written: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Copies. The name appears once the copy is whole and on disk; nobody but this user may read it.
///
/// # Errors
/// [`BackupError`]; a file with `.part` after its name may be left.
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
    // SQLite takes an empty file, and keeps its permissions.
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
