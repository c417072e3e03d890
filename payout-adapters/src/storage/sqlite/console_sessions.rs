//! Sessions of the console.

use async_trait::async_trait;
use payout_core::access::{NewSession, SessionDigest, TokenDigest};
use payout_core::ports::{ConsoleSessionRepository, RepositoryError};

use super::SqliteRepository;
use super::store::{Statement, Store, Write, run_detached};
use crate::storage::sql::console_sessions::key_digest;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::stored::as_micros;

const BEGIN: &str = "
    INSERT INTO console_sessions (digest, key_digest, signed_by, began_at, expires_at)
    VALUES (?2, ?3, ?4, ?1, ?1 + ?5)
    RETURNING key_digest";

const FIND: &str = "
    SELECT key_digest FROM console_sessions WHERE digest = ?1 AND ended_at IS NULL AND expires_at > ?2";

const END: &str = "
    UPDATE console_sessions SET ended_at = ?1 WHERE digest = ?2 AND ended_at IS NULL RETURNING key_digest";

/// Runs one statement as a transaction of its own; its first parameter is the time.
async fn write(
    store: &Store,
    statement: impl FnOnce(i64) -> Statement<'static, (Vec<u8>,)> + Send + 'static,
) -> Result<(), RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        statement(now.timestamp_micros())
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)
    })
    .await
}

#[async_trait]
impl ConsoleSessionRepository for SqliteRepository {
    async fn begin_session(&self, new: &NewSession) -> Result<(), RepositoryError> {
        let new = new.clone();
        write(&self.store, move |now| {
            sqlx::query_as::<_, (Vec<u8>,)>(BEGIN)
                .bind(now)
                .bind(new.digest.as_bytes().to_vec())
                .bind(new.key.as_bytes().to_vec())
                .bind(new.by.as_str().to_owned())
                .bind(as_micros(new.lasts))
        })
        .await
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<TokenDigest>, RepositoryError> {
        let find = sqlx::query_as::<_, (Vec<u8>,)>(FIND)
            .bind(digest.as_bytes().to_vec())
            .bind(self.store.now().timestamp_micros());
        let rows = self.store.read(find).await?;
        rows.into_iter().next().map(key_digest).transpose()
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<(), RepositoryError> {
        let digest = digest.as_bytes().to_vec();
        write(&self.store, move |now| {
            sqlx::query_as::<_, (Vec<u8>,)>(END).bind(now).bind(digest)
        })
        .await
    }
}
