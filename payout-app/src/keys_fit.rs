//! Waits until the configured keys are those that the database is sealed with: as long as one is missing, this process
//! could read some payouts and not others. Later it watches whether somebody has begun to seal with a key that it lacks.

use std::time::Duration;

use payout_adapters::seal::KeyCheck;
use payout_core::ports::RepositoryError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, State};
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(5);

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

/// Says once when a key is missing that was not at the start, and once when it no longer is. The work goes on meanwhile: what
/// is sealed with that key is left to those who have it.
pub(crate) async fn watch(store: &Store, shutdown: &CancellationToken) {
    let mut missing = None;
    let looks = async {
        loop {
            sleep(EVERY).await;
            match store.check_keys().await {
                Ok(KeyCheck::Fits) => {
                    if missing.take().is_some() {
                        tracing::info!("no key is missing any more");
                    }
                }
                Ok(check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. })) => {
                    let problem = check.to_string();
                    if missing.as_ref() != Some(&problem) {
                        tracing::error!(
                            problem,
                            "payouts that are sealed with it are left to others: see PAYOUT_ENCRYPTION_KEYS"
                        );
                        missing = Some(problem);
                    }
                }
                // Whoever watches the database says so.
                Err(_) => (),
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = looks => (),
    }
}
