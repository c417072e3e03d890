//! The rows of `api_keys` as both dialects select them, and their conversion into the domain.

use payout_core::access::{
    ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, KeyOwner, NewApiKey, Scopes, SecretId, TokenDigest,
};
use payout_core::ports::{ApiKeyError, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::error::{SqlError, refused};
use super::stored::StoredTime;

/// The columns of a [`KeyRow`], for the constant statements of both dialects.
macro_rules! key_columns {
    () => {
        "id, name, scopes, created_at, expires_at, rotated_at, previous_until, revoked_at, last_used_at, \
         idempotency_scope, owner"
    };
}
pub(crate) use key_columns;

/// The columns of a [`HeldRow`].
macro_rules! held_columns {
    () => {
        "id, name, scopes, expires_at, digest, secret_id, previous_digest, previous_until, idempotency_scope, owner"
    };
}
pub(crate) use held_columns;

/// A key as operators see it.
#[derive(Debug, FromRow)]
pub(crate) struct KeyRow {
    id: Uuid,
    name: String,
    scopes: String,
    created_at: StoredTime,
    expires_at: Option<StoredTime>,
    rotated_at: Option<StoredTime>,
    previous_until: Option<StoredTime>,
    revoked_at: Option<StoredTime>,
    last_used_at: Option<StoredTime>,
    idempotency_scope: Option<Uuid>,
    owner: Option<String>,
}

/// A key as requests are checked against it.
#[derive(Debug, FromRow)]
pub(crate) struct HeldRow {
    id: Uuid,
    name: String,
    scopes: String,
    expires_at: Option<StoredTime>,
    digest: Vec<u8>,
    secret_id: Vec<u8>,
    previous_digest: Option<Vec<u8>>,
    previous_until: Option<StoredTime>,
    idempotency_scope: Option<Uuid>,
    owner: Option<String>,
}

/// The version of the key set, which every process reads every second.
#[derive(Debug, FromRow)]
pub(crate) struct KeySetVersionRow {
    pub(crate) revision: i64,
    pub(crate) any_key: bool,
}

/// Wraps an error that is classified already.
pub(crate) fn of_repository(error: RepositoryError) -> ApiKeyError {
    match error {
        RepositoryError::Unavailable(source)
        | RepositoryError::Locked { source, .. }
        | RepositoryError::Overloaded(source) => ApiKeyError::Unavailable(source),
        RepositoryError::Refused(source) => ApiKeyError::Refused(source),
        other @ (RepositoryError::VersionConflict
        | RepositoryError::KeyTaken
        | RepositoryError::ExternalIdTaken(_)
        | RepositoryError::OverLimit(_)
        | _) => ApiKeyError::Refused(Box::new(other)),
    }
}

fn broken(column: &'static str, problem: impl std::fmt::Display) -> ApiKeyError {
    of_repository(refused(SqlError::Broken {
        column,
        problem: problem.to_string(),
    }))
}

/// Reads the bytes of a column with a fixed length.
pub(crate) fn bytes<const N: usize>(column: &'static str, bytes: &[u8]) -> Result<[u8; N], ApiKeyError> {
    bytes
        .try_into()
        .map_err(|_| broken(column, format_args!("{} bytes where {N} belong", bytes.len())))
}

fn name(name: &str) -> Result<KeyName, ApiKeyError> {
    KeyName::stored(name).map_err(|error| broken("name", error))
}

fn scopes(scopes: &str) -> Result<Scopes, ApiKeyError> {
    scopes.parse().map_err(|error| broken("scopes", error))
}

fn owner(owner: Option<&str>) -> Result<Option<KeyOwner>, ApiKeyError> {
    owner
        .map(|owner| KeyOwner::stored(owner).map_err(|error| broken("owner", error)))
        .transpose()
}

/// Returns the reason why a key that succeeds another was not inserted, as far as that other key gives one.
pub(crate) fn refused_successor(new: &NewApiKey, before: Option<&ApiKey>) -> Option<ApiKeyError> {
    new.succeeds.as_ref()?;
    match before {
        None => Some(ApiKeyError::NoPredecessor),
        Some(before) if new.owner.is_some() && new.owner != before.owner => Some(ApiKeyError::OtherOwner),
        Some(_) => None,
    }
}

fn time(time: Option<StoredTime>) -> Option<payout_core::Timestamp> {
    time.map(|time| time.0)
}

/// Returns the idempotency scope of a key: its own id, unless the row names another.
fn scope_of(id: Uuid, scope: Option<Uuid>) -> ApiKeyId {
    ApiKeyId::from(scope.unwrap_or(id))
}

impl KeyRow {
    /// Restores the key, if the row is valid.
    pub(crate) fn restore(self) -> Result<ApiKey, ApiKeyError> {
        Ok(ApiKey {
            id: ApiKeyId::from(self.id),
            name: name(&self.name)?,
            scopes: scopes(&self.scopes)?,
            created_at: self.created_at.0,
            expires_at: time(self.expires_at),
            rotated_at: time(self.rotated_at),
            previous_until: time(self.previous_until),
            revoked_at: time(self.revoked_at),
            last_used_at: time(self.last_used_at),
            idempotency_scope: scope_of(self.id, self.idempotency_scope),
            owner: owner(self.owner.as_deref())?,
        })
    }
}

impl HeldRow {
    fn restore(self) -> Result<HeldKey, ApiKeyError> {
        let previous = match (self.previous_digest, self.previous_until) {
            (Some(digest), Some(until)) => {
                let digest = bytes("previous_digest", &digest)?;
                Some((TokenDigest::from(digest), until.0))
            }
            (_, _) => None,
        };
        Ok(HeldKey {
            id: ApiKeyId::from(self.id),
            name: name(&self.name)?,
            scopes: scopes(&self.scopes)?,
            expires_at: time(self.expires_at),
            digest: KeyDigest {
                token: TokenDigest::from(bytes("digest", &self.digest)?),
                secret: SecretId::from(bytes("secret_id", &self.secret_id)?),
            },
            previous,
            idempotency_scope: scope_of(self.id, self.idempotency_scope),
            owner: owner(self.owner.as_deref())?,
        })
    }
}

/// Restores the keys of these rows. A broken row must not disable the other keys: it is logged, and grants no access.
pub(crate) fn usable(rows: Vec<HeldRow>) -> Vec<HeldKey> {
    let restore = |row: HeldRow| {
        let id = row.id;
        row.restore()
            .inspect_err(|error| {
                let reason = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(api_key = %id, reason, "an API key cannot be read; it is not accepted");
            })
            .ok()
    };
    rows.into_iter().filter_map(restore).collect()
}
