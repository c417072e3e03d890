//! The digests of sessions, as both dialects select them.

use payout_core::access::TokenDigest;
use payout_core::ports::RepositoryError;

use super::row::broken;

/// Reads the digest of the API key that opened a session.
pub(crate) fn key_digest((bytes,): (Vec<u8>,)) -> Result<TokenDigest, RepositoryError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    let bytes = bytes.map_err(|_| broken("key_digest")("no digest"))?;
    Ok(TokenDigest::from(bytes))
}
