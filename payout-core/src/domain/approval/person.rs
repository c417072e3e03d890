//! People, as far as approvals must tell them apart.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::access::{ApiKeyId, KeyOwner};

/// A person who creates, edits or approves payouts: the owner of the API key, or else the first of the keys that the
/// key succeeds. So a key that was rotated is the same person, a key that succeeds another is the same person, and two
/// keys of one owner are one. All callers of a service without API keys are one person. Owners that differ only in the
/// white space between their words are one person too: some were stored before such owners were refused.
#[derive(Debug, Clone)]
pub struct Person(String);

impl Person {
    /// Returns the person behind a key.
    ///
    /// `scope` is the first of the keys that it succeeds; absent for a caller without a key.
    pub fn of_key(scope: Option<ApiKeyId>, owner: Option<&KeyOwner>) -> Self {
        Self(match (owner, scope) {
            (Some(owner), _) => format!("owner:{}", owner.folded()),
            (None, Some(scope)) => format!("key:{scope}"),
            (None, None) => "open".to_owned(),
        })
    }

    /// Reads a person back from a store.
    pub fn restore(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns whether this is every caller of a service without API keys.
    pub fn is_anyone(&self) -> bool {
        self.0 == "open"
    }

    /// Returns the text for a store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the words by which people are compared.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_whitespace()
    }
}

impl PartialEq for Person {
    fn eq(&self, other: &Self) -> bool {
        self.words().eq(other.words())
    }
}

impl Eq for Person {}

impl Hash for Person {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().for_each(|word| word.hash(state));
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn person(owner: &str) -> Person {
        Person::of_key(None, Some(&KeyOwner::stored(owner).unwrap()))
    }

    #[test]
    fn owners_that_look_the_same_are_one_person() {
        let grace = person("Grace Hopper");
        for alike in ["grace  hopper", "GRACE\u{a0}Hopper", "Grace \u{3000} Hopper"] {
            assert_eq!(person(alike), grace, "{alike:?}");
            assert_eq!(Person::restore(person(alike).as_str()), grace, "{alike:?}");
            assert_eq!(
                HashSet::from([person(alike), grace.clone()]).len(),
                1,
                "{alike:?}"
            );
        }
        for other in ["GraceHopper", "Grace Hopper 2", "Grace"] {
            assert_ne!(person(other), grace, "{other:?}");
        }
    }

    #[test]
    fn people_are_told_apart_by_their_keys_where_they_have_no_owner() {
        let key = |id| Person::of_key(Some(ApiKeyId::from(uuid::Uuid::from_u128(id))), None);
        assert_eq!(key(7), key(7));
        assert_ne!(key(7), key(8));
        assert_ne!(key(7), Person::of_key(None, None));
    }
}
