//! Short ways to a service in the state that a test begins with.

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

/// The binary on a new database.
pub(crate) async fn launch(backend: Backend) -> Launch {
    Launch::new(BINARY, Arc::new(Store::new(backend).await))
}

/// A server without a worker: what is created stays pending.
pub(crate) async fn serving(backend: Backend) -> App {
    launch(backend).await.serve().await
}

/// A server and a worker in one, whose provider pays at once.
pub(crate) async fn paying(backend: Backend) -> App {
    launch(backend).await.run().await
}

/// The same, whose provider declines everything.
pub(crate) async fn declining(backend: Backend) -> App {
    launch(backend)
        .await
        .set("PAYOUT_SIMULATED_FAILURE_RATE", 1)
        .run()
        .await
}

/// The same, whose provider takes a minute, which its worker waits for.
pub(crate) async fn pondering(backend: Backend) -> App {
    launch(backend)
        .await
        .call_timeout_ms(60_000)
        .set("PAYOUT_SIMULATED_DELAY_MS", 60_000)
        .run()
        .await
}

/// The same, whose provider never answers in time, and whose worker gives up after the first attempt.
pub(crate) async fn despairing(backend: Backend) -> App {
    let launch = launch(backend)
        .await
        .call_timeout_ms(100)
        .set("PAYOUT_SIMULATED_DELAY_MS", 60_000);
    launch.set("PAYOUT_MAX_ATTEMPTS", 1).run().await
}

/// A state that a payout can be in.
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
    /// The status on the wire.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing | Self::UnderReview => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// A service whose payouts get into this state and stay there.
    pub(crate) async fn service(self, backend: Backend) -> App {
        match self {
            Self::Pending | Self::Cancelled => serving(backend).await,
            Self::Processing => pondering(backend).await,
            Self::UnderReview => despairing(backend).await,
            Self::Completed => paying(backend).await,
            Self::Failed => declining(backend).await,
        }
    }

    /// The path of a new payout of such a service, once it is in this state.
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
