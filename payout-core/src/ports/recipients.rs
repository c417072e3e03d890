//! The port for stored recipients.

use async_trait::async_trait;

use crate::Timestamp;
use crate::payout::ExternalId;
use crate::ports::RepositoryError;
use crate::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};

/// An error of the repository of recipients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientRepositoryError {
    /// Another recipient has the external id. Nothing was written.
    #[error("another recipient has the external id")]
    ExternalIdTaken(RecipientId),
    /// The recipient does not exist, or has another version than the change expects. Nothing was written.
    #[error("the recipient was changed meanwhile")]
    VersionConflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// A position in a list of recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientPlace {
    /// The recipient's time of creation.
    pub created_at: Timestamp,
    /// The recipient's id, because several may have the same time of creation.
    pub id: RecipientId,
}

/// The recipients of a list, by whether they are archived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Archived {
    /// Those that are not.
    #[default]
    Without,
    /// Archived ones alone.
    Only,
    /// Both.
    With,
}

/// A query for one page of recipients, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientQuery {
    /// Only the recipient with this external id.
    pub external_id: Option<ExternalId>,
    /// Selects archived recipients.
    pub archived: Archived,
    /// The position after which the page begins; absent for the first page.
    pub after: Option<RecipientPlace>,
    /// The largest number of rows.
    pub limit: u32,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedRecipient {
    /// A recipient.
    Recipient(StoredRecipient),
    /// A recipient whose row cannot be read, because it was altered or its encryption key is missing.
    Unreadable(RecipientPlace),
}

impl ListedRecipient {
    /// Returns the row's position in the list.
    pub fn place(&self) -> RecipientPlace {
        match self {
            Self::Recipient(recipient) => RecipientPlace {
                created_at: recipient.created_at,
                id: recipient.id,
            },
            Self::Unreadable(place) => *place,
        }
    }
}

/// Stores recipients for further payouts.
///
/// # Promises
/// - An acknowledged write is durable. All times are by the store's clock.
/// - An external id belongs to one recipient for ever, whether or not it is archived.
/// - A recipient is never deleted.
/// - A row that cannot be read, because it was altered or its encryption key is missing, does not affect others.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RecipientRepository: Send + Sync {
    /// Stores a recipient.
    ///
    /// # Errors
    /// [`RecipientRepositoryError::ExternalIdTaken`], [`RecipientRepositoryError::Store`].
    async fn insert_recipient(
        &self,
        new: &NewStoredRecipient,
    ) -> Result<StoredRecipient, RecipientRepositoryError>;

    /// Writes a change. Returns the recipient as it is afterwards.
    ///
    /// Guard: the recipient has the version that the change expects.
    ///
    /// # Errors
    /// [`RecipientRepositoryError::VersionConflict`], [`RecipientRepositoryError::ExternalIdTaken`],
    /// [`RecipientRepositoryError::Store`].
    async fn change_recipient(
        &self,
        change: &RecipientChange,
    ) -> Result<StoredRecipient, RecipientRepositoryError>;

    /// Finds one recipient, archived or not.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; [`RepositoryError::Refused`] if the row cannot be read.
    async fn find_recipient(&self, id: RecipientId) -> Result<Option<StoredRecipient>, RepositoryError>;

    /// Finds recipients, archived or not. Those that do not exist, and those whose rows cannot be read, are omitted.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_recipients(&self, ids: &[RecipientId]) -> Result<Vec<StoredRecipient>, RepositoryError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            match self.find_recipient(*id).await {
                Ok(recipient) => found.extend(recipient),
                Err(RepositoryError::Refused(_)) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Returns one page of recipients, newest first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn list_recipients(&self, query: &RecipientQuery) -> Result<Vec<ListedRecipient>, RepositoryError>;
}
