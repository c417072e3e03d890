//! API keys in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::access::{ApiKey, ApiKeyId, HeldKey, KeyDigest, KeyName, NewApiKey};
use payout_core::ports::{
    ApiKeyError, ApiKeyRepository, Clock, KeySetVersion, LISTED_KEYS_MAX, LIVE_KEYS_MAX,
};

/// API keys in this process's memory, kept until the process ends.
pub struct MemoryApiKeys {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rows: Vec<Row>,
    revision: u64,
    secret: Option<[u8; 32]>,
    /// The latest time that was returned or written; time never goes back before it.
    latest: Option<Timestamp>,
}

struct Row {
    key: ApiKey,
    held: HeldKey,
}

impl Row {
    fn is_live(&self, now: Timestamp) -> bool {
        self.key.revoked_at.is_none() && self.key.expires_at.is_none_or(|at| now < at)
    }
}

impl MemoryApiKeys {
    /// Creates an empty set of keys that reads the time from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
        }
    }

    fn transact<T>(&self, work: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let now = inner.latest.map_or(now, |latest| latest.max(now));
        inner.latest = Some(now);
        work(&mut inner, now)
    }
}

fn row<'a>(inner: &'a mut Inner, name: &KeyName) -> Result<&'a mut Row, ApiKeyError> {
    inner
        .rows
        .iter_mut()
        .find(|row| row.key.name == *name)
        .ok_or(ApiKeyError::NotFound)
}

#[async_trait]
impl ApiKeyRepository for MemoryApiKeys {
    async fn key_set_version(&self) -> Result<KeySetVersion, ApiKeyError> {
        Ok(self.transact(|inner, now| KeySetVersion {
            revision: inner.revision,
            any: !inner.rows.is_empty(),
            now,
        }))
    }

    async fn held(&self) -> Result<Vec<HeldKey>, ApiKeyError> {
        Ok(self.transact(|inner, now| {
            let live = inner.rows.iter().filter(|row| row.is_live(now));
            live.map(|row| row.held.clone()).collect()
        }))
    }

    async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError> {
        let mut keys: Vec<ApiKey> =
            self.transact(|inner, _| inner.rows.iter().map(|row| row.key.clone()).collect());
        keys.sort_by(|one, other| {
            let newest_first = other.revoked_at.cmp(&one.revoked_at);
            let revoked_last = one.revoked_at.is_some().cmp(&other.revoked_at.is_some());
            revoked_last
                .then(newest_first)
                .then_with(|| one.name.cmp(&other.name))
        });
        keys.truncate(LISTED_KEYS_MAX as usize);
        Ok(keys)
    }

    async fn insert(&self, new: &NewApiKey) -> Result<ApiKey, ApiKeyError> {
        self.transact(|inner, now| {
            let (idempotency_scope, owner) = match &new.succeeds {
                None => (new.id, new.owner.clone()),
                Some(name) => {
                    let before = row(inner, name).map_err(|_| ApiKeyError::NoPredecessor)?;
                    (before.key.idempotency_scope, before.key.owner.clone())
                }
            };
            if inner.rows.iter().any(|row| row.key.name == new.name) {
                return Err(ApiKeyError::NameTaken);
            }
            if new.owner.is_some() && new.owner != owner {
                return Err(ApiKeyError::OtherOwner);
            }
            let not_revoked = inner.rows.iter().filter(|row| row.key.revoked_at.is_none());
            if not_revoked.count() >= LIVE_KEYS_MAX as usize {
                return Err(ApiKeyError::TooMany);
            }
            let key = ApiKey {
                id: new.id,
                name: new.name.clone(),
                scopes: new.scopes,
                created_at: now,
                expires_at: new.expires_at,
                rotated_at: None,
                previous_until: None,
                revoked_at: None,
                last_used_at: None,
                idempotency_scope,
                owner: owner.clone(),
            };
            let held = HeldKey {
                id: new.id,
                name: new.name.clone(),
                scopes: new.scopes,
                expires_at: new.expires_at,
                digest: new.digest,
                previous: None,
                idempotency_scope,
                owner,
            };
            inner.rows.push(Row {
                key: key.clone(),
                held,
            });
            inner.revision += 1;
            Ok(key)
        })
    }

    async fn rotate(
        &self,
        name: &KeyName,
        digest: &KeyDigest,
        overlap: Duration,
    ) -> Result<ApiKey, ApiKeyError> {
        self.transact(|inner, now| {
            let row = row(inner, name)?;
            if !row.is_live(now) {
                return Err(ApiKeyError::Dead);
            }
            row.held.previous = Some((row.held.digest.token, now + overlap));
            row.held.digest = *digest;
            row.key.rotated_at = Some(now);
            row.key.previous_until = Some(now + overlap);
            let key = row.key.clone();
            inner.revision += 1;
            Ok(key)
        })
    }

    async fn revoke(&self, name: &KeyName) -> Result<ApiKey, ApiKeyError> {
        self.transact(|inner, now| {
            let row = row(inner, name)?;
            if row.key.revoked_at.is_none() {
                row.key.revoked_at = Some(now);
                inner.revision += 1;
            }
            Ok(self::row(inner, name)?.key.clone())
        })
    }

    async fn note_use(&self, ids: &[ApiKeyId]) -> Result<(), ApiKeyError> {
        self.transact(|inner, now| {
            for row in inner.rows.iter_mut().filter(|row| ids.contains(&row.key.id)) {
                row.key.last_used_at = Some(now);
            }
        });
        Ok(())
    }

    async fn secret(&self, proposed: &[u8; 32]) -> Result<[u8; 32], ApiKeyError> {
        Ok(self.transact(|inner, _| *inner.secret.get_or_insert(*proposed)))
    }
}
