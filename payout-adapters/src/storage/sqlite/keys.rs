//! API keys.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::access::{ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, NewApiKey};
use payout_core::ports::{
    ApiKeyError, ApiKeyRepository, KeySetVersion, LISTED_KEYS_MAX, LIVE_KEYS_MAX, RepositoryError,
};

use super::SqliteRepository;
use super::claim::hexes;
use super::store::{Statement, Store, Write, run_detached};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::keys::{
    HeldRow, KeyRow, KeySetVersionRow, bytes, held_columns, key_columns, of_repository, refused_successor,
    usable,
};
use crate::storage::sql::stored::as_micros;

const KEY_SET_VERSION: &str = "SELECT revision, EXISTS (SELECT 1 FROM api_keys) AS any_key FROM api_key_ring";

const HELD: &str = concat!(
    "SELECT ",
    held_columns!(),
    " FROM api_keys WHERE revoked_at IS NULL AND coalesce(expires_at > ?1, 1)"
);

const LIST: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys ORDER BY revoked_at DESC NULLS FIRST, name LIMIT ?1"
);

const FIND: &str = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE name = ?1");

/// Inserts an API key. No row comes back when the name is taken, when there are too many keys, or when the key to be
/// succeeded does not exist.
const INSERT: &str = concat!(
    "INSERT INTO api_keys (created_at, id, name, scopes, expires_at, digest, secret_id, idempotency_scope, owner) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, \
         (SELECT coalesce(before.idempotency_scope, before.id) FROM api_keys AS before WHERE before.name = ?9), \
         CASE WHEN ?9 IS NULL THEN ?10 ELSE (SELECT owner FROM api_keys WHERE name = ?9) END \
     WHERE (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL) < ?8 \
         AND (?9 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE name = ?9 AND (?10 IS NULL OR owner = ?10))) \
     ON CONFLICT (name) DO NOTHING \
     RETURNING ",
    key_columns!()
);

const ROTATE: &str = concat!(
    "UPDATE api_keys \
     SET previous_digest = digest, previous_until = ?1 + ?5, digest = ?3, secret_id = ?4, rotated_at = ?1 \
     WHERE name = ?2 AND revoked_at IS NULL AND coalesce(expires_at > ?1, 1) \
     RETURNING ",
    key_columns!()
);

const REVOKE: &str = concat!(
    "UPDATE api_keys SET revoked_at = ?1 WHERE name = ?2 AND revoked_at IS NULL RETURNING ",
    key_columns!()
);

const NOTE_USE: &str = "
    UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?1)
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?2))
    RETURNING id";

const SECRET: &str =
    "UPDATE api_key_ring SET secret = coalesce(secret, ?2) WHERE ?1 IS NOT NULL RETURNING secret";

/// Runs one statement as a transaction of its own; its first parameter is the time.
async fn write<Row>(
    store: &Store,
    statement: impl FnOnce(i64) -> Statement<'static, Row> + Send + 'static,
) -> Result<Vec<Row>, ApiKeyError>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin + 'static,
{
    let store = store.clone();
    let written: Result<Vec<Row>, RepositoryError> = run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let rows = statement(now.timestamp_micros())
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(rows)
    })
    .await;
    written.map_err(of_repository)
}

impl SqliteRepository {
    async fn find_key(&self, name: &KeyName) -> Result<Option<ApiKey>, ApiKeyError> {
        let find = sqlx::query_as::<_, KeyRow>(FIND).bind(name.as_str());
        let found = self.store.read(find).await.map_err(of_repository)?;
        found.into_iter().next().map(KeyRow::restore).transpose()
    }

    /// Returns the reason why a key that succeeds another was not inserted, as far as that other key gives one.
    async fn refused_successor(&self, new: &NewApiKey) -> Result<Option<ApiKeyError>, ApiKeyError> {
        let before = match &new.succeeds {
            Some(name) => self.find_key(name).await?,
            None => None,
        };
        Ok(refused_successor(new, before.as_ref()))
    }
}

#[async_trait]
impl ApiKeyRepository for SqliteRepository {
    async fn key_set_version(&self) -> Result<KeySetVersion, ApiKeyError> {
        let rows = self
            .store
            .read(sqlx::query_as::<_, KeySetVersionRow>(KEY_SET_VERSION))
            .await;
        let key_set_version = rows.map_err(of_repository)?.pop();
        let key_set_version =
            key_set_version.ok_or_else(|| ApiKeyError::Refused("the row of api_key_ring is gone".into()))?;
        Ok(KeySetVersion {
            revision: key_set_version.revision.unsigned_abs(),
            any: key_set_version.any_key,
            now: self.store.now(),
        })
    }

