//! The content of a batch as a digest, and the provider keys that are derived from it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::idempotency::Fingerprint;
use crate::payout::{Description, ExternalId, PaymentDetails, ProviderKey};

/// The names of the derivations, so that no two of them ever yield the same digest.
const CONTENT: &[u8] = b"payout: batch content, version 1";
const BY_EXTERNAL_ID: &[u8] = b"payout: provider key of an external id, version 1";
const BY_PLACE: &[u8] = b"payout: provider key of a place in a batch, version 1";

/// The digest of what a batch asks for: its own fields and its rows in their order. Two files with equal payments have
/// equal digests, whatever their delimiter, their quotes and the order of their columns.
///
/// **A version never changes**: a file that is sent again after years is recognized by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

/// The digest of a batch while its rows are read.
#[derive(Debug, Clone)]
pub struct ContentHasher(Sha256);

impl ContentHasher {
    /// Begins with the fields of the batch itself.
    pub fn new(
        external_id: Option<&ExternalId>,
        description: &Description,
        scheduled_at: Option<Timestamp>,
    ) -> Self {
        let scheduled_at = scheduled_at.map(|at| at.timestamp_micros().to_string());
        let mut hasher = Sha256::new();
        add(&mut hasher, CONTENT);
        for text in [
            external_id.map(ExternalId::as_str),
            Some(description.as_str()),
            scheduled_at.as_deref(),
        ] {
            add(&mut hasher, if text.is_some() { b"some" } else { b"none" });
            add(&mut hasher, text.unwrap_or_default().as_bytes());
        }
        Self(hasher)
    }

    /// Adds a row.
    pub fn add(&mut self, row: Fingerprint) {
        self.0.update(row.as_bytes());
    }

    /// Returns the digest.
    pub fn finish(self) -> ContentHash {
        ContentHash(self.0.finalize().into())
    }
}

/// Hashes a part after its length, so that no two lists of parts hash alike.
fn add(hasher: &mut Sha256, part: &[u8]) {
    hasher.update((part.len() as u64).to_be_bytes());
    hasher.update(part);
}

impl ContentHash {
    /// Returns the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The identity of a batch, from which the provider keys of its payouts are derived: its external id, or else its
/// content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchIdentity {
    /// The client's own reference.
    ExternalId(ExternalId),
    /// The content.
    Content(ContentHash),
}

impl BatchIdentity {
    /// Returns the base of the provider's idempotency keys for a payout of the batch.
    ///
    /// A batch that is sent again, to a store that was restored to a time before it, has the same bases, so the provider
    /// recognizes the payments that it has made. A payout with an external id has its base from that id, which no other
    /// payout has; any other one from its place in the batch.
    pub fn provider_key(&self, place: u64, details: &PaymentDetails) -> ProviderKey {
        let fingerprint = Fingerprint::of_create(details);
        let mut hasher = Sha256::new();
        if let Some(external_id) = &details.external_id {
            add(&mut hasher, BY_EXTERNAL_ID);
            add(&mut hasher, external_id.as_str().as_bytes());
        } else {
            add(&mut hasher, BY_PLACE);
            match self {
                Self::ExternalId(external_id) => {
                    add(&mut hasher, b"external id");
                    add(&mut hasher, external_id.as_str().as_bytes());
                }
                Self::Content(content) => {
                    add(&mut hasher, b"content");
                    add(&mut hasher, content.as_bytes());
                }
            }
            add(&mut hasher, &place.to_be_bytes());
        }
        add(&mut hasher, fingerprint.as_bytes());
        ProviderKey::of_digest(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use crate::payout::{Recipient, RecipientAccount, RecipientName};

    fn details(amount: &str, external_id: Option<&str>) -> PaymentDetails {
        let money = Money::new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap();
        let account = RecipientAccount::new("DE89370400440532013000").unwrap();
        let recipient = Recipient::new(account, RecipientName::new("Ada").unwrap());
        PaymentDetails {
            external_id: external_id.map(|id| ExternalId::new(id).unwrap()),
            ..PaymentDetails::new(money, recipient)
        }
    }

    fn hash(external_id: Option<&str>, description: &str, rows: &[PaymentDetails]) -> ContentHash {
        let external_id = external_id.map(|id| ExternalId::new(id).unwrap());
        let description = Description::new(description).unwrap();
        let mut hasher = ContentHasher::new(external_id.as_ref(), &description, None);
        for row in rows {
            hasher.add(Fingerprint::of_create(row));
        }
        hasher.finish()
    }

    fn hex(hash: ContentHash) -> String {
        hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_part_of_a_batch_is_in_its_content() {
        let rows = [details("1", None), details("2", None)];
        let plain = hash(None, "", &rows);
        assert_eq!(plain, hash(None, "", &rows));
        let swapped = [rows[1].clone(), rows[0].clone()];
        let others = [
            hash(Some("a"), "", &rows),
            hash(None, "a", &rows),
            hash(None, "", &rows[..1]),
            hash(None, "", &swapped),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(*other, plain, "{place}");
            assert!(!others[..place].contains(other), "{place}");
        }
    }

    #[test]
    fn a_payout_has_the_same_provider_key_whenever_its_batch_is_sent() {
        let content = BatchIdentity::Content(hash(None, "", &[details("1", None)]));
        let key = content.provider_key(7, &details("1", None));
        assert_eq!(key, content.provider_key(7, &details("1", None)));
        assert_ne!(
            key,
            content.provider_key(8, &details("1", None)),
            "two equal rows"
        );
        assert_ne!(key, content.provider_key(7, &details("2", None)));
        let named = BatchIdentity::ExternalId(ExternalId::new("salaries").unwrap());
        assert_ne!(key, named.provider_key(7, &details("1", None)));
        let own = details("1", Some("salary-7"));
        assert_eq!(
            named.provider_key(7, &own),
            content.provider_key(9, &own),
            "its own reference is enough"
        );
        assert_eq!(key.to_string().as_bytes()[14], b'8', "a UUID of version 8: {key}");
    }

    #[test]
    fn a_content_is_the_same_in_every_version() {
        assert_eq!(
            hex(hash(None, "", &[])),
            "91743ea5e776241088859e855d83f34f416f583bbb889c8df2656845ba9daecb"
        );
        assert_eq!(
            hex(hash(Some("a"), "b", &[details("1", None)])),
            "fd189d6baf49283c690205bef9a104eafb2f16887608e16705daed03b50932ee"
        );
    }
}
