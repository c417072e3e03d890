//! The id of an endpoint.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Timestamp;
use crate::domain::randomness::Randomness;

/// The id of a webhook endpoint: a UUID, version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(Uuid);

impl WebhookId {
    /// Generates an id for an endpoint made at `now`.
    pub fn generate(now: Timestamp, randomness: &dyn Randomness) -> Self {
        Self(crate::payout::uuid_v7(now, randomness))
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for WebhookId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for WebhookId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}
