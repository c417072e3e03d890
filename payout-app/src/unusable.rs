//! A database that cannot be used: its name, the cause, and whether waiting helps.

use std::error::Error;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use payout_adapters::StoreFault;
use payout_core::ports::RepositoryError;

use crate::settings::Database;

/// The database cannot be used, and waiting does not help.
#[derive(Debug)]
pub struct Unusable {
    database: String,
    cause: String,
}

impl Unusable {
    /// Makes the error, unless the problem may pass.
    ///
    /// # Errors
    /// The original error, if it may pass.
    pub(crate) fn unless_it_passes(
        database: &Database,
        error: RepositoryError,
    ) -> Result<Self, RepositoryError> {
        let passes =
            matches!(error, RepositoryError::Unavailable(_)) && !StoreFault::of(&error).is_permanent();
        if passes {
            Err(error)
        } else {
            Ok(Self::new(database, &error))
        }
    }

    pub(crate) fn new(database: &Database, error: &(dyn Error + 'static)) -> Self {
        Self {
            database: database.to_string(),
            cause: cause(database, error),
        }
    }
}

impl fmt::Display for Unusable {
    /// Writes one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used: {}", self.database, self.cause)
    }
}

impl Error for Unusable {}

/// Joins the causes of a store's error, each once. It omits the general error that the store is unavailable, and adds
/// what the system refuses for SQLite, which does not say so itself.
fn cause(database: &Database, error: &(dyn Error + 'static)) -> String {
    let general = |error: &(dyn Error + 'static)| {
        error.is::<RepositoryError>() || error.is::<payout_core::ports::ApiKeyError>()
    };
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let words = error.to_string().replace(['\n', '\r'], " ");
        let repeated = said.iter().any(|before| before.ends_with(&words));
        let empty = general(error) && next.is_some();
        if !repeated && !empty {
            said.push(words);
        }
    }
    if let Database::Sqlite { path } = database
        && let Some(reason) = refused_by_the_system(path)
    {
        said.push(reason);
    }
    said.join(": ")
}

/// Returns the reason for which this user cannot have a database in this file, if the system refuses it.
fn refused_by_the_system(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Some("it is a folder".to_owned()),
        Ok(metadata) if !metadata.is_file() => return Some("it is not a regular file".to_owned()),
        Ok(_) => {
            let opened = OpenOptions::new().read(true).write(true).open(path);
            if let Err(error) = opened {
                return Some(format!("the file cannot be opened for writing ({error})"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Some(format!("the file cannot be found ({error})")),
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    // SQLite creates files of its own beside the database, so this tries to create one.
    let tried = folder.join(format!(".payout-{}", std::process::id()));
    match OpenOptions::new().write(true).create_new(true).open(&tried) {
        Ok(_) => {
            let _ = fs::remove_file(&tried);
            None
        }
        Err(error) => Some(format!(
            "files cannot be made in its folder {} ({error})",
            folder.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(path: &Path) -> Database {
        Database::parse(&format!("sqlite://{}", path.display())).unwrap()
    }

    #[test]
    fn a_cause_is_said_once_and_with_the_name() {
        let postgres = Database::parse("postgres://me:hunter2@h/none").unwrap();
        let inner: Box<dyn Error + Send + Sync> = "role \"me\" does not exist (code 28000)".into();
        let line = Unusable::new(&postgres, &RepositoryError::Unavailable(inner)).to_string();
        assert_eq!(
            line,
            "postgres://me:***@h/none cannot be used: role \"me\" does not exist (code 28000)"
        );
    }

    #[test]
    fn a_folder_is_told_from_a_file() {
        let inner: Box<dyn Error + Send + Sync> = "unable to open database file (code 14)".into();
        let folder = std::env::temp_dir();
        let line = Unusable::new(&sqlite(&folder), &RepositoryError::Unavailable(inner)).to_string();
        assert!(
            line.ends_with("unable to open database file (code 14): it is a folder"),
            "{line}"
        );
    }
}
