//! Waits until the database is available, has the schema of this version, and takes writes.
//!
//! A problem that may pass is waited for and logged once. A problem that needs an operator (a wrong password, an
//! unknown role or database, a file or a folder that cannot be written) ends the process with an error.

use std::error::Error;
use std::time::Duration;

use payout_core::ports::{PayoutRepository, RepositoryError};
use tokio::time::sleep;

use crate::health::{Health, State};
use crate::settings::Database;
use crate::unusable::Unusable;
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_millis(500);

/// Migrates the database as soon as it answers.
///
/// # Errors
/// [`Unusable`] if waiting does not help or the migration fails.
pub(crate) async fn migrated(
    store: &Store,
    database: &Database,
    health: Option<&Health>,
) -> Result<(), Unusable> {
    let mut said = Said::default();
    loop {
        match store.migrate().await {
            Ok(()) => {
                said.back();
                return Ok(());
            }
            Err(error) => said.passes(database, error, health)?,
        }
        sleep(PAUSE).await;
    }
}

/// Waits until another process has migrated the database.
///
/// # Errors
/// [`Unusable`] if waiting does not help or the schema is not one of this service's.
pub(crate) async fn current(store: &Store, database: &Database, health: &Health) -> Result<(), Unusable> {
    let mut said = Said::default();
    loop {
        match store.schema_is_current().await {
            Ok(true) => {
                said.back();
                return Ok(());
            }
            Ok(false) => said.behind(health),
            Err(error) => said.passes(database, error, Some(health))?,
        }
        sleep(PAUSE).await;
    }
}

/// Makes sure that new events come after all stored ones, before the first of them is written.
///
/// # Errors
/// [`Unusable`] if waiting does not help.
pub(crate) async fn feed_goes_on(
    store: &Store,
    database: &Database,
    health: &Health,
) -> Result<(), Unusable> {
    let mut said = Said::default();
    loop {
        match store.continue_feed().await {
            Ok(()) => {
                said.back();
                return Ok(());
            }
            Err(error) => said.passes(database, error, Some(health))?,
        }
        sleep(PAUSE).await;
    }
}

/// Waits until a write succeeds.
///
/// # Errors
/// [`Unusable`] if waiting does not help.
pub(crate) async fn writable(
    repository: &dyn PayoutRepository,
    database: &Database,
    health: &Health,
) -> Result<(), Unusable> {
    let mut said = Said::default();
    loop {
        match repository.probe().await {
            Ok(()) => {
                said.back();
                return Ok(());
            }
            Err(error) => said.passes(database, error, Some(health))?,
        }
        sleep(PAUSE).await;
    }
}

/// The messages that were already logged during the wait, so that each is logged once.
#[derive(Default)]
struct Said {
    away: bool,
    behind: bool,
}

impl Said {
    /// Logs an error that may pass.
    ///
    /// # Errors
    /// [`Unusable`] if the error will not pass.
    fn passes(
        &mut self,
        database: &Database,
        error: RepositoryError,
        health: Option<&Health>,
    ) -> Result<(), Unusable> {
        match Unusable::unless_it_passes(database, error) {
            Ok(unusable) => Err(unusable),
            Err(error) => {
                let state = State::of(&error);
                if let Some(health) = health {
                    health.database(state);
                }
                if !std::mem::replace(&mut self.away, true) {
                    let error = Error::source(&error).unwrap_or(&error);
                    tracing::warn!(error = %payout_core::Causes(error), "{}; waiting for it", state.in_words());
                }
                Ok(())
            }
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
