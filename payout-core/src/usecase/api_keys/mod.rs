//! API keys: their administration and the authentication of requests.
//!
//! - [`ApiKeys`] has the operations of an administrator.
//! - [`ApiKeyCache`] authenticates requests. It has all live keys in memory, which a task keeps current, so that a
//!   request costs the store nothing, whatever token it carries.
//! - `hashing` has the secret that both use for digests.

mod hashing;
mod keyring;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::access::{ApiKey, ApiKeyId, KeyName, KeyOwner, KeySecret, NewApiKey, Scopes, Token};
use crate::ports::{ApiKeyError, ApiKeyRepository, Environment, NoSecret, Randomness, SecretSource};

pub use hashing::Hashing;
pub use keyring::{ApiKeyCache, Found};

/// An error of an operation on keys. The key was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The store returned an error.
    #[error(transparent)]
    Store(#[from] ApiKeyError),
    /// The time of expiry has already passed.
    #[error("the key would expire before it is made")]
    ExpiresInPast,
    /// The key would have no scope.
    #[error("the key would grant nothing: give it a scope")]
    NoScopes,
    /// No secret can be drawn.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
}

/// The operations of an administrator on API keys. Cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    repository: Arc<dyn ApiKeyRepository>,
    hashing: Arc<Hashing>,
    secrets: Arc<dyn SecretSource>,
    environment: Arc<dyn Environment>,
}

impl ApiKeys {
    /// Makes the operations over a store. `given` is the secret for digests; if absent, the store's own is used.
    pub fn new(
        repository: Arc<dyn ApiKeyRepository>,
        given: Option<KeySecret>,
        secrets: Arc<dyn SecretSource>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self {
            hashing: Arc::new(Hashing::new(repository.clone(), given, secrets.clone())),
            repository,
            secrets,
            environment,
        }
    }

    /// Returns the keyring of the same store.
    pub fn keyring(&self) -> ApiKeyCache {
        ApiKeyCache::new(
            self.repository.clone(),
            self.hashing.clone(),
            self.environment.clone(),
        )
    }

    /// Makes a key. If it succeeds another key, it shares that key's owner, idempotency scope and daily limits. The token is
    /// returned only here.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn create(
        &self,
        name: KeyName,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
        succeeds: Option<KeyName>,
        owner: Option<KeyOwner>,
    ) -> Result<(ApiKey, Token), KeysError> {
        if scopes.is_empty() {
            return Err(KeysError::NoScopes);
        }
        let now = self.repository.key_set_version().await?.now;
        if expires_at.is_some_and(|at| at <= now) {
            return Err(KeysError::ExpiresInPast);
        }
        let token = Token::of(&self.secrets.draw()?);
        let new = NewApiKey {
            id: ApiKeyId::generate(now, &*self.environment as &dyn Randomness),
            name,
            scopes,
            expires_at,
            digest: self.hashing.hasher().await?.of(&token),
            succeeds,
            owner,
        };
        Ok((self.repository.insert(&new).await?, token))
    }

    /// Gives a key another token, which is returned only here. The previous token stays valid for `overlap`.
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

    /// Revokes a key permanently.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn revoke(&self, name: &KeyName) -> Result<ApiKey, KeysError> {
        let key = self.repository.revoke(name).await?;
        let revoked_at = key.revoked_at.unwrap_or(key.created_at);
        Ok(key.at(revoked_at))
    }

    /// Lists the keys as of now, those not revoked first.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn list(&self) -> Result<Vec<ApiKey>, KeysError> {
        let keys = self.repository.list().await?;
        let now = self.now().await?;
        Ok(keys.into_iter().map(|key| key.at(now)).collect())
    }

    /// Returns the time by the store's clock.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn now(&self) -> Result<Timestamp, KeysError> {
        Ok(self.repository.key_set_version().await?.now)
    }
}
