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

    /// Returns the time at which the id was generated, to the millisecond; `None` for an id that was not generated here.
    pub fn created_at(self) -> Option<Timestamp> {
        if self.0.get_version_num() != 7 {
            return None;
        }
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Timestamp::from_timestamp(i64::try_from(seconds).ok()?, nanos)
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
