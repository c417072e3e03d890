//! The id of an API key.

use std::fmt;

use uuid::Uuid;

use crate::Timestamp;
use crate::domain::randomness::Randomness;

/// The id of an API key: a UUID, version 7. A rotated key keeps its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(Uuid);

impl ApiKeyId {
    /// Generates an id for a key made at `now`.
    pub fn generate(now: Timestamp, randomness: &dyn Randomness) -> Self {
        Self(crate::payout::uuid_v7(now, randomness))
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for ApiKeyId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}
