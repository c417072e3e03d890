//! Waits until the database is there, at the schema of this version.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use payout_core::ports::RepositoryError;
use tokio::time::sleep;

use crate::health::{Health, State};
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_millis(500);

/// The database is there, and this program can do nothing with it. Trying again will not help.
#[derive(Debug)]
pub struct SchemaError(RepositoryError);

impl fmt::Display for SchemaError {
    /// With its causes, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database's schema cannot be brought up to date")?;
        let mut cause = Error::source(&self.0);
        while let Some(error) = cause {
            write!(f, ": {}", error.to_string().replace('\n', " "))?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for SchemaError {}

/// Migrates as soon as the database answers.
///
/// # Errors
/// [`SchemaError`] when it answers and the migration fails.
pub(crate) async fn migrated(store: &Store, health: Option<&Health>) -> Result<(), SchemaError> {
    let mut said = Said::default();
    loop {
        match store.migrate().await {
            Ok(()) => {
                said.back();
                return Ok(());
            }
            Err(RepositoryError::Unavailable(error)) => said.away(&*error, health),
            Err(error) => return Err(SchemaError(error)),
        }
        sleep(PAUSE).await;
    }
}

/// Waits until somebody else has migrated.
///
/// # Errors
/// [`SchemaError`] when the schema is none of ours.
pub(crate) async fn current(store: &Store, health: &Health) -> Result<(), SchemaError> {
    let mut said = Said::default();
    loop {
        match store.schema_is_current().await {
            Ok(true) => {
                said.back();
                return Ok(());
            }
            Ok(false) => said.behind(health),
            Err(RepositoryError::Unavailable(error)) => said.away(&*error, Some(health)),
            Err(error) => return Err(SchemaError(error)),
        }
        sleep(PAUSE).await;
    }
}

/// What was said of the wait already: each thing once.
#[derive(Default)]
struct Said {
    away: bool,
    behind: bool,
}

impl Said {
    fn away(&mut self, error: &(dyn Error + 'static), health: Option<&Health>) {
        if let Some(health) = health {
            health.database(State::Away);
        }
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(error, "the database does not answer; waiting for it");
        }
    }

    fn behind(&mut self, health: &Health) {
        health.database(State::SchemaBehind);
        if !std::mem::replace(&mut self.behind, true) {
            tracing::warn!("the database's schema is not current; waiting: run `payout migrate`");
        }
    }

    fn back(&self) {
        if self.away || self.behind {
            tracing::info!("the database is ready");
        }
    }
}
