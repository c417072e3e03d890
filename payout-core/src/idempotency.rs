//! The idempotency record: a repeated request gets the first one's answer.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::keys::ApiKeyId;
use crate::payout::{BrokenRow, Draft, Payout, PayoutId, PayoutParts};

/// A client's name for one request: 1–255 visible ASCII characters. They may be an account number, so none is printed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

/// The text is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("An idempotency key is 1 to 255 visible ASCII characters.")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Takes the key without its quotes.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is empty, too long, or has characters other than visible ASCII.
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > 255 || !visible {
            return Err(InvalidKey);
        }
        Ok(Self(key.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An idempotency key together with whose it is: two API keys that use the same one never meet, and neither meets
/// whoever shows none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopedKey(String);

impl ScopedKey {
    /// The longest text, in bytes: a UUID, a space, and the longest key.
    pub const LONGEST: usize = 36 + 1 + 255;

    /// The key of this API key, or of whoever shows none.
    pub fn new(owner: Option<ApiKeyId>, key: &IdempotencyKey) -> Self {
        match owner {
            None => Self(key.0.clone()),
            // No key has a space, so that no key alone reads like another's.
            Some(owner) => Self(format!("{owner} {}", key.0)),
        }
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request asked for, as a SHA-256 digest: two requests are the same when their fingerprints are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a request to create a payout. Requests that mean the same (`10` and `"10.00"`) are the same.
    pub fn of_create(draft: &Draft) -> Self {
        Self::of(&[
            "create",
            &draft.money.amount().to_string(),
            draft.money.currency().code(),
            draft.recipient_account.as_str(),
            draft.recipient_name.as_str(),
            draft.description.as_str(),
        ])
    }

    /// Of a request to retry a payout.
    pub fn of_retry(id: PayoutId, reason: Option<&str>) -> Self {
        Self::of(&["retry", &id.to_string(), reason.unwrap_or_default()])
    }

    fn of(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            // Lengths first, so that no two lists of parts read the same.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({} characters)", self.0.len())
    }
}

impl fmt::Debug for ScopedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopedKey({} characters)", self.0.len())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The record to write in the payout's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The client's key, and whose it is.
    pub key: ScopedKey,
    /// What it asked for.
    pub fingerprint: Fingerprint,
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// What the first request asked for.
    pub fingerprint: Fingerprint,
    /// The payout as the first request was answered.
    pub payout: Payout,
}

/// A payout as a request was answered, in the form that is stored.
///
/// The repository's clock gives the time of the write only while writing, so the times that equal it are put in
/// when the answer is read, from the record's own time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(PayoutParts);

impl Snapshot {
    /// Of a payout about to be written.
    pub fn of(payout: &Payout) -> Self {
        Self(payout.parts().clone())
    }

    /// The answer, given when its record was written.
    ///
    /// # Errors
    /// [`BrokenRow`] when the stored text is no payout.
    pub fn restore(self, written_at: Timestamp) -> Result<Payout, BrokenRow> {
        let mut parts = self.0;
        if parts.version == 1 {
            parts.created_at = written_at;
        }
        parts.updated_at = written_at;
        parts.due_at = parts.awaits_somebody().then_some(written_at);
        Payout::restore(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        assert!(IdempotencyKey::new(&"k".repeat(255)).is_ok());
        for key in ["", " ", "a b", "ключ", "a\n", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::new(key), Err(InvalidKey), "{key:?}");
        }
    }

    #[test]
    fn a_key_is_its_owners_own() {
        let id = |number| ApiKeyId::from(uuid::Uuid::from_u128(number));
        let key = IdempotencyKey::new(&"k".repeat(255)).unwrap();
        let scoped = [None, Some(id(1)), Some(id(2))].map(|owner| ScopedKey::new(owner, &key));
        assert_ne!(scoped[0], scoped[1]);
        assert_ne!(scoped[1], scoped[2]);
        assert_eq!(scoped[0].as_str(), key.as_str());
        assert_eq!(scoped[2].as_str().len(), ScopedKey::LONGEST);
        let forged = scoped[1].as_str();
        assert_eq!(
            IdempotencyKey::new(forged),
            Err(InvalidKey),
            "{forged} is nobody's key"
        );
    }

    #[test]
    fn parts_cannot_be_shifted_between_fields() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
    }
}
