//! Idempotency records, by which a repeated request gets the answer to the first one.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::access::ApiKeyId;
use crate::payout::{PaymentDetails, Payout, PayoutId};
use crate::text::nfd;

/// The client's idempotency key for one request: 1–255 visible ASCII characters. It may contain an account number, so
/// it is never printed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

/// The text is not a valid idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("An idempotency key is 1 to 255 visible ASCII characters.")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Takes the key without its quotes.
    ///
    /// # Errors
    /// [`InvalidKey`] when the key is empty or too long, or contains characters other than visible ASCII.
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > 255 || !visible {
            return Err(InvalidKey);
        }
        Ok(Self(key.to_owned()))
    }

    /// Returns the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An idempotency key in the scope of its owner, an API key.
///
/// The same idempotency key of two API keys is two scoped keys, unless one API key
/// [succeeds](crate::access::NewApiKey::succeeds) the other. Records of callers without an API key, from before the
/// first one was made, answer every caller ([`unscoped`](Self::unscoped)).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopedKey(String);

impl ScopedKey {
    /// The maximum length in bytes: a UUID, a space and the longest key.
    pub const LONGEST: usize = 36 + 1 + 255;

    /// Puts a key into the scope of an API key, or into the scope of callers without one.
    pub fn new(owner: Option<ApiKeyId>, key: &IdempotencyKey) -> Self {
        match owner {
            None => Self(key.0.clone()),
            // An idempotency key contains no space, so no unscoped key equals a scoped one.
            Some(owner) => Self(format!("{owner} {}", key.0)),
        }
    }

    /// Returns the client's key without its owner.
    pub fn client_key(&self) -> &str {
        self.0.split_once(' ').map_or(&self.0, |(_, key)| key)
    }

    /// Returns the client's key if it is in the scope of an API key. A record under the key without an owner was made
    /// before the first API key was, and answers every caller that uses the key later.
    pub fn unscoped(&self) -> Option<&str> {
        self.0.split_once(' ').map(|(_, key)| key)
    }

    /// Returns this key in the scope of callers without an API key, if it is in the scope of an API key.
    pub fn without_owner(&self) -> Option<Self> {
        self.unscoped().map(|key| Self(key.to_owned()))
    }

    /// Returns the key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of a request: requests are the same if their fingerprints are equal.
///
/// # Version 1
///
/// SHA-256 of a list of texts. Each is hashed as its length in bytes (64 bits, big-endian) and its UTF-8 bytes. The
/// list is the kind of the request, its fields in a fixed order, then the name and the value of each further field that
/// the request has. A further field that is absent adds nothing, so versions of the program with and without the field
/// agree on requests that omit it.
///
/// **A version never changes.** A record is compared with the fingerprints of requests for 31 days, and the
/// [`ProviderKey`](crate::payout::ProviderKey) is derived from it. Where a store was restored from a backup, another
/// encoding of the same request would be another payment. So a new field is appended as a further field. Only a change
/// that cannot be expressed in this way calls for a version 2, and its requests are then compared in both versions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of a request to create a payout. Equivalent requests (`10` and `"10.00"`) have equal
    /// fingerprints.
    pub fn of_create(details: &PaymentDetails) -> Self {
        details.fingerprint()
    }

    /// Returns the fingerprint of the same request with the permission to be a duplicate.
    #[must_use]
    pub(crate) fn allowing_duplicate(self) -> Self {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::version_1("create, allowing a duplicate", &[&hex], &[])
    }

    /// Returns the fingerprint of a request to retry a payout.
    pub fn of_retry(id: PayoutId, reason: Option<&str>) -> Self {
        let fields = [&*id.to_string(), reason.unwrap_or_default()];
        Self::version_1("retry", &fields, &[])
    }

    /// Returns the fingerprint of a retry as it was recorded before texts were normalized, if the client sent the
    /// reason in Form D.
    pub fn of_decomposed_retry(id: PayoutId, reason: Option<&str>) -> Self {
        Self::of_retry(id, reason.map(nfd).as_deref())
    }

