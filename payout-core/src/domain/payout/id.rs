//! The identity of a payout.

use std::fmt;
use std::str::FromStr;

use uuid::{Builder, Uuid};

use crate::Timestamp;
use crate::domain::randomness::Randomness;

/// The id of a payout: a UUID, version 7 (RFC 9562 §5.7). It is unique without coordination and roughly ordered by
/// time, so that new rows are next to each other in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayoutId(Uuid);

impl PayoutId {
    /// Generates an id for a payout created at `now`.
    pub fn generate(now: Timestamp, randomness: &dyn Randomness) -> Self {
        Self(uuid_v7(now, randomness))
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for PayoutId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for PayoutId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for PayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// Generates a UUID of version 7 for the time `now`.
pub(crate) fn uuid_v7(now: Timestamp, randomness: &dyn Randomness) -> Uuid {
    let mut random = [0_u8; 10];
    let (head, tail) = random.split_at_mut(8);
    head.copy_from_slice(&randomness.next_u64().to_be_bytes());
    tail.copy_from_slice(&randomness.next_u64().to_be_bytes()[..2]);
    let unix_ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid()
}
