//! The providers of a worker.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::Processor;
use crate::provider::{Capabilities, ProviderName};

/// A provider, as a worker uses it.
#[derive(Clone)]
pub struct Provider {
    pub(super) name: Option<ProviderName>,
    pub(super) processor: Arc<dyn Processor>,
    pub(super) capabilities: Capabilities,
    pub(super) settings: ProviderSettings,
}

/// The settings of one provider. An absent value leaves the choice to the provider's capabilities and the worker's
/// settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The maximum number of calls at the same time, of one worker.
    pub concurrent_calls: Option<usize>,
    /// The maximum number of calls per second, of all workers together.
    pub calls_per_second: Option<u32>,
    /// The timeout of one call; never more than a third of the lease.
    pub call_timeout: Option<Duration>,
    /// The duration for which the provider remembers an idempotency key.
    pub key_window: Option<Duration>,
    /// The shortest time between two looks at one payment.
    pub poll_interval: Option<Duration>,
    /// The duration for which a paid payment may come back.
    pub return_window: Option<Duration>,
    /// True if payouts without a provider's name are this provider's: those that were stored before the program named
    /// its providers.
    pub adopts_unnamed: bool,
}

impl Provider {
    /// Describes a provider with a name, or the only one, without a name. Asks the processor for its capabilities.
    pub fn new(name: Option<ProviderName>, processor: Arc<dyn Processor>) -> Self {
        Self {
            name,
            capabilities: processor.capabilities(),
            processor,
            settings: ProviderSettings::default(),
        }
    }

    /// Describes the only provider, without asking the processor for its capabilities.
    pub(super) fn plain(processor: Arc<dyn Processor>) -> Self {
        Self {
            name: None,
            processor,
            capabilities: Capabilities::default(),
            settings: ProviderSettings::default(),
        }
    }

    /// Sets the settings.
    #[must_use]
    pub fn with(mut self, settings: ProviderSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Returns the name; `None` for the only provider of a program that names none.
    pub fn name(&self) -> Option<&ProviderName> {
        self.name.as_ref()
    }

    /// Returns the processor.
    pub fn processor(&self) -> &Arc<dyn Processor> {
        &self.processor
    }

    /// Returns the capabilities.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
}
