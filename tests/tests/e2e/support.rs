//! Shortcuts to a service in the state with which a test begins.

use std::sync::Arc;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body;
use payout_tests::store::{Backend, Store};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");

/// Makes each of these functions a test for each backend.
macro_rules! on_each_backend {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(payout_tests::store::Backend::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(payout_tests::store::Backend::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_each_backend;

/// Prepares the binary on a new database.
pub(crate) async fn launch(backend: Backend) -> Launch {
    Launch::new(BINARY, Arc::new(Store::new(backend).await))
}

/// Starts a server without a worker: new payouts stay pending.
pub(crate) async fn serving(backend: Backend) -> App {
    launch(backend).await.serve().await
}

/// Starts a server and a worker in one process, with a provider that pays at once.
pub(crate) async fn paying(backend: Backend) -> App {
    launch(backend).await.run().await
}

/// Starts a server and a worker in one process, with a provider that declines everything.
pub(crate) async fn declining(backend: Backend) -> App {
    launch(backend)
        .await
        .set("PAYOUT_SIMULATED_FAILURE_RATE", 1)
        .run()
        .await
}

/// Starts a server and a worker in one process, with a provider that takes a minute and a worker that waits for it.
pub(crate) async fn pondering(backend: Backend) -> App {
    launch(backend)
        .await
        .call_timeout_ms(60_000)
        .set("PAYOUT_SIMULATED_DELAY_MS", 60_000)
        .run()
        .await
}

/// Starts a server and a worker in one process, with a provider that never answers in time and a worker that gives up
/// after the first attempt.
pub(crate) async fn despairing(backend: Backend) -> App {
    let launch = launch(backend)
        .await
        .call_timeout_ms(100)
        .set("PAYOUT_SIMULATED_DELAY_MS", 60_000);
    launch.set("PAYOUT_MAX_ATTEMPTS", 1).run().await
}

/// A state of a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Processing,
    UnderReview,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    /// Returns the status in the API.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing | Self::UnderReview => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Starts a service whose payouts reach this state and stay there.
    pub(crate) async fn service(self, backend: Backend) -> App {
        match self {
            Self::Pending | Self::Cancelled => serving(backend).await,
            Self::Processing => pondering(backend).await,
            Self::UnderReview => despairing(backend).await,
            Self::Completed => paying(backend).await,
            Self::Failed => declining(backend).await,
        }
    }

    /// Creates a payout in such a service, waits until it is in this state, and returns its path.
    pub(crate) async fn payout(self, app: &App) -> String {
        let path = path_of(&app.create(body::payout()).await);
        match self {
            Self::Pending => (),
            Self::Cancelled => {
                let _ = app.post(&format!("{path}cancel/")).await.expect(200);
            }
            Self::UnderReview => {
                app.until_review(&path).await;
            }
            Self::Processing | Self::Completed | Self::Failed => {
                app.until(&path, self.status()).await;
            }
        }
        path
    }
}
