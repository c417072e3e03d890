//! API keys: making and ending them, and holding requests against them.
//!
//! - [`ApiKeys`] is what an administrator does.
//! - [`Keyring`] is what every request passes: all live keys in memory, looked after by a task, so that a request costs
//!   the store nothing, whatever it shows.
//! - `hashing` has the secret that both hash under.

mod hashing;
mod keyring;

use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::access::{ApiKey, ApiKeyId, KeyName, KeySecret, NewApiKey, Scopes, Token};
use crate::ports::{Ambient, ApiKeyError, ApiKeyRepository, NoSecret, Randomness, SecretSource};

pub use hashing::Hashing;
pub use keyring::{Found, Keyring};

/// Why nothing was done to a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] ApiKeyError),
    /// It would have expired before it was made.
    #[error("the key would expire before it is made")]
    ExpiresInPast,
    /// It would open nothing.
    #[error("the key would open nothing: give it a scope")]
    NoScopes,
    /// No secret can be made.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
}

/// What an administrator does with keys. Cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    repository: Arc<dyn ApiKeyRepository>,
    hashing: Arc<Hashing>,
    secrets: Arc<dyn SecretSource>,
    ambient: Arc<dyn Ambient>,
}

impl ApiKeys {
    /// Over this store. `given` is the secret that digests are keyed with; the store's own when absent.
    pub fn new(
        repository: Arc<dyn ApiKeyRepository>,
        given: Option<KeySecret>,
        secrets: Arc<dyn SecretSource>,
        ambient: Arc<dyn Ambient>,
    ) -> Self {
        Self {
            hashing: Arc::new(Hashing::new(repository.clone(), given, secrets.clone())),
            repository,
            secrets,
            ambient,
        }
    }

    /// The keyring of the same store.
    pub fn keyring(&self) -> Keyring {
        Keyring::new(
            self.repository.clone(),
            self.hashing.clone(),
            self.ambient.clone(),
        )
    }

    /// Makes a key, which may succeed another: then it shares that one's scope of idempotency and day's limits. The token
    /// is shown here and never again.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn create(
        &self,
        name: KeyName,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
        succeeds: Option<KeyName>,
    ) -> Result<(ApiKey, Token), KeysError> {
        if scopes.is_empty() {
            return Err(KeysError::NoScopes);
        }
        let now = self.repository.pulse().await?.now;
        if expires_at.is_some_and(|at| at <= now) {
            return Err(KeysError::ExpiresInPast);
        }
        let token = Token::of(&self.secrets.draw()?);
        let new = NewApiKey {
            id: ApiKeyId::generate(now, &*self.ambient as &dyn Randomness),
            name,
            scopes,
            expires_at,
            digest: self.hashing.hasher().await?.of(&token),
            succeeds,
        };
        Ok((self.repository.insert(&new).await?, token))
    }

    /// Gives a key another token, which is shown here and never again; the one before opens for `overlap` longer.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn rotate(&self, name: &KeyName, overlap: Duration) -> Result<(ApiKey, Token), KeysError> {
        let token = Token::of(&self.secrets.draw()?);
        let digest = self.hashing.hasher().await?.of(&token);
        let key = self.repository.rotate(name, &digest, overlap).await?;
        let rotated_at = key.rotated_at.unwrap_or(key.created_at);
        Ok((key.at(rotated_at), token))
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn revoke(&self, name: &KeyName) -> Result<ApiKey, KeysError> {
        let key = self.repository.revoke(name).await?;
        let revoked_at = key.revoked_at.unwrap_or(key.created_at);
        Ok(key.at(revoked_at))
    }

    /// The keys as they are now, those not revoked first.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn list(&self) -> Result<Vec<ApiKey>, KeysError> {
        let keys = self.repository.list().await?;
        let now = self.now().await?;
        Ok(keys.into_iter().map(|key| key.at(now)).collect())
    }

    /// The store's clock.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn now(&self) -> Result<Timestamp, KeysError> {
        Ok(self.repository.pulse().await?.now)
    }
}
