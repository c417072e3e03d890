//! Waits until the database is there, at the schema of this version, and takes writes.
//!
//! What may pass by itself is waited for, and said once. What takes a person (a wrong password, no such role or database, a
//! file or a folder that cannot be written) ends the process, so that whoever started it hears of it.

use std::error::Error;
use std::time::Duration;

use payout_core::ports::{PayoutRepository, RepositoryError};
use tokio::time::sleep;

use crate::health::{Health, State};
use crate::settings::Database;
use crate::unusable::Unusable;
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_millis(500);

/// Migrates as soon as the database answers.
///
/// # Errors
/// [`Unusable`] when waiting for it does not help, or when the migration fails.
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

/// Waits until somebody else has migrated.
///
/// # Errors
/// [`Unusable`] when waiting for it does not help, or when the schema is none of ours.
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

/// Waits until a write goes through.
///
/// # Errors
/// [`Unusable`] when waiting for it does not help.
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

/// What was said of the wait already: each thing once.
#[derive(Default)]
struct Said {
    away: bool,
    behind: bool,
}

impl Said {
    /// # Errors
    /// [`Unusable`] when it will not.
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
                    tracing::warn!(error, "{}; waiting for it", state.in_words());
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
