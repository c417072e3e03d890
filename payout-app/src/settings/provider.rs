//! The payment provider, or the file of several.

use std::path::PathBuf;
use std::time::Duration;

use payout_adapters::Secret;
use url::Url;

use super::ConfigError;
use super::parse::{Reader, base_url, choice, milliseconds_or_none, secret, share};
use super::providers;
use super::table::{Need, Part, section};
use super::values::Values;

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
    /// The providers of a file, and the routes that choose among them.
    Providers {
        /// The file.
        file: PathBuf,
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

const SIMULATED: Need = Need {
    variable: "PAYOUT_PROCESSOR",
    value: "simulated",
    otherwise: "the provider is not simulated",
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

        /// The time that a simulated payment takes; only with `PAYOUT_PROCESSOR=simulated`.
        pub(super) delay: Duration = "PAYOUT_SIMULATED_DELAY_MS" {
            option: "simulated-delay-ms", value: "MS", default: "2000", needs: Some(SIMULATED),
        } => required(milliseconds_or_none),

        /// The share of all simulated payments that is declined, from 0 to 1; only with `PAYOUT_PROCESSOR=simulated`.
        pub(super) failure_rate: f64 = "PAYOUT_SIMULATED_FAILURE_RATE" {
            option: "simulated-failure-rate", value: "RATE", default: "0", needs: Some(SIMULATED),
        } => required(share),

        /// A TOML file with several providers, and with routes that choose among them; in place of the other settings of the
        /// provider. Secrets are in files of their own, which it names.
        pub(super) file: Option<PathBuf> = "PAYOUT_PROVIDERS_FILE" {
            option: "providers-file", value: "FILE", unset: "none", part: Part::Providers, see: "Several providers",
        } => optional(path),
    }
}

fn path(text: Reader<'_>) -> Result<PathBuf, ConfigError> {
    Ok(text.text.into())
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
    /// [`ConfigError`] when it has no address, or when there are a file and another setting of the provider.
    pub(super) fn processor(self, values: &Values) -> Result<ProcessorConfig, ConfigError> {
        let Self {
            kind,
            url,
            token,
            delay,
            failure_rate,
            file,
        } = self;
        if let Some(file) = file {
            refuse_both(values)?;
            return Ok(ProcessorConfig::Providers { file });
        }
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

/// Refuses a setting of the only provider beside a file of several.
fn refuse_both(values: &Values) -> Result<(), ConfigError> {
    for row in SECTION
        .rows
        .iter()
        .filter(|row| row.variable != providers::VARIABLE)
    {
        if values.text(row)?.is_some() {
            let message = format!(
                "is set, and so is {}, which names the providers: unset one",
                providers::VARIABLE
            );
            return Err(ConfigError::new(row.variable, message));
        }
    }
    Ok(())
}
