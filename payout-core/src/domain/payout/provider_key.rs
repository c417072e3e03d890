//! The base of a payout's idempotency keys at the provider, derived from the client's idempotency key.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::idempotency::IdempotentRequest;

/// The name of the derivation, so that another derivation never yields the same key.
const NAMESPACE: &[u8] = b"payout: provider key, version 1";

/// A base for the provider's idempotency keys: a UUID derived from the owner of a request, its idempotency key and its
/// fingerprint (version 8, RFC 9562 §5.8, by SHA-256).
///
/// Repeating a request yields the same base at any time, even in a store that has lost every record of it, so the
/// provider recognizes the same payment. A different request under the same idempotency key has another base, and is
/// never answered with that payment.
///
/// The base is chosen once, when the payout is stored, and no edit changes it: a store that was restored to a state
/// before an edit must still find the payment that was made after it. The provider's report of the payment reveals the
/// difference ([`Instruction::digest`](crate::provider::Instruction::digest)).
///
/// The base reveals the client's key only to somebody who knows everything else that it is derived from. It is not
/// keyed with a secret: if the secret were lost with the store, a repeated request would become another payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderKey(Uuid);

impl ProviderKey {
    /// Derives the base from a request.
    pub fn of(request: &IdempotentRequest) -> Self {
        let mut hasher = Sha256::new();
        for part in [
            NAMESPACE,
            request.key.as_str().as_bytes(),
            request.fingerprint.as_bytes(),
        ] {
            // The length precedes each part, so that no two lists of parts hash alike.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self::of_digest(hasher.finalize().into())
    }

    /// Takes half of a digest.
    pub(crate) fn of_digest(digest: [u8; 32]) -> Self {
        let mut half = [0_u8; 16];
        half.copy_from_slice(&digest[..16]);
        Self(Builder::from_custom_bytes(half).into_uuid())
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for ProviderKey {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ApiKeyId;
    use crate::idempotency::{Fingerprint, IdempotencyKey, ScopedKey};

    fn request(owner: Option<u128>, key: &str, asked: u8) -> IdempotentRequest {
        let owner = owner.map(|id| ApiKeyId::from(Uuid::from_u128(id)));
        IdempotentRequest {
            key: ScopedKey::new(owner, &IdempotencyKey::new(key).unwrap()),
            fingerprint: Fingerprint::from([asked; 32]),
        }
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        let key = ProviderKey::of(&request(None, "order-7", 1));
        assert_eq!(key.to_string(), "260a7d3e-c5d8-8f34-971f-7a2eeafedae4");
        let key = ProviderKey::of(&request(Some(1), "order-7", 1));
        assert_eq!(key.to_string(), "2d17c598-3221-844c-9428-db792ed8c8bd");
    }

    #[test]
    fn whose_it_is_its_key_and_what_it_asks_for_each_make_another() {
        let requests = [
            request(None, "order-7", 1),
            request(None, "order-8", 1),
            request(None, "order-7", 2),
            request(Some(1), "order-7", 1),
            request(Some(2), "order-7", 1),
        ];
        let keys: std::collections::HashSet<_> = requests.iter().map(ProviderKey::of).collect();
        assert_eq!(keys.len(), requests.len());
    }

    #[test]
    fn it_shows_nothing_of_the_clients_key() {
        let key = ProviderKey::of(&request(None, "DE89370400440532013000", 1)).to_string();
        assert_eq!(key.len(), 36);
        assert_eq!(key.as_bytes()[14], b'8', "a UUID of version 8: {key}");
        assert!(!key.contains("DE89"));
    }
}
