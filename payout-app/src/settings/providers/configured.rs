//! A configured provider: its adapter, with the limits that the operator sets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::Processor;
use payout_core::provider::ProviderName;
use payout_core::usecase::providers::{KnownProvider, WatchedProvider};
use payout_core::worker;
use url::Url;

/// A provider that this process may call.
#[derive(Clone)]
pub(crate) struct ConfiguredProvider {
    /// The name in the file; absent for the only provider of the other settings, whose payouts name none.
    pub(crate) name: Option<ProviderName>,
    /// The kind, for logs and answers.
    pub(crate) kind: &'static str,
    /// The adapter.
    pub(crate) processor: Arc<dyn Processor>,
    /// The base address, where the settings give one.
    pub(crate) url: Option<Url>,
    /// The operator's limits.
    pub(crate) settings: worker::ProviderSettings,
}

impl ConfiguredProvider {
    /// Builds the only provider of settings without a file.
    pub(crate) fn only(processor: Arc<dyn Processor>, kind: &'static str, url: Option<Url>) -> Self {
        Self {
            name: None,
            kind,
            processor,
            url,
            settings: worker::ProviderSettings::default(),
        }
    }

    /// Returns the timeout of one call, where the worker's settings have this one.
    pub(crate) fn call_timeout(&self, of_worker: Duration) -> Duration {
        self.settings.call_timeout.unwrap_or(of_worker)
    }

    /// Returns the provider for a worker.
    pub(crate) fn for_worker(&self) -> worker::Provider {
        worker::Provider::new(self.name.clone(), self.processor.clone()).with(self.settings.clone())
    }

    /// Returns the provider for the use case that shows what happens at it.
    pub(crate) fn watched(&self) -> Arc<WatchedProvider> {
        WatchedProvider::new(self.name.clone(), self.kind, self.processor.clone())
    }

    /// Returns the provider for the use cases; `None` if it has no name.
    pub(crate) fn known(&self) -> Option<KnownProvider> {
        Some(KnownProvider {
            name: self.name.clone()?,
            kind: self.kind,
            processor: self.processor.clone(),
            adopts_unnamed: self.settings.adopts_unnamed,
        })
    }
}

/// Shows the provider in lines for operators: its name and kind, and its address.
impl fmt::Display for ConfiguredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.url) {
            (Some(name), Some(url)) => write!(f, "{name} ({}, {url})", self.kind),
            (Some(name), None) => write!(f, "{name} ({})", self.kind),
            (None, Some(url)) => write!(f, "{url}"),
            (None, None) => f.write_str(self.kind),
        }
    }
}

impl fmt::Debug for ConfiguredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
