//! The idempotency record: a repeated request gets the first one's answer.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::access::ApiKeyId;
use crate::money::Money;
use crate::payout::{BrokenRow, Draft, Payout, PayoutId, PayoutParts};
use crate::text::{nfc, nfd};

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

/// An idempotency key together with whose it is. Two API keys that use the same one never meet, unless one
/// [succeeds](crate::access::NewApiKey::succeeds) the other; what was recorded of callers without an API key, before there
/// was the first, answers all of them ([`unscoped`](Self::unscoped)).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopedKey(String);

impl ScopedKey {
    /// The longest text, in bytes: a UUID, a space, and the longest key.
    pub const LONGEST: usize = 36 + 1 + 255;

    /// The key within the scope of this API key, or of whoever shows none.
    pub fn new(owner: Option<ApiKeyId>, key: &IdempotencyKey) -> Self {
        match owner {
            None => Self(key.0.clone()),
            // No key has a space, so that no key alone reads like another's.
            Some(owner) => Self(format!("{owner} {}", key.0)),
        }
    }

    /// The client's own key, without whose it is.
    pub fn client_key(&self) -> &str {
        self.0.split_once(' ').map_or(&self.0, |(_, key)| key)
    }

    /// The same key of whoever shows no API key, if this one is of an API key. A record of it was made before the first
    /// API key was, and answers everybody who uses the key after that.
    pub fn unscoped(&self) -> Option<&str> {
        self.0.split_once(' ').map(|(_, key)| key)
    }

    /// The same, as a key.
    pub fn without_owner(&self) -> Option<Self> {
        self.unscoped().map(|key| Self(key.to_owned()))
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
        Self::of_new(
            draft.money,
            draft.recipient_account.as_str(),
            draft.recipient_name.as_str(),
            draft.description.as_str(),
        )
    }

    fn of_new(money: Money, account: &str, name: &str, description: &str) -> Self {
        let amount = money.amount().to_string();
        let parts = [
            "create",
            &amount,
            money.currency().code(),
            account,
            name,
            description,
        ];
        Self::of(&parts)
    }

    /// Of a request to retry a payout.
    pub fn of_retry(id: PayoutId, reason: Option<&str>) -> Self {
        Self::of(&["retry", &id.to_string(), reason.unwrap_or_default()])
    }

    /// Of the request to retry a payout as it was recorded before texts were normalized, where the reason came in Form D.
    pub fn of_decomposed_retry(id: PayoutId, reason: Option<&str>) -> Self {
        Self::of_retry(id, reason.map(nfd).as_deref())
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

impl StoredAnswer {
    /// Whether this is the answer to the create with that fingerprint. Records of before texts were normalized have the
    /// fingerprint of what was sent then; it says the same when it is equal once it is normalized.
    pub fn is_of_create(&self, fingerprint: Fingerprint) -> bool {
        if self.fingerprint == fingerprint {
            return true;
        }
        let parts = self.payout.parts();
        let (account, name, description) = (
            parts.recipient_account.as_str(),
            parts.recipient_name.as_str(),
            parts.description.as_str(),
        );
        let of = |account: &str, name: &str, description: &str| {
            Fingerprint::of_new(parts.money, account, name, description)
        };
        self.fingerprint == of(account, name, description)
            && fingerprint == of(&nfc(account), &nfc(name), &nfc(description))
    }
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
        assert_eq!(scoped[0].unscoped(), None);
        assert_eq!(scoped[1].unscoped(), Some(key.as_str()));
        assert!(scoped.iter().all(|one| one.client_key() == key.as_str()));
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

    /// As programs from before `provider_key` have stored it, and read it.
    const OF_BEFORE: &str = r#"{"id":"01a20cf8-b758-773a-beeb-06fc8801f3e5","money":["10.50","USD"],"recipient_account":"DE89370400440532013000","recipient_name":"Ada Lovelace","description":"","status":"pending","needs_review":false,"failure":null,"provider_reference":null,"generation":0,"claims":0,"fence":0,"version":1,"first_submitted_at":null,"claimed_at":null,"quiet_at":null,"due_at":"1970-01-01T00:00:00Z","created_at":"1970-01-01T00:00:00Z","updated_at":"1970-01-01T00:00:00Z"}"#;

    #[test]
    fn an_answer_that_an_earlier_program_stored_is_read() {
        let written_at = Timestamp::from_timestamp_micros(1_000_000).unwrap();
        let snapshot: Snapshot = serde_json::from_str(OF_BEFORE).unwrap();
        assert_eq!(serde_json::to_string(&snapshot).unwrap(), OF_BEFORE);
        let payout = snapshot.restore(written_at).unwrap();
        assert_eq!(payout.id().to_string(), "01a20cf8-b758-773a-beeb-06fc8801f3e5");
        assert_eq!(payout.money().amount().to_string(), "10.50");
        let parts = payout.parts();
        assert_eq!((parts.provider_key, parts.created_at), (None, written_at));
    }

    #[test]
    fn an_answer_keeps_what_the_providers_keys_begin_with() {
        let mut parts: PayoutParts = serde_json::from_str(OF_BEFORE).unwrap();
        parts.provider_key = Some(crate::payout::ProviderKey::from(uuid::Uuid::from_u128(7)));
        let snapshot = Snapshot::of(&Payout::restore(parts.clone()).unwrap());
        let text = serde_json::to_string(&snapshot).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        let restored = read.restore(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(restored.parts().provider_key, parts.provider_key);
    }

    #[test]
    fn a_record_of_before_texts_were_normalized_is_answered() {
        use crate::payout::{Description, RecipientAccount, RecipientName};

        let draft = |account: &str, name: &str, description: &str| Draft {
            money: Money::new("1".parse().unwrap(), "USD".parse().unwrap()).unwrap(),
            recipient_account: RecipientAccount::restore(account).unwrap(),
            recipient_name: RecipientName::restore(name).unwrap(),
            description: Description::restore(description).unwrap(),
        };
        let stored = |draft: Draft, fingerprint| {
            let mut parts: PayoutParts = serde_json::from_str(OF_BEFORE).unwrap();
            parts.money = draft.money;
            parts.recipient_account = draft.recipient_account;
            parts.recipient_name = draft.recipient_name;
            parts.description = draft.description;
            let payout = Payout::restore(parts).unwrap();
            StoredAnswer { fingerprint, payout }
        };
        let before = draft("A", "Jose\u{301}", "Cafe\u{301}");
        let record = stored(before.clone(), Fingerprint::of_create(&before));
        let now = Fingerprint::of_create(&draft("A", "Jos\u{e9}", "Caf\u{e9}"));
        assert!(record.is_of_create(now));
        assert!(!record.is_of_create(Fingerprint::of_create(&draft("A", "Jose", "Caf\u{e9}"))));
        // A record of a retry has the payout too.
        let id = record.payout.id();
        let retry = stored(before, Fingerprint::of_retry(id, None));
        assert!(!retry.is_of_create(now));
        assert_eq!(
            Fingerprint::of_decomposed_retry(id, Some("Caf\u{e9}")),
            Fingerprint::of_retry(id, Some("Cafe\u{301}"))
        );
    }
}
