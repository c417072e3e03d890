//! The ports that a program provides in place of the adapters that the settings would choose.

use std::sync::Arc;

use payout_core::ports::{
    ApiKeyRepository, BatchRepository, EventFeed, JobQueue, PayoutExport, PayoutRepository, Processor,
    ProviderRepository, RecheckRepository, RecipientRepository, StatsRepository,
};

use crate::settings::{Config, ConfigError, ProcessorConfig, ProviderKind};

/// The kind of a port that the program provides, for health checks and logs.
pub(crate) const OWN: &str = "custom";

/// The ports that a program provides. For each that is absent the settings choose an adapter.
#[derive(Clone, Default)]
pub(crate) struct OwnPorts {
    pub(crate) repository: Option<Arc<dyn PayoutRepository>>,
    pub(crate) batches: Option<Arc<dyn BatchRepository>>,
    pub(crate) rechecks: Option<Arc<dyn RecheckRepository>>,
    pub(crate) provider_states: Option<Arc<dyn ProviderRepository>>,
    pub(crate) exports: Option<Arc<dyn PayoutExport>>,
    pub(crate) stats: Option<Arc<dyn StatsRepository>>,
    pub(crate) recipients: Option<Arc<dyn RecipientRepository>>,
    pub(crate) feed: Option<Arc<dyn EventFeed>>,
    pub(crate) api_keys: Option<Arc<dyn ApiKeyRepository>>,
    pub(crate) queue: Option<Arc<dyn JobQueue>>,
    pub(crate) processor: Option<Arc<dyn Processor>>,
    /// The kinds of providers that the file of providers may name besides those of the service.
    pub(crate) provider_kinds: Vec<ProviderKind>,
}

impl OwnPorts {
    /// Refuses settings that a port of the program's own would silently ignore.
    ///
    /// # Errors
    /// [`ConfigError`] with the setting.
    pub(crate) fn fit(&self, config: &Config) -> Result<(), ConfigError> {
        let refuse = |variable, message: &str| {
            Err(ConfigError {
                variable,
                message: message.to_owned(),
            })
        };
        if self.processor.is_some() && matches!(config.processor, ProcessorConfig::Providers { .. }) {
            let message = "the program has a provider of its own, which the file does not name: make it a kind of the \
                           file's (Service::with_provider_kind)";
            return refuse("PAYOUT_PROVIDERS_FILE", message);
        }
        if self.repository.is_none() {
            return Ok(());
        }
        if !config.keyring.is_empty() {
            let message = "a repository of the program's own would not encrypt with it: leave it unset, and encrypt there";
            return refuse("PAYOUT_ENCRYPTION_KEYS", message);
        }
        if config.restored {
            let message =
                "a repository of the program's own cannot be asked which payouts may have been sent since";
            return refuse("--restored", message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use payout_adapters::encryption::EncryptionKeys;
    use payout_core::ports::{MockPayoutRepository, MockProcessor};

    use super::*;

    const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// A setting that promises encryption, or safety after a restore, must not be ignored silently.
    #[test]
    fn settings_that_an_own_repository_would_ignore_are_refused() {
        let own = OwnPorts {
            repository: Some(Arc::new(MockPayoutRepository::new())),
            ..OwnPorts::default()
        };
        let sealed = Config {
            keyring: EncryptionKeys::parse(KEYS).unwrap(),
            ..Config::default()
        };
        let restored = Config {
            restored: true,
            ..Config::default()
        };
        for (config, variable) in [(sealed, "PAYOUT_ENCRYPTION_KEYS"), (restored, "--restored")] {
            assert_eq!(own.fit(&config).unwrap_err().variable, variable);
            assert_eq!(OwnPorts::default().fit(&config), Ok(()));
        }
        assert_eq!(own.fit(&Config::default()), Ok(()));
    }

    #[test]
    fn a_file_of_providers_beside_a_provider_of_the_program_is_refused() {
        let own = OwnPorts {
            processor: Some(Arc::new(MockProcessor::new())),
            ..OwnPorts::default()
        };
        let config = Config {
            processor: ProcessorConfig::Providers {
                file: "providers.toml".into(),
            },
            ..Config::default()
        };
        assert_eq!(own.fit(&config).unwrap_err().variable, "PAYOUT_PROVIDERS_FILE");
        assert_eq!(OwnPorts::default().fit(&config), Ok(()));
    }
}
