//! The payment provider.

use std::time::Duration;

use payout_adapters::Secret;
use url::Url;

use super::ConfigError;
use super::parse::{Reader, base_url, choice, milliseconds_or_none, secret, share};
use super::table::{Need, section};

/// The provider that moves the money.
#[derive(Debug, Clone)]
pub enum ProcessorConfig {
    /// None: it only takes its time.
    Simulated {
        /// The time that a payment takes.
        delay: Duration,
        /// The share of all payments that it declines, from 0 to 1.
        failure_rate: f64,
    },
    /// A provider, by the contract in the documentation.
    Http {
        /// Its base address.
        url: Url,
        /// The bearer token that it wants.
        token: Option<Secret>,
    },
}

/// The values of `PAYOUT_PROCESSOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Simulated,
    Http,
}

const HTTP: Need = Need {
    variable: "PAYOUT_PROCESSOR",
    value: "http",
    otherwise: "the provider is simulated and nobody would be paid",
};

section! {
    /// The rows of the provider.
    pub(super) struct ProviderRows in SECTION, titled "Provider", read by Provider {
        /// The provider: `simulated` (payouts end as completed, and nobody is paid) or `http`.
        pub(super) kind: Kind = "PAYOUT_PROCESSOR" {
            option: "processor", value: "NAME", default: "simulated",
        } => required(choice(&[("simulated", Kind::Simulated), ("http", Kind::Http)])),

        /// The base address of the provider; only with `PAYOUT_PROCESSOR=http`.
        pub(super) url: Option<Url> = "PAYOUT_PROCESSOR_URL" {
            option: "processor-url", value: "URL", unset: "none", needs: Some(HTTP),
        } => optional(base_url),

        /// The bearer token that the provider wants; only with `PAYOUT_PROCESSOR=http`. Better from a file, since other users
        /// of the host see options.
        pub(super) token: Option<Secret> = "PAYOUT_PROCESSOR_TOKEN" {
            option: "processor-token", value: "TOKEN", unset: "none", secret: true, needs: Some(HTTP),
        } => optional(token),

        /// The time that a simulated payment takes.
        pub(super) delay: Duration = "PAYOUT_SIMULATED_DELAY_MS" {
            option: "simulated-delay-ms", value: "MS", default: "2000",
        } => required(milliseconds_or_none),

        /// The share of all simulated payments that is declined, from 0 to 1.
        pub(super) failure_rate: f64 = "PAYOUT_SIMULATED_FAILURE_RATE" {
            option: "simulated-failure-rate", value: "RATE", default: "0",
        } => required(share),
    }
}

fn token(text: Reader<'_>) -> Result<Secret, ConfigError> {
    if text.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        secret(text)
    } else {
        Err(text.error("use visible ASCII characters"))
    }
}

impl ProviderRows {
    /// The provider that is chosen.
    ///
    /// # Errors
    /// [`ConfigError`] when it has no address.
    pub(super) fn processor(self) -> Result<ProcessorConfig, ConfigError> {
        let Self {
            kind,
            url,
            token,
            delay,
            failure_rate,
        } = self;
        match (kind, url) {
            (Kind::Simulated, _) => Ok(ProcessorConfig::Simulated { delay, failure_rate }),
            (Kind::Http, Some(url)) => Ok(ProcessorConfig::Http { url, token }),
            (Kind::Http, None) => Err(ConfigError::new(
                "PAYOUT_PROCESSOR_URL",
                "is needed with PAYOUT_PROCESSOR=http",
            )),
        }
    }
}
