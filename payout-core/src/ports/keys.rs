//! The API keys' store, and where secrets come from.

use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;
use crate::access::{ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, NewApiKey};

/// Keys that may be live at the same time; more are refused, so that every process can hold all of them in memory.
pub const LIVE_KEYS_MAX: u32 = 1_000;

/// Keys that a list shows at the most, those that were revoked last among them.
pub const LISTED_KEYS_MAX: u32 = 2_000;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The store does not answer; a write may have been made all the same.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A key has, or had, this name. Nothing was written.
    #[error("there is, or was, a key of this name")]
    NameTaken,
    /// No key ever had the name of the one that is to be succeeded. Nothing was written.
    #[error("there is no key of the name that is to be succeeded")]
    NoPredecessor,
    /// No key ever had this name.
    #[error("there is no key of this name")]
    NotFound,
    /// The key is revoked or has expired. Nothing was written.
    #[error("the key is revoked or has expired")]
    Dead,
    /// There are [`LIVE_KEYS_MAX`] live keys already. Nothing was written.
    #[error("there are too many keys")]
    TooMany,
    /// The store refused the data or holds data that cannot be.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How the store's keys stand, in a few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Another number after every change of any key, however it was made; uses are no changes.
    pub revision: u64,
    /// Whether there is any key, a dead one included.
    pub any: bool,
    /// The store's clock.
    pub now: Timestamp,
}

/// Keeps API keys. Of their tokens it has only digests.
///
/// # Promises
/// - What a call acknowledges is durable. A name is used once: a revoked key keeps its own.
/// - Time is the store's clock, the same for every process that shares it.
/// - A key is live until it is revoked or expires; only live keys are [`held`](Self::held).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// Asked by every process every second: cheap, however many keys there are.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn pulse(&self) -> Result<Pulse, ApiKeyError>;

    /// Every live key.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn held(&self) -> Result<Vec<HeldKey>, ApiKeyError>;

    /// All keys but for the oldest revoked ones, [`LISTED_KEYS_MAX`] at the most: those not revoked first, by name.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError>;

    /// Stores a key, in the scope of idempotency of the one that it succeeds, or else in one of its own.
    ///
    /// # Errors
    /// [`ApiKeyError::NoPredecessor`], [`ApiKeyError::NameTaken`], [`ApiKeyError::TooMany`], [`ApiKeyError::Unavailable`].
    async fn insert(&self, new: &NewApiKey) -> Result<ApiKey, ApiKeyError>;

    /// Gives a live key another token. The one before opens for `overlap` longer; the one before that no more.
    ///
    /// # Errors
    /// [`ApiKeyError::NotFound`], [`ApiKeyError::Dead`], [`ApiKeyError::Unavailable`].
    async fn rotate(
        &self,
        name: &KeyName,
        digest: &KeyDigest,
        overlap: Duration,
    ) -> Result<ApiKey, ApiKeyError>;

    /// Revokes a key for good. One that is revoked already stays as it is.
    ///
    /// # Errors
    /// [`ApiKeyError::NotFound`], [`ApiKeyError::Unavailable`].
    async fn revoke(&self, name: &KeyName) -> Result<ApiKey, ApiKeyError>;

    /// Notes that these keys were used just now. Unknown ones are passed over.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn note_use(&self, ids: &[ApiKeyId]) -> Result<(), ApiKeyError>;

    /// The store's own secret: the one that was proposed first, by whomever.
    ///
    /// # Errors
    /// [`ApiKeyError::Unavailable`].
    async fn secret(&self, proposed: &[u8; 32]) -> Result<[u8; 32], ApiKeyError>;
}

/// The operating system has no random bits to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bits: {0}")]
pub struct NoSecret(pub String);

/// Where secrets come from: the operating system's generator.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait SecretSource: Send + Sync {
    /// 256 bits that nobody can guess.
    ///
    /// # Errors
    /// [`NoSecret`].
    fn draw(&self) -> Result<[u8; 32], NoSecret>;
}
