//! The port for sessions of the console.

use async_trait::async_trait;

use crate::access::{NewSession, SessionDigest, TokenDigest};
use crate::ports::RepositoryError;

/// Stores sessions of the console. It has only the digests of their tokens.
///
/// # Promises
/// - An acknowledged write is durable, and every process sees it at once: a session that was ended opens nothing.
/// - All times are by the store's clock.
/// - Sessions that have ended are kept, as the record of sign-ins.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ConsoleSessionRepository: Send + Sync {
    /// Stores a session that begins now.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Refused`].
    async fn begin_session(&self, new: &NewSession) -> Result<(), RepositoryError>;

    /// Returns the API key's digest of a session that has neither ended nor expired.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn session(&self, digest: &SessionDigest) -> Result<Option<TokenDigest>, RepositoryError>;

    /// Ends a session. Does nothing if it has ended, or never began.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn end_session(&self, digest: &SessionDigest) -> Result<(), RepositoryError>;
}
