//! Sessions of the console.

use async_trait::async_trait;
use payout_core::access::{NewSession, SessionDigest, TokenDigest};
use payout_core::ports::{ConsoleSessionRepository, RepositoryError};

use super::{PostgresRepository, interval};
use crate::storage::sql::console_sessions::key_digest;

const BEGIN: &str = "
    INSERT INTO console_sessions (digest, key_digest, signed_by, began_at, expires_at)
    VALUES ($1, $2, $3, now(), now() + $4)
    RETURNING key_digest";

const FIND: &str = "
    SELECT key_digest FROM console_sessions WHERE digest = $1 AND ended_at IS NULL AND expires_at > now()";

const END: &str = "
    UPDATE console_sessions SET ended_at = now() WHERE digest = $1 AND ended_at IS NULL RETURNING key_digest";

#[async_trait]
impl ConsoleSessionRepository for PostgresRepository {
    async fn begin_session(&self, new: &NewSession) -> Result<(), RepositoryError> {
        let statement = sqlx::query_as::<_, (Vec<u8>,)>(BEGIN)
            .bind(new.digest.as_bytes().as_slice())
            .bind(new.key.as_bytes().as_slice())
            .bind(new.by.as_str())
            .bind(interval(new.lasts));
        self.link.write(statement).await.map(drop)
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<TokenDigest>, RepositoryError> {
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, (Vec<u8>,)>(FIND).bind(digest.as_bytes().as_slice()))
            .await?;
        rows.into_iter().next().map(key_digest).transpose()
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<(), RepositoryError> {
        let statement = sqlx::query_as::<_, (Vec<u8>,)>(END).bind(digest.as_bytes().as_slice());
        self.link.write(statement).await.map(drop)
    }
}
