//! A key, as it is made, as people see it, and as requests are held against it.

use crate::Timestamp;
use crate::keys::{ApiKeyId, KeyDigest, KeyName, Scopes, TokenDigest};

/// A key to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Chosen before the write.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: KeyName,
    /// What it opens.
    pub scopes: Scopes,
    /// From when on it opens nothing; never when absent.
    pub expires_at: Option<Timestamp>,
    /// What is stored of its token.
    pub digest: KeyDigest,
    /// The key that it succeeds, also one that is revoked or has expired: it shares that one's scope of idempotency, and so
    /// the answers that were given to it, and what is left of its day's limits. Absent: it has a scope of its own.
    pub succeeds: Option<KeyName>,
}

/// A key as people see it: nothing of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identity.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: KeyName,
    /// What it opens.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing; never when absent.
    pub expires_at: Option<Timestamp>,
    /// When it last got another token.
    pub rotated_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key whose scope of idempotency it is in: itself, or the first of those that it succeeds.
    pub idempotency_scope: ApiKeyId,
}

/// A key that opens something, as requests are held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// Its identity.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: KeyName,
    /// What it opens.
    pub scopes: Scopes,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
    /// What is stored of its token.
    pub digest: KeyDigest,
    /// The token before this one, and until when it still opens.
    pub previous: Option<(TokenDigest, Timestamp)>,
    /// The key whose scope of idempotency it is in: itself, or the first of those that it succeeds.
    pub idempotency_scope: ApiKeyId,
}
