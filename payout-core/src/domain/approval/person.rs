//! People, as far as approvals must tell them apart.

use std::fmt;

use crate::access::{ApiKeyId, KeyOwner};

/// A person who creates, edits or approves payouts: the owner of the API key, or else the first of the keys that the
/// key succeeds. So a key that was rotated is the same person, a key that succeeds another is the same person, and two
/// keys of one owner are one. All callers of a service without API keys are one person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
