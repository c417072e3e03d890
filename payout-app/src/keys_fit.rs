//! Waits until the configured keys are those that the database is sealed with: as long as one is missing, this process
//! could read some payouts and not others.

use std::time::Duration;

use payout_adapters::seal::KeyCheck;
use payout_core::ports::RepositoryError;
use tokio::time::sleep;

use crate::health::{Health, State};
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_secs(1);

/// Returns once they fit. A rotation elsewhere may make them fit; else a person must set the missing one.
pub(crate) async fn fitting(store: &Store, health: &Health) {
    let mut said = None;
    loop {
        let (state, problem) = match store.check_keys().await {
            Ok(KeyCheck::Fits) => return,
            Ok(check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. })) => {
                (State::KeysDoNotFit, check.to_string())
            }
            Err(error @ RepositoryError::Unavailable(_)) => (State::Away, error.to_string()),
            Err(error) => (State::KeysDoNotFit, error.to_string()),
        };
        health.database(state);
        if said.as_ref() != Some(&problem) {
            tracing::error!(problem, "not ready: see PAYOUT_ENCRYPTION_KEYS");
            said = Some(problem);
        }
        sleep(PAUSE).await;
    }
}