    pub(crate) fn version_1(kind: &str, fields: &[&str], further: &[(&str, Option<&str>)]) -> Self {
        let present = further
            .iter()
            .filter_map(|(name, value)| value.map(|value| [*name, value]))
            .flatten();
        let mut hasher = Sha256::new();
        for text in std::iter::once(kind).chain(fields.iter().copied()).chain(present) {
            // The length precedes each text, so that no two lists of texts hash alike.
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// Returns the digest.
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

/// An idempotency record to write in the payout's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The client's key in the scope of its owner.
    pub key: ScopedKey,
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
}

/// A stored idempotency record, with the answer to the first request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The fingerprint of the first request.
    pub fingerprint: Fingerprint,
    /// The payout as the first request was answered.
    pub payout: Payout,
}

impl IdempotencyRecord {
    /// Returns whether this is the answer to the create with the given fingerprint. Records from before texts were
    /// normalized have the fingerprint of the texts that the client sent. Such a record also matches if its normalized
    /// texts have the given fingerprint.
    pub fn is_of_create(&self, fingerprint: Fingerprint) -> bool {
        if self.fingerprint == fingerprint {
            return true;
        }
        let stored = self.payout.details();
        self.fingerprint == Fingerprint::of_create(stored)
            && fingerprint == Fingerprint::of_create(&stored.normalized())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::money::Money;
    use crate::payout::{Caller, Description, NewPayout, Recipient, RecipientAccount, RecipientName};

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

    fn details(account: &str, name: &str, description: &str) -> PaymentDetails {
        let money = Money::new("10.50".parse().unwrap(), "USD".parse().unwrap()).unwrap();
        let recipient = Recipient::new(
            RecipientAccount::restore(account).unwrap(),
            RecipientName::restore(name).unwrap(),
        );
        PaymentDetails {
            description: Description::restore(description).unwrap(),
            ..PaymentDetails::new(money, recipient)
        }
    }

    fn hex(fingerprint: Fingerprint) -> String {
        let bytes = fingerprint.as_bytes().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// The expected values were computed by the program of November 2026, whose records are compared with today's.
    #[test]
    fn a_fingerprint_is_the_same_in_every_program() {
        let create = Fingerprint::of_create(&details("DE89370400440532013000", "Zo\u{eb}", ""));
        assert_eq!(
            hex(create),
            "522b7c33852844119c8d159570b7e205e96ce900fdc85812f2d7658e446893ed"
        );
        let id = PayoutId::from(uuid::Uuid::from_u128(7));
        assert_eq!(
            hex(Fingerprint::of_retry(id, Some("again"))),
            "d10ccbfff4a6c6f925c95b59a3f082ef48d194a46d714c400295c140640aa199"
        );
    }

    #[test]
    fn a_further_field_changes_a_fingerprint_only_where_it_is_present() {
        let of = |further: &[(&str, Option<&str>)]| Fingerprint::version_1("create", &["1", "USD"], further);
        assert_eq!(of(&[("note", None), ("reference", None)]), of(&[]));
        assert_eq!(
            of(&[("note", None), ("reference", Some("x"))]),
            of(&[("reference", Some("x"))])
        );
        assert_ne!(of(&[("note", Some("x"))]), of(&[]));
        assert_ne!(of(&[("note", Some(""))]), of(&[]), "empty is not absent");
        assert_ne!(of(&[("note", Some("x"))]), of(&[("reference", Some("x"))]));
    }

    #[test]
    fn parts_cannot_be_shifted_between_fields() {
        let of = |fields: &[&str]| Fingerprint::version_1("create", fields, &[]);
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    }

    #[test]
    fn a_record_of_before_texts_were_normalized_is_answered() {
        let stored = |details: PaymentDetails, fingerprint| {
            let new = NewPayout {
                id: PayoutId::from(uuid::Uuid::from_u128(7)),
                details,
                batch: None,
                caller: Caller::named("test"),
                request: None,
                charge: None,
                provider: None,
                approval: None,
            };
            let payout = new.stored_at(Timestamp::UNIX_EPOCH);
            IdempotencyRecord { fingerprint, payout }
        };
        let before = details("A", "Jose\u{301}", "Cafe\u{301}");
        let record = stored(before.clone(), Fingerprint::of_create(&before));
        let now = Fingerprint::of_create(&details("A", "Jos\u{e9}", "Caf\u{e9}"));
        assert!(record.is_of_create(now));
        assert!(!record.is_of_create(Fingerprint::of_create(&details("A", "Jose", "Caf\u{e9}"))));
        // The record of a retry contains the payout too.
        let id = record.payout.id();
        let retry = stored(before, Fingerprint::of_retry(id, None));
        assert!(!retry.is_of_create(now));
        assert_eq!(
            Fingerprint::of_decomposed_retry(id, Some("Caf\u{e9}")),
            Fingerprint::of_retry(id, Some("Cafe\u{301}"))
        );
    }
}
