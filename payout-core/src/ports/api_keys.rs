//! The ports for API keys: their repository and the source of secrets.

use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;
use crate::access::{ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, NewApiKey};

/// The largest number of live keys. More are refused, so that every process can hold all live keys in memory.
pub const LIVE_KEYS_MAX: u32 = 1_000;

/// The largest number of keys that a list shows. It omits the keys that were revoked first.
pub const LISTED_KEYS_MAX: u32 = 2_000;

/// An error of the repository of API keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The store does not answer. A write may have been made nevertheless.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The name belongs, or once belonged, to a key. Nothing was written.
    #[error("there is, or was, a key of this name")]
    NameTaken,
    /// The new key is to succeed another, and no key has ever had that name. Nothing was written.
    #[error("there is no key of the name that is to be succeeded")]
    NoPredecessor,
    /// The new key is to succeed another, which has another owner or none. Nothing was written.
    #[error("the key that is to be succeeded has another owner, or none")]
    OtherOwner,
    /// No key has ever had this name.
    #[error("there is no key of this name")]
    NotFound,
    /// The key is revoked or has expired. Nothing was written.
    #[error("the key is revoked or has expired")]
    Dead,
    /// There are already [`LIVE_KEYS_MAX`] live keys. Nothing was written.
    #[error("there are too many keys")]
    TooMany,
    /// The store refused the data, or holds invalid data.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A summary of the store's keys, a few bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySetVersion {
    /// The revision of the key set. It differs after every change of a key, by whatever means; a use is not a change.
    pub revision: u64,
    /// Set if the store has any key, live or not.
    pub any: bool,
    /// The time by the store's clock.
    pub now: Timestamp,
}

/// Stores API keys. It has only the digests of their tokens.
///
/// # Promises
/// - An acknowledged write is durable. A name is used once: a revoked key keeps its name.
/// - All times are by the store's clock, which every process that shares the store sees alike.
/// - A key is live until it is revoked or expires. [`held`](Self::held) returns only live keys.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// Returns the summary of the key set. Every process asks once a second, so the call is cheap however many keys
    /// there are.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn key_set_version(&self) -> Result<KeySetVersion, ApiKeyError>;

    /// Returns every live key.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn held(&self) -> Result<Vec<HeldKey>, ApiKeyError>;

    /// Returns at most [`LISTED_KEYS_MAX`] keys, by name, those not revoked first. The keys revoked earliest are
    /// omitted.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError>;

    /// Stores a key. The key shares the idempotency scope and the owner of the key that it succeeds, or else has a scope
    /// of its own. So a person never becomes another one.
    ///
    /// # Errors
    /// [`ApiKeyError::NoPredecessor`], [`ApiKeyError::NameTaken`], [`ApiKeyError::OtherOwner`], [`ApiKeyError::TooMany`],
    /// [`ApiKeyError::Unavailable`].
    async fn insert(&self, new: &NewApiKey) -> Result<ApiKey, ApiKeyError>;

    /// Gives a live key another token. The previous token stays valid for `overlap`; any token before that is no longer
    /// valid.
    ///
    /// # Errors
    /// [`ApiKeyError::NotFound`], [`ApiKeyError::Dead`], [`ApiKeyError::Unavailable`].
    async fn rotate(
        &self,
        name: &KeyName,
        digest: &KeyDigest,
        overlap: Duration,
    ) -> Result<ApiKey, ApiKeyError>;

    /// Revokes a key permanently. Does not change a key that is already revoked.
    ///
    /// # Errors
    /// [`ApiKeyError::NotFound`], [`ApiKeyError::Unavailable`].
    async fn revoke(&self, name: &KeyName) -> Result<ApiKey, ApiKeyError>;

    /// Records that these keys were used just now. Ignores unknown ids.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn note_use(&self, ids: &[ApiKeyId]) -> Result<(), ApiKeyError>;

    /// Returns the store's own secret: the first that any process proposed. Stores `proposed` if the store has no
    /// secret yet.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn secret(&self, proposed: &[u8; 32]) -> Result<[u8; 32], ApiKeyError>;
}

/// The operating system's generator returned no random bits.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bits: {0}")]
pub struct NoSecret(pub String);

/// Draws secrets from a cryptographically secure generator.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait SecretSource: Send + Sync {
    /// Returns 256 unpredictable bits.
    ///
    /// # Errors
    /// [`NoSecret`].
    fn draw(&self) -> Result<[u8; 32], NoSecret>;
}
