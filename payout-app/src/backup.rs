//! `payout backup FILE`: a copy of the SQLite file while others write to it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use payout_core::ports::RepositoryError;

use crate::config::{Config, ConfigError, Database};
use crate::wiring::{self, Store};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// Not SQLite.
    #[error("DATABASE_URL: {0} is no SQLite file; use pg_dump for PostgreSQL")]
    NotAFile(&'static str),
    /// Nothing to copy.
    #[error("DATABASE_URL: there is no such file")]
    Missing,
    /// The copy would replace something.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// The database could not be copied.
    #[error("the database cannot be copied: {}", crate::doctor::in_a_line(.0))]
    Copy(#[from] RepositoryError),
    /// The file could not be written.
    #[error("the copy cannot be written: {0}")]
    File(#[from] io::Error),
}

/// Copies. The name appears once the copy is whole and on disk; nobody but this user may read it.
///
/// # Errors
/// [`BackupError`]; a file with `.part` after its name may be left.
pub(crate) async fn backup(config: &Config, to: &Path) -> Result<(), BackupError> {
    let Database::Sqlite { path } = &config.database else {
        return Err(BackupError::NotAFile(config.database.kind()));
    };
    if !path.exists() {
        return Err(BackupError::Missing);
    }
    if to.exists() {
        return Err(BackupError::Taken(to.to_owned()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if part.exists() {
        fs::remove_file(&part)?;
    }
    // SQLite takes an empty file, and keeps its permissions.
    File::create_new(&part)?.set_permissions(Permissions::from_mode(0o600))?;
    let store = wiring::store(config)?;
    if let Store::Sqlite(repository) = &store {
        repository.copy_to(&part).await?;
    }
    store.close().await;
    File::open(&part)?.sync_all()?;
    fs::rename(&part, to)?;
    Ok(())
}
