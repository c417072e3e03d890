//! A process that runs: what a program may ask of it, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use payout_core::service::Payouts;
use payout_core::service::keys::ApiKeys;
use salvo::server::ServerHandle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::failure::AppError;
use crate::health::Health;
use crate::wiring::{Store, Traces};

/// How long requests may go on after the shutdown began.
const REQUESTS: Duration = Duration::from_secs(10);
/// How often [`Running::ready`] looks.
const LOOK: Duration = Duration::from_millis(20);

/// A process that runs. Dropping it leaves its tasks running; end it by [`shutdown`](Self::shutdown).
pub struct Running {
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) metrics_addr: Option<SocketAddr>,
    pub(crate) servers: Vec<(ServerHandle, JoinHandle<()>)>,
    pub(crate) work: JoinHandle<()>,
    pub(crate) watch: JoinHandle<()>,
    pub(crate) failed: Option<oneshot::Receiver<AppError>>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) store: Store,
    pub(crate) traces: Traces,
    pub(crate) handles: Handles,
}

/// What a program may use besides HTTP.
pub(crate) struct Handles {
    pub(crate) payouts: Payouts,
    pub(crate) keys: ApiKeys,
    pub(crate) health: Arc<Health>,
}

impl Running {
    /// The address of the API; absent for a worker alone.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// The address of health and metrics, where they have one of their own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// The use cases that the API calls, for calls from within the program: neither API keys nor rates limit them.
    ///
    /// They may be used once the service is [`ready`](Self::ready).
    pub fn payouts(&self) -> Payouts {
        self.handles.payouts.clone()
    }

    /// The API keys, for the program to make and revoke them without HTTP. The first one locks the service.
    ///
    /// They may be used once the service is [`ready`](Self::ready).
    pub fn api_keys(&self) -> ApiKeys {
        self.handles.keys.clone()
    }

    /// Waits until the database is there, with its schema, and requests may use it.
    ///
    /// # Errors
    /// [`AppError`] that ended the process meanwhile.
    pub async fn ready(&mut self) -> Result<(), AppError> {
        let health = self.handles.health.clone();
        let open = async {
            while !health.is_open() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = open => Ok(()),
            error = self.failed() => Err(error),
        }
    }

    /// Waits for what ends the process by itself, and says it once; forever, as a rule.
    pub async fn failed(&mut self) -> AppError {
        if let Some(failed) = &mut self.failed {
            let said = failed.await;
            self.failed = None;
            if let Ok(error) = said {
                return error;
            }
        }
        // All tasks that may fail have ended well, or it was said already.
        std::future::pending().await
    }

    /// Runs until `stop` is done or the process fails by itself, and shuts down in order.
    ///
    /// ```no_run
    /// # async fn example(service: payout_app::Service) -> Result<(), payout_app::AppError> {
    /// service.start().await?.run_until(tokio::signal::ctrl_c()).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AppError`] that ended it.
    pub async fn run_until<F: Future>(mut self, stop: F) -> Result<(), AppError> {
        let ended = tokio::select! {
            _ = stop => Ok(()),
            error = self.failed() => Err(error),
        };
        self.shutdown().await;
        ended
    }

    /// Takes no more requests and claims, lets those that run finish within their bounds, and ends.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        for (handle, _) in &self.servers {
            handle.stop_graceful(REQUESTS);
        }
        for (handle, server) in self.servers {
            if timeout(REQUESTS + Duration::from_secs(1), server).await.is_err() {
                handle.stop_forceful();
            }
        }
        // The worker bounds itself by its settings.
        let _ = self.work.await;
        let _ = self.watch.await;
        self.traces.close().await;
        // What still holds a connection gets no more than a moment.
        let _ = timeout(Duration::from_secs(2), self.store.close()).await;
    }
}
