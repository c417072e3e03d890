//! A running process: its handles for the program, and its shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use payout_core::usecase::Payouts;
use payout_core::usecase::api_keys::ApiKeys;
use salvo::server::ServerHandle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::failure::AppError;
use crate::health::Health;
use crate::wiring::{Store, Traces};

/// The time for which requests may go on after the shutdown begins.
const REQUESTS: Duration = Duration::from_secs(10);
/// The interval at which [`Running::ready`] checks.
const LOOK: Duration = Duration::from_millis(20);

/// A running process. Dropping it leaves its tasks running; end it with [`shutdown`](Self::shutdown).
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

/// The handles for a program that does not go through HTTP.
pub(crate) struct Handles {
    pub(crate) payouts: Payouts,
    pub(crate) keys: ApiKeys,
    pub(crate) health: Arc<Health>,
}

impl Running {
    /// Returns the address of the API; absent in a process that runs only the worker.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Returns the address of health and metrics, if they have one of their own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Returns the use cases that the API calls. Neither API keys nor rate limits apply to calls from within the
    /// program.
    ///
    /// They may be used once the service is [`ready`](Self::ready).
    pub fn payouts(&self) -> Payouts {
        self.handles.payouts.clone()
    }

    /// Returns the API keys, so that the program can make and revoke them without HTTP. Once there is a key, every
    /// request needs one.
    ///
    /// They may be used once the service is [`ready`](Self::ready).
    pub fn api_keys(&self) -> ApiKeys {
        self.handles.keys.clone()
    }

    /// Waits until the database is available at the current schema and requests may use it.
    ///
    /// # Errors
    /// The [`AppError`] that ended the process meanwhile.
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

    /// Waits for an error that ends the process, and returns it once. Normally it waits forever.
    pub async fn failed(&mut self) -> AppError {
        if let Some(failed) = &mut self.failed {
            let said = failed.await;
            self.failed = None;
            if let Ok(error) = said {
                return error;
            }
        }
        // All tasks that may fail have ended without an error, or the error was already returned.
        std::future::pending().await
    }

    /// Runs until `stop` completes or the process fails, and then shuts down in order.
    ///
    /// ```no_run
    /// # async fn example(service: payout_app::Service) -> Result<(), payout_app::AppError> {
    /// service.start().await?.run_until(tokio::signal::ctrl_c()).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// The [`AppError`] that ended the process.
    pub async fn run_until<F: Future>(mut self, stop: F) -> Result<(), AppError> {
        let ended = tokio::select! {
            _ = stop => Ok(()),
            error = self.failed() => Err(error),
        };
        self.shutdown().await;
        ended
    }

    /// Accepts no more requests and claims, lets running ones finish within their time limits, and ends the process.
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
        // The worker's settings bound the time that it takes.
        let _ = self.work.await;
        let _ = self.watch.await;
        self.traces.close().await;
        // Connections that are still in use get two seconds.
        let _ = timeout(Duration::from_secs(2), self.store.close()).await;
    }
}