    async fn held(&self) -> Result<Vec<HeldKey>, ApiKeyError> {
        let held = sqlx::query_as::<_, HeldRow>(HELD).bind(self.store.now().timestamp_micros());
        Ok(usable(self.store.read(held).await.map_err(of_repository)?))
    }

    async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError> {
        let list = sqlx::query_as::<_, KeyRow>(LIST).bind(i64::from(LISTED_KEYS_MAX));
        let rows = self.store.read(list).await.map_err(of_repository)?;
        rows.into_iter().map(KeyRow::restore).collect()
    }

    async fn insert(&self, new: &NewApiKey) -> Result<ApiKey, ApiKeyError> {
        let key = new.clone();
        let mut rows = write(&self.store, move |now| {
            sqlx::query_as::<_, KeyRow>(INSERT)
                .bind(now)
                .bind(key.id.as_uuid())
                .bind(key.name.as_str().to_owned())
                .bind(key.scopes.to_string())
                .bind(key.expires_at.map(|at| at.timestamp_micros()))
                .bind(key.digest.token.as_bytes().to_vec())
                .bind(key.digest.secret.as_bytes().to_vec())
                .bind(i64::from(LIVE_KEYS_MAX))
                .bind(key.succeeds.map(|name| name.as_str().to_owned()))
                .bind(key.owner.map(|owner| owner.as_str().to_owned()))
        })
        .await?;
        match rows.pop() {
            Some(row) => row.restore(),
            None => Err(match self.refused_successor(new).await? {
                Some(error @ ApiKeyError::NoPredecessor) => error,
                _ if self.find_key(&new.name).await?.is_some() => ApiKeyError::NameTaken,
                Some(error) => error,
                None => ApiKeyError::TooMany,
            }),
        }
    }

    async fn rotate(
        &self,
        name: &KeyName,
        digest: &KeyDigest,
        overlap: Duration,
    ) -> Result<ApiKey, ApiKeyError> {
        let (rotated, digest) = (name.as_str().to_owned(), *digest);
        let mut rows = write(&self.store, move |now| {
            sqlx::query_as::<_, KeyRow>(ROTATE)
                .bind(now)
                .bind(rotated)
                .bind(digest.token.as_bytes().to_vec())
                .bind(digest.secret.as_bytes().to_vec())
                .bind(as_micros(overlap))
        })
        .await?;
        match rows.pop() {
            Some(row) => row.restore(),
            None if self.find_key(name).await?.is_some() => Err(ApiKeyError::Dead),
            None => Err(ApiKeyError::NotFound),
        }
    }

    async fn revoke(&self, name: &KeyName) -> Result<ApiKey, ApiKeyError> {
        let revoked = name.as_str().to_owned();
        let mut rows = write(&self.store, move |now| {
            sqlx::query_as::<_, KeyRow>(REVOKE).bind(now).bind(revoked)
        })
        .await?;
        match rows.pop() {
            Some(row) => row.restore(),
            None => self.find_key(name).await?.ok_or(ApiKeyError::NotFound),
        }
    }

    async fn note_use(&self, ids: &[ApiKeyId]) -> Result<(), ApiKeyError> {
        let ids = hexes(ids.iter().map(|id| id.as_uuid())).map_err(of_repository)?;
        write(&self.store, move |now| {
            sqlx::query_as::<_, (Vec<u8>,)>(NOTE_USE).bind(now).bind(ids)
        })
        .await?;
        Ok(())
    }

    async fn secret(&self, proposed: &[u8; 32]) -> Result<[u8; 32], ApiKeyError> {
        let proposed = proposed.to_vec();
        let mut rows = write(&self.store, move |now| {
            sqlx::query_as::<_, (Vec<u8>,)>(SECRET).bind(now).bind(proposed)
        })
        .await?;
        let kept = rows.pop();
        let (kept,) = kept.ok_or_else(|| ApiKeyError::Refused("the row of api_key_ring is gone".into()))?;
        bytes("secret", &kept)
    }
}
