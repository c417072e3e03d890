//! Decides whether a serving process may open: it must know the API keys first, and without any key only loopback may
//! reach it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::ApiKeyError;
use payout_core::usecase::api_keys::{ApiKeyCache, Found};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::failure::AppError;
use crate::http::OpenTo;

const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct StartupGate {
    pub(crate) keyring: Arc<ApiKeyCache>,
    pub(crate) open_to: OpenTo,
    pub(crate) bind: SocketAddr,
    /// A request to try out, if payouts are simulated.
    pub(crate) try_it: Option<String>,
}

impl StartupGate {
    /// Waits until the API keys are known, and logs which clients are admitted.
    ///
    /// # Errors
    /// [`AppError::Open`] if there is no key, other hosts could reach the process, and `PAYOUT_AUTH=off` is not set;
    /// [`AppError::Keys`] if the keys cannot be read at all.
    pub(crate) async fn open(&self) -> Result<(), AppError> {
        while let Err(error) = self.keyring.refresh().await {
            if !matches!(error, ApiKeyError::Unavailable(_)) {
                return Err(AppError::Keys(error));
            }
            sleep(PAUSE).await;
        }
        let no_keys = self.keyring.ask(None, true) == Found::NoKeys;
        match (no_keys, self.open_to) {
            (true, OpenTo::Nobody) => return Err(AppError::Open(self.bind)),
            (true, OpenTo::ThisHost) => self.say_open_to_this_host(),
            (true, OpenTo::Anyone) => tracing::warn!(
                "there are no API keys, and PAYOUT_AUTH=off: anyone who reaches this address may do everything; the \
                 first key (`payout keys create`) locks it"
            ),
            (false, OpenTo::Anyone) => {
                tracing::info!("locked: there are API keys, whatever PAYOUT_AUTH says");
            }
            (false, OpenTo::ThisHost | OpenTo::Nobody) => {
                tracing::info!("locked: every request needs an API key")
            }
        }
        Ok(())
    }

    /// Warns if payouts are real; otherwise logs a first request to try.
    fn say_open_to_this_host(&self) {
        let line = "there are no API keys: open to every client on this host, and to no other; the first key \
                    (`payout keys create`) locks it: make it before a proxy on this host leads here";
        let Some(try_it) = &self.try_it else {
            tracing::warn!("{line}");
            return;
        };
        tracing::info!("{line}");
        tracing::info!("a first payout: {try_it}");
    }

    /// Keeps the keys current until shutdown.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        self.keyring.watch(shutdown).await;
    }
}
