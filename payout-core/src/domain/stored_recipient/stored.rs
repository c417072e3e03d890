//! A stored recipient and its changes.

use crate::Timestamp;
use crate::payout::{ExternalId, Recipient};
use crate::stored_recipient::RecipientId;

/// A recipient to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStoredRecipient {
    /// The id.
    pub id: RecipientId,
    /// The client's own reference, which no other stored recipient has.
    pub external_id: Option<ExternalId>,
    /// The receiver of money.
    pub recipient: Recipient,
}

impl NewStoredRecipient {
    /// Returns the recipient as it is stored at `now`, by the repository's clock.
    pub fn stored_at(&self, now: Timestamp) -> StoredRecipient {
        StoredRecipient {
            id: self.id,
            external_id: self.external_id.clone(),
            recipient: self.recipient.clone(),
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: None,
        }
    }
}

/// A recipient that is stored for further payouts. It is never deleted, since payouts name it; an archived one makes no
/// further payouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecipient {
    /// The id.
    pub id: RecipientId,
    /// The client's own reference, which no other stored recipient has.
    pub external_id: Option<ExternalId>,
    /// The receiver of money.
    pub recipient: Recipient,
    /// The version, which grows with every write.
    pub version: u64,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the latest change.
    pub updated_at: Timestamp,
    /// The time at which it was archived; absent while it is in use.
    pub archived_at: Option<Timestamp>,
}

/// A change of a stored recipient: its values afterwards. It is written only if the recipient still has the expected
/// version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientChange {
    /// The id.
    pub id: RecipientId,
    /// The version that the recipient must have.
    pub expected_version: u64,
    /// The client's own reference.
    pub external_id: Option<ExternalId>,
    /// The receiver of money.
    pub recipient: Recipient,
    /// Set if the recipient is archived.
    pub archived: bool,
}

impl StoredRecipient {
    /// Returns a change to other values; absent if they are the same.
    pub fn edited(&self, external_id: Option<ExternalId>, recipient: Recipient) -> Option<RecipientChange> {
        let same = self.external_id == external_id && self.recipient == recipient;
        (!same).then(|| self.rewritten(external_id, recipient))
    }

    /// Returns a change to these values, which may be the same.
    pub fn rewritten(&self, external_id: Option<ExternalId>, recipient: Recipient) -> RecipientChange {
        RecipientChange {
            external_id,
            recipient,
            ..self.unchanged()
        }
    }

    /// Returns the change that archives the recipient, or uses it again; absent if that changes nothing.
    pub fn archived(&self, archived: bool) -> Option<RecipientChange> {
        (self.archived_at.is_some() != archived).then(|| RecipientChange {
            archived,
            ..self.unchanged()
        })
    }

    /// Returns the recipient after a change that was written at `now`.
    #[must_use]
    pub fn after(&self, change: &RecipientChange, now: Timestamp) -> Self {
        Self {
            id: self.id,
            external_id: change.external_id.clone(),
            recipient: change.recipient.clone(),
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: now,
            archived_at: change.archived.then(|| self.archived_at.unwrap_or(now)),
        }
    }

    fn unchanged(&self) -> RecipientChange {
        RecipientChange {
            id: self.id,
            expected_version: self.version,
            external_id: self.external_id.clone(),
            recipient: self.recipient.clone(),
            archived: self.archived_at.is_some(),
        }
    }
}
