//! The identity of a bulk action.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Timestamp;
use crate::domain::randomness::Randomness;
use crate::payout::uuid_v7;

/// The id of a bulk action: a UUID, version 7 (RFC 9562 §5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BulkActionId(Uuid);

impl BulkActionId {
    /// Generates an id for a bulk action created at `now`.
    pub fn generate(now: Timestamp, randomness: &dyn Randomness) -> Self {
        Self(uuid_v7(now, randomness))
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for BulkActionId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for BulkActionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for BulkActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}
