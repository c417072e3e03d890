//! A key, as it is made, as people see it, and as requests are held against it.

use crate::Timestamp;
use crate::access::{ApiKeyId, KeyDigest, KeyName, Scopes, TokenDigest};

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
    /// Until when the token before that still opens, or opened, what the key does.
    pub previous_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key whose scope of idempotency it is in: itself, or the first of those that it succeeds.
    pub idempotency_scope: ApiKeyId,
}

impl ApiKey {
    /// The key as it is at this time: of the token before, only until when it still opens something.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let until = self.previous_until;
        let until = until.map(|until| self.expires_at.map_or(until, |expiry| expiry.min(until)));
        self.previous_until = until.filter(|until| *until > now && self.revoked_at.is_none());
        self
    }
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
