//! API keys.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::access::{ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, KeyOwner, NewApiKey};
use payout_core::ports::{
    ApiKeyError, ApiKeyRepository, KeySetVersion, LISTED_KEYS_MAX, LIVE_KEYS_MAX, RepositoryError,
};
use sqlx::FromRow;
use uuid::Uuid;

use super::link::{Link, Statement, only};
use super::transaction::Transaction;
use super::{PostgresRepository, interval};
use crate::storage::sql::keys::{
    HeldRow, KeyRow, KeySetVersionRow, bytes, held_columns, key_columns, of_repository, refused_successor,
    usable,
};
use crate::storage::sql::stored::StoredTime;

const KEY_SET_VERSION: &str = "
    SELECT revision, EXISTS (SELECT FROM api_keys) AS any_key, now() AS now FROM api_key_ring";

const HELD: &str = concat!(
    "SELECT ",
    held_columns!(),
    " FROM api_keys WHERE revoked_at IS NULL AND COALESCE(expires_at, 'infinity') > now()"
);

const LIST: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys ORDER BY revoked_at DESC NULLS FIRST, name LIMIT $1"
);

const FIND: &str = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE name = $1");

/// Inserts an API key. No row comes back when the name is taken, when there are too many keys, or when the key to be
/// succeeded does not exist.
const INSERT: &str = concat!(
    "INSERT INTO api_keys (id, name, scopes, expires_at, digest, secret_id, created_at, idempotency_scope, owner) \
     SELECT $1, $2, $3, $4, $5, $6, now(), \
         (SELECT COALESCE(before.idempotency_scope, before.id) FROM api_keys AS before WHERE before.name = $8), \
         CASE WHEN $8::text IS NULL THEN $9 ELSE (SELECT owner FROM api_keys WHERE name = $8) END \
     WHERE (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL) < $7 \
         AND ($8::text IS NULL OR EXISTS (SELECT FROM api_keys WHERE name = $8 AND ($9::text IS NULL OR owner = $9))) \
     ON CONFLICT (name) DO NOTHING \
     RETURNING ",
    key_columns!()
);

const ROTATE: &str = concat!(
    "UPDATE api_keys \
     SET previous_digest = digest, previous_until = now() + $4, digest = $2, secret_id = $3, rotated_at = now() \
     WHERE name = $1 AND revoked_at IS NULL AND COALESCE(expires_at, 'infinity') > now() \
     RETURNING ",
    key_columns!()
);

const REVOKE: &str = concat!(
    "UPDATE api_keys SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL RETURNING ",
    key_columns!()
);

/// Records the last use. A key that another session holds is skipped: its next use is recorded, and no other key waits
/// for it.
const NOTE_USE: &str = "
    WITH used AS (
        SELECT id FROM api_keys WHERE id = ANY ($1) ORDER BY id FOR UPDATE SKIP LOCKED
    )
    UPDATE api_keys SET last_used_at = GREATEST(last_used_at, now())
    WHERE id IN (SELECT id FROM used)
    RETURNING id";

const SECRET: &str = "UPDATE api_key_ring SET secret = COALESCE(secret, $1) RETURNING secret";

/// Waits for inserts that record an idempotency key, and blocks new ones. So every record without an API key is
/// committed before the first API key is, and none is written afterwards.
const LOCK: &str = "LOCK TABLE idempotency_keys IN SHARE MODE";

/// Stores the first key.
async fn first(link: &Link, insert: Statement<'_, KeyRow>) -> Result<Vec<KeyRow>, RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    transaction.run(sqlx::query_as::<_, ()>(LOCK)).await?;
    let rows = transaction.run(insert).await?;
    transaction.commit().await?;
    Ok(rows)
}

#[derive(FromRow)]
struct TimedKeySetVersion {
    #[sqlx(flatten)]
    key_set_version: KeySetVersionRow,
    now: StoredTime,
}

impl PostgresRepository {
    async fn find_key(&self, name: &KeyName) -> Result<Option<ApiKey>, ApiKeyError> {
        let found = self
            .link
            .read(|| sqlx::query_as::<_, KeyRow>(FIND).bind(name.as_str()))
            .await
            .map_err(of_repository)?;
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
impl ApiKeyRepository for PostgresRepository {
    async fn key_set_version(&self) -> Result<KeySetVersion, ApiKeyError> {
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, TimedKeySetVersion>(KEY_SET_VERSION))
            .await
            .map_err(of_repository)?;
        let TimedKeySetVersion { key_set_version, now } = only(rows).map_err(of_repository)?;
        Ok(KeySetVersion {
            revision: key_set_version.revision.unsigned_abs(),
            any: key_set_version.any_key,
            now: now.0,
        })
    }

    async fn held(&self) -> Result<Vec<HeldKey>, ApiKeyError> {
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, HeldRow>(HELD))
            .await
            .map_err(of_repository)?;
        Ok(usable(rows))
    }

    async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError> {
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, KeyRow>(LIST).bind(i64::from(LISTED_KEYS_MAX)))
            .await
            .map_err(of_repository)?;
        rows.into_iter().map(KeyRow::restore).collect()
    }

    async fn insert(&self, new: &NewApiKey) -> Result<ApiKey, ApiKeyError> {
        let statement = sqlx::query_as::<_, KeyRow>(INSERT)
            .bind(new.id.as_uuid())
            .bind(new.name.as_str())
            .bind(new.scopes.to_string())
            .bind(new.expires_at)
            .bind(new.digest.token.as_bytes().as_slice())
            .bind(new.digest.secret.as_bytes().as_slice())
            .bind(i64::from(LIVE_KEYS_MAX))
            .bind(new.succeeds.as_ref().map(KeyName::as_str))
            .bind(new.owner.as_ref().map(KeyOwner::as_str));
        let written = if self.key_set_version().await?.any {
            self.link.write(statement).await
        } else {
            first(&self.link, statement).await
        };
        match written.map_err(of_repository)?.pop() {
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
        let statement = sqlx::query_as::<_, KeyRow>(ROTATE)
            .bind(name.as_str())
            .bind(digest.token.as_bytes().as_slice())
            .bind(digest.secret.as_bytes().as_slice())
            .bind(interval(overlap));
        match self.link.write(statement).await.map_err(of_repository)?.pop() {
            Some(row) => row.restore(),
            None if self.find_key(name).await?.is_some() => Err(ApiKeyError::Dead),
            None => Err(ApiKeyError::NotFound),
        }
    }

    async fn revoke(&self, name: &KeyName) -> Result<ApiKey, ApiKeyError> {
        let statement = sqlx::query_as::<_, KeyRow>(REVOKE).bind(name.as_str());
        match self.link.write(statement).await.map_err(of_repository)?.pop() {
            Some(row) => row.restore(),
            None => self.find_key(name).await?.ok_or(ApiKeyError::NotFound),
        }
    }

    async fn note_use(&self, ids: &[ApiKeyId]) -> Result<(), ApiKeyError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let statement = sqlx::query_as::<_, (Uuid,)>(NOTE_USE).bind(ids);
        self.link.write(statement).await.map_err(of_repository)?;
        Ok(())
    }

    async fn secret(&self, proposed: &[u8; 32]) -> Result<[u8; 32], ApiKeyError> {
        let statement = sqlx::query_as::<_, (Vec<u8>,)>(SECRET).bind(proposed.as_slice());
        let (kept,) =
            only(self.link.write(statement).await.map_err(of_repository)?).map_err(of_repository)?;
        bytes("secret", &kept)
    }
}
