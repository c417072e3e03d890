//! What the provider's idempotency keys of a payout begin with, where its client gave an idempotency key.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::idempotency::IdempotentRequest;

/// Names the derivation, so that another one never makes the same key.
const NAMESPACE: &[u8] = b"payout: provider key, version 1";

/// A name-based UUID (version 8, RFC 9562 §5.8, by SHA-256) of a request: of whose it is, of its idempotency key and of
/// what it asks for. The same request has the same one whenever it is made, also in a store that has lost every record of
/// it, so that to the provider it is the same payment; another request under the same idempotency key has another one,
/// and is never answered with that payment.
///
/// It is chosen once, when the payout is stored, and no edit changes it: a store that was restored to before an edit must
/// find the payment that was made after it. That the two differ is seen by what the provider says of the payment
/// ([`Instruction::digest`](crate::provider::Instruction::digest)).
///
/// It reveals the client's key to nobody who does not know all of the rest: the digest is not keyed, since a secret that
/// was lost with the store would make a payment that is repeated another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderKey(Uuid);

impl ProviderKey {
    /// That of this request.
    pub fn of(request: &IdempotentRequest) -> Self {
        let mut hasher = Sha256::new();
        for part in [
            NAMESPACE,
            request.key.as_str().as_bytes(),
            request.fingerprint.as_bytes(),
        ] {
            // Lengths first, so that no two lists of parts read the same.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut half = [0_u8; 16];
        half.copy_from_slice(&digest[..16]);
        Self(Builder::from_custom_bytes(half).into_uuid())
    }

    /// The UUID itself.
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
