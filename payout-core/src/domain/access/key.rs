//! API keys in three forms: a new key, a key as it is listed, and an active key that requests are checked against.

use crate::Timestamp;
use crate::access::{ApiKeyId, KeyDigest, KeyName, KeyOwner, Scopes, TokenDigest};

/// A new API key, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The id, chosen before the write.
    pub id: ApiKeyId,
    /// The name.
    pub name: KeyName,
    /// The scopes that the key grants.
    pub scopes: Scopes,
    /// The time of expiry; absent for a key that never expires.
    pub expires_at: Option<Timestamp>,
    /// The stored form of the key's token.
    pub digest: KeyDigest,
    /// The name of the key that this one succeeds, which may be revoked or expired. The new key shares its scope of
    /// idempotency, and with it the recorded answers and the rest of its daily limits. Absent: the new key has a scope
    /// of its own.
    pub succeeds: Option<KeyName>,
    /// The owner: the person who holds the key. Absent: that of the key that it succeeds, if that has one.
    pub owner: Option<KeyOwner>,
}

/// An API key as it is listed, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// The name.
    pub name: KeyName,
    /// The scopes that the key grants.
    pub scopes: Scopes,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of expiry; absent for a key that never expires.
    pub expires_at: Option<Timestamp>,
    /// The time of the latest rotation, which replaced the token.
    pub rotated_at: Option<Timestamp>,
    /// The time until which the previous token is accepted, or was.
    pub previous_until: Option<Timestamp>,
    /// The time of revocation.
    pub revoked_at: Option<Timestamp>,
    /// The time of the latest use, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that owns the scope of idempotency: this key, or the first of those that it succeeds.
    pub idempotency_scope: ApiKeyId,
    /// The owner: the person who holds the key.
    pub owner: Option<KeyOwner>,
}

impl ApiKey {
    /// Returns the key as it stands at `now`: without [`previous_until`](Self::previous_until) once the previous token
    /// is no longer accepted.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let until = self.previous_until;
        let until = until.map(|until| self.expires_at.map_or(until, |expiry| expiry.min(until)));
        self.previous_until = until.filter(|until| *until > now && self.revoked_at.is_none());
        self
    }
}

/// An active API key, as requests are checked against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// The id.
    pub id: ApiKeyId,
    /// The name.
    pub name: KeyName,
    /// The scopes that the key grants.
    pub scopes: Scopes,
    /// The time of expiry; absent for a key that never expires.
    pub expires_at: Option<Timestamp>,
    /// The stored form of the key's token.
    pub digest: KeyDigest,
    /// The digest of the previous token, and the time until which that token is accepted.
    pub previous: Option<(TokenDigest, Timestamp)>,
    /// The key that owns the scope of idempotency: this key, or the first of those that it succeeds.
    pub idempotency_scope: ApiKeyId,
    /// The owner: the person who holds the key.
    pub owner: Option<KeyOwner>,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::access::Scope;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn rotated(until: i64) -> ApiKey {
        ApiKey {
            id: ApiKeyId::from(uuid::Uuid::nil()),
            name: KeyName::new("shop").unwrap(),
            scopes: Scopes::from_iter([Scope::Read]),
            created_at: after(0),
            expires_at: None,
            rotated_at: Some(after(1)),
            previous_until: Some(after(until)),
            revoked_at: None,
            last_used_at: None,
            idempotency_scope: ApiKeyId::from(uuid::Uuid::nil()),
            owner: None,
        }
    }

    #[test]
    fn a_token_before_is_told_of_as_long_as_it_opens_something() {
        assert_eq!(rotated(10).at(after(9)).previous_until, Some(after(10)));
        assert_eq!(rotated(10).at(after(10)).previous_until, None, "it is over");
        assert_eq!(rotated(1).at(after(1)).previous_until, None, "no overlap");
        let revoked = ApiKey {
            revoked_at: Some(after(5)),
            ..rotated(10)
        };
        assert_eq!(revoked.at(after(6)).previous_until, None);
        let expiring = ApiKey {
            expires_at: Some(after(7)),
            ..rotated(10)
        };
        assert_eq!(expiring.clone().at(after(6)).previous_until, Some(after(7)));
        assert_eq!(expiring.at(after(7)).previous_until, None);
    }
}
