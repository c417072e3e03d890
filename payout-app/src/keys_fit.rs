//! Waits until this process has every key that the database is encrypted with: without one of them it could read only
//! some payouts. Later it watches for a new key that it lacks.

use std::time::Duration;

use payout_adapters::encryption::KeyCheck;
use payout_core::Causes;
use payout_core::ports::RepositoryError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, State};
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(5);

/// Waits until the keys match. A rotation by another process may resolve a mismatch; otherwise an operator must add the
/// missing key.
pub(crate) async fn fitting(store: &Store, health: &Health) {
    let mut said = None;
    loop {
        let (state, problem) = match store.check_keys().await {
            Ok(KeyCheck::Fits) => return,
            Ok(check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. })) => {
                (State::KeysDoNotFit, check.to_string())
            }
            Err(error @ RepositoryError::Unavailable(_)) => (State::of(&error), Causes(&error).to_string()),
            Err(error) => (State::KeysDoNotFit, Causes(&error).to_string()),
        };
        health.database(state);
        if said.as_ref() != Some(&problem) {
            tracing::error!(problem, "not ready: see PAYOUT_ENCRYPTION_KEYS");
            said = Some(problem);
        }
        sleep(PAUSE).await;
    }
}

/// Logs once if a key is missing that was not needed at startup, and once when none is missing any more. The process
/// goes on: payouts that are encrypted with that key are left to processes that have it.
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
                // The health checks report that the database is unavailable.
                Err(_) => (),
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = looks => (),
    }
}
