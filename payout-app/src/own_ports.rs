//! The ports that a program provides in place of the adapters that the settings would choose.

use std::sync::Arc;

use payout_core::ports::{ApiKeyRepository, JobQueue, PayoutRepository, Processor};

use crate::settings::{Config, ConfigError};

/// The kind of a port that the program provides, for health checks and logs.
pub(crate) const OWN: &str = "custom";

/// The ports that a program provides. For each that is absent the settings choose an adapter.
#[derive(Clone, Default)]
pub(crate) struct OwnPorts {
    pub(crate) repository: Option<Arc<dyn PayoutRepository>>,
    pub(crate) api_keys: Option<Arc<dyn ApiKeyRepository>>,
    pub(crate) queue: Option<Arc<dyn JobQueue>>,
    pub(crate) processor: Option<Arc<dyn Processor>>,
}

impl OwnPorts {
    /// Refuses settings that a repository of the program's own would silently ignore.
    ///
    /// # Errors
    /// [`ConfigError`] with the setting.
    pub(crate) fn fit(&self, config: &Config) -> Result<(), ConfigError> {
        if self.repository.is_none() {
            return Ok(());
        }
        let refuse = |variable, message: &str| {
            Err(ConfigError {
                variable,
                message: message.to_owned(),
            })
        };
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
    use payout_core::ports::MockPayoutRepository;

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
}
