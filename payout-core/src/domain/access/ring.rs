//! The active API keys at one moment, in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Timestamp;
use crate::access::{ApiKeyId, HeldKey, Principal, SecretId, TokenDigest};

/// The holder of an API key: its principal, and a mark of its use.
#[derive(Debug)]
pub struct Holder {
    id: ApiKeyId,
    principal: Arc<Principal>,
    /// The time at which the key expires; absent for one that does not.
    until: Option<Timestamp>,
    used: AtomicBool,
}

impl Holder {
    /// Returns the principal that requests with this key come from.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Marks the key as used. Nearly always the mark is set already, and nothing is written.
    pub fn note_use(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Returns the id of the key.
    pub fn id(&self) -> ApiKeyId {
        self.id
    }

    /// Returns whether the key was used since the previous call, and clears the mark.
    pub fn take_use(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Entry {
    digest: TokenDigest,
    /// The time until which the token is accepted; absent for one that does not expire.
    until: Option<Timestamp>,
    holder: Arc<Holder>,
}

/// The active API keys, indexed by the digests of their tokens.
#[derive(Debug, Default)]
pub struct Ring {
    entries: HashMap<[u8; 8], Vec<Entry>>,
    holders: HashMap<ApiKeyId, Arc<Holder>>,
}

impl Ring {
    /// Builds a ring of these keys. Keys made under a secret other than `secret` are left out, and so never accepted.
    /// Marks of use that `before` still has are carried over.
    pub fn of(keys: Vec<HeldKey>, secret: SecretId, before: &Self) -> Self {
        let mut ring = Self::default();
        for key in keys.into_iter().filter(|key| key.digest.secret == secret) {
            let holder = Arc::new(Holder {
                id: key.id,
                until: key.expires_at,
                principal: Arc::new(
                    Principal::of_key(key.id, key.name.as_str(), key.scopes)
                        .in_scope_of(key.idempotency_scope)
                        .owned_by(key.owner),
                ),
                used: AtomicBool::new(
                    before
                        .holders
                        .get(&key.id)
                        .is_some_and(|holder| holder.take_use()),
                ),
            });
            ring.holders.insert(key.id, holder.clone());
            let earlier = |one: Timestamp| Some(key.expires_at.map_or(one, |other| one.min(other)));
            if let Some((digest, until)) = key.previous {
                ring.add(digest, earlier(until), holder.clone());
            }
            ring.add(key.digest.token, key.expires_at, holder);
        }
        ring
    }

    fn add(&mut self, digest: TokenDigest, until: Option<Timestamp>, holder: Arc<Holder>) {
        let entry = Entry {
            digest,
            until,
            holder,
        };
        self.entries.entry(digest.place()).or_default().push(entry);
    }

    /// Returns the holder of the token with this digest, if the token is accepted at `now`.
    pub fn find(&self, digest: &TokenDigest, now: Timestamp) -> Option<&Arc<Holder>> {
        let entries = self.entries.get(&digest.place())?;
        let entry = entries.iter().find(|entry| entry.digest == *digest)?;
        let open = entry.until.is_none_or(|until| now < until);
        open.then_some(&entry.holder)
    }

    /// Returns whether a key is there with the rights of this principal, and is accepted at `now`.
    pub fn still_has(&self, id: ApiKeyId, principal: &Principal, now: Timestamp) -> bool {
        self.holders.get(&id).is_some_and(|holder| {
            *holder.principal == *principal && holder.until.is_none_or(|until| now < until)
        })
    }

    /// Returns the holders of all keys.
    pub fn holders(&self) -> impl Iterator<Item = &Arc<Holder>> {
        self.holders.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{KeyDigest, KeyName, Scope, Scopes};
    use chrono::TimeDelta;

    const SECRET: SecretId = SecretId::of_bytes([7; 8]);

    fn key(number: u8) -> HeldKey {
        HeldKey {
            id: ApiKeyId::from(uuid::Uuid::from_u128(number.into())),
            name: KeyName::new(&format!("key-{number}")).unwrap(),
            scopes: Scopes::from_iter([Scope::Read]),
            expires_at: None,
            digest: KeyDigest {
                token: TokenDigest::from([number; 32]),
                secret: SECRET,
            },
            previous: None,
            idempotency_scope: ApiKeyId::from(uuid::Uuid::from_u128(number.into())),
            owner: None,
        }
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn name_of(ring: &Ring, digest: [u8; 32], at: Timestamp) -> Option<String> {
        let holder = ring.find(&TokenDigest::from(digest), at)?;
        Some(holder.principal().name().to_owned())
    }

    #[test]
    fn a_token_finds_its_own_key_and_no_other() {
        let ring = Ring::of(vec![key(1), key(2)], SECRET, &Ring::default());
        assert_eq!(name_of(&ring, [1; 32], now()).as_deref(), Some("key-1"));
        assert_eq!(name_of(&ring, [2; 32], now()).as_deref(), Some("key-2"));
        let mut last_bit = [1; 32];
        last_bit[31] ^= 1;
        assert_eq!(name_of(&ring, last_bit, now()), None, "all of the digest counts");
    }

    #[test]
    fn a_successor_comes_in_the_scope_of_the_first_and_is_counted_by_its_own_id() {
        let successor = HeldKey {
            idempotency_scope: key(1).id,
            ..key(2)
        };
        let ring = Ring::of(vec![successor], SECRET, &Ring::default());
        let holder = ring.find(&TokenDigest::from([2; 32]), now()).unwrap();
        assert_eq!(holder.principal().caller().api_key, Some(key(1).id));
        assert_eq!(holder.principal().api_key(), Some(key(2).id));
    }

    #[test]
    fn an_expired_key_opens_nothing() {
        let expiring = HeldKey {
            expires_at: Some(now()),
            ..key(1)
        };
        let ring = Ring::of(vec![expiring], SECRET, &Ring::default());
        let before = now() - TimeDelta::microseconds(1);
        assert!(name_of(&ring, [1; 32], before).is_some());
        assert_eq!(name_of(&ring, [1; 32], now()), None);
    }

    #[test]
    fn the_token_before_opens_until_its_time_or_the_keys() {
        let at = |seconds| now() + TimeDelta::seconds(seconds);
        let rotated = |until, expires_at| HeldKey {
            previous: Some((TokenDigest::from([9; 32]), until)),
            expires_at,
            ..key(1)
        };
        let ring = Ring::of(vec![rotated(at(10), None)], SECRET, &Ring::default());
        assert!(name_of(&ring, [9; 32], at(9)).is_some());
        assert_eq!(name_of(&ring, [9; 32], at(10)), None);
        let ring = Ring::of(vec![rotated(at(10), Some(at(5)))], SECRET, &Ring::default());
        assert_eq!(name_of(&ring, [9; 32], at(5)), None);
    }

    #[test]
    fn a_key_made_under_another_secret_opens_nothing() {
        let ring = Ring::of(vec![key(1)], SecretId::from([0; 8]), &Ring::default());
        assert_eq!(name_of(&ring, [1; 32], now()), None);
    }

    #[test]
    fn a_use_is_noted_once_and_outlives_the_ring() {
        let ring = Ring::of(vec![key(1)], SECRET, &Ring::default());
        ring.find(&TokenDigest::from([1; 32]), now()).unwrap().note_use();
        let next = Ring::of(vec![key(1), key(2)], SECRET, &ring);
        let used: Vec<_> = next.holders().filter(|holder| holder.take_use()).collect();
        assert_eq!(used.len(), 1);
        assert_eq!(used[0].id(), key(1).id);
        assert!(!used[0].take_use());
    }

    #[test]
    fn a_principal_is_known_as_long_as_its_key_is_there_unchanged_and_has_not_expired() {
        let now = Timestamp::UNIX_EPOCH;
        let expiring = HeldKey {
            expires_at: Some(now + TimeDelta::seconds(9)),
            ..key(1)
        };
        let ring = Ring::of(vec![expiring, key(2)], SECRET, &Ring::default());
        let principal = |number: u8| {
            let holder = ring.holders().find(|holder| holder.id() == key(number).id);
            holder.unwrap().principal().clone()
        };
        let (one, two) = (principal(1), principal(2));
        let id = |number: u8| key(number).id;
        assert!(ring.still_has(id(1), &one, now + TimeDelta::seconds(8)));
        assert!(!ring.still_has(id(1), &one, now + TimeDelta::seconds(9)));
        assert!(ring.still_has(id(2), &two, now + TimeDelta::days(9)));
        let fewer = HeldKey {
            scopes: Scopes::from_iter([Scope::Write]),
            ..key(2)
        };
        let later = Ring::of(vec![fewer], SECRET, &ring);
        assert!(!later.still_has(id(2), &two, now), "it has another scope now");
        assert!(!later.still_has(id(1), &one, now), "it was revoked");
    }
}
