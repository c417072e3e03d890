//! The secret for digests of tokens: the configured one, or else the store's own.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::access::{Hasher, KeySecret};
use crate::ports::{ApiKeyError, ApiKeyRepository, SecretSource};

/// Finds the secret on first use and keeps it.
pub struct Hashing {
    repository: Arc<dyn ApiKeyRepository>,
    given: Option<KeySecret>,
    secrets: Arc<dyn SecretSource>,
    hasher: OnceCell<Hasher>,
}

impl Hashing {
    pub(super) fn new(
        repository: Arc<dyn ApiKeyRepository>,
        given: Option<KeySecret>,
        secrets: Arc<dyn SecretSource>,
    ) -> Self {
        Self {
            repository,
            given,
            secrets,
            hasher: OnceCell::new(),
        }
    }

    pub(super) async fn hasher(&self) -> Result<&Hasher, ApiKeyError> {
        self.hasher
            .get_or_try_init(|| async {
                let refuse = |error: Box<dyn std::error::Error + Send + Sync>| ApiKeyError::Refused(error);
                let secret = match &self.given {
                    Some(given) => given.clone(),
                    None => {
                        let proposed = self.secrets.draw().map_err(|error| refuse(error.into()))?;
                        let kept = self.repository.secret(&proposed).await?;
                        KeySecret::new(&kept).map_err(|error| refuse(error.into()))?
                    }
                };
                Hasher::new(&secret).map_err(|error| refuse(error.into()))
            })
            .await
    }
}
