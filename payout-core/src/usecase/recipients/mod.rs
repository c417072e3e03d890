//! The use cases for stored recipients.

use std::sync::Arc;

use crate::concurrency::detached::run_detached;
use crate::payout::{ExternalId, Recipient};
use crate::ports::{
    Archived, Environment, ListedRecipient, Randomness, RecipientPlace, RecipientQuery, RecipientRepository,
    RecipientRepositoryError, RepositoryError,
};
use crate::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};
use crate::usecase::{EditError, EditRequest, RecipientEdit, Sight};

/// The reason for which a request about stored recipients was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// There is no such recipient.
    #[error("There is no such recipient.")]
    NotFound,
    /// Another recipient has the external id.
    #[error("The recipient {0} has this external_id.")]
    ExternalIdTaken(RecipientId),
    /// An external id is set once.
    #[error("An external_id cannot be changed once it is set.")]
    ExternalIdSet,
    /// The recipient is archived: no further payout is made from it.
    #[error("This recipient is archived.")]
    Archived(Box<Recipient>),
    /// The recipient has a mask that stands for no stored value.
    #[error("This is a mask: send the whole value.")]
    Masked,
    /// The recipient's version is not one that the caller named.
    #[error("The recipient is no longer at the version that the request names.")]
    PreconditionFailed,
    /// Another request changed the recipient between the read and the write.
    #[error("The recipient changed at the same time; read it again.")]
    ChangedMeanwhile,
    /// The repository failed.
    #[error("The store cannot be used right now.")]
    Repository(#[from] RepositoryError),
}

/// New values for some parts of a stored recipient; an absent one keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditRecipient {
    /// The client's own reference, which can be set once.
    pub external_id: Option<ExternalId>,
    /// The receiver of money. One with masks keeps the stored one.
    pub recipient: Option<RecipientEdit>,
    /// The part that the editing client may see.
    pub sight: Sight,
}

/// One page of recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientPage {
    /// The recipients, newest first.
    pub recipients: Vec<StoredRecipient>,
    /// The ids of those whose rows cannot be read.
    pub unreadable: Vec<RecipientId>,
    /// The position after which the next page begins; absent on the last page.
    pub next: Option<RecipientPlace>,
}

/// The use cases for stored recipients. Cheap to clone.
#[derive(Clone)]
pub struct Recipients {
    repository: Arc<dyn RecipientRepository>,
    environment: Arc<dyn Environment>,
}

impl Recipients {
    /// Creates the use cases over a store.
    pub fn new(repository: Arc<dyn RecipientRepository>, environment: Arc<dyn Environment>) -> Self {
        Self {
            repository,
            environment,
        }
    }

    /// Stores a recipient.
    ///
    /// # Errors
    /// [`RecipientError::ExternalIdTaken`], [`RecipientError::Repository`].
    pub async fn create(
        &self,
        external_id: Option<ExternalId>,
        recipient: Recipient,
    ) -> Result<StoredRecipient, RecipientError> {
        let id = RecipientId::generate(self.environment.now(), &*self.environment as &dyn Randomness);
        let new = NewStoredRecipient {
            id,
            external_id,
            recipient,
        };
        let repository = self.repository.clone();
        run_detached(async move { repository.insert_recipient(&new).await })
            .await
            .map_err(|error| refusal(error, false))
    }

    /// Returns one recipient, archived or not.
    ///
    /// # Errors
    /// [`RecipientError::NotFound`], [`RecipientError::Repository`].
    pub async fn get(&self, id: RecipientId) -> Result<StoredRecipient, RecipientError> {
        self.repository
            .find_recipient(id)
            .await?
            .ok_or(RecipientError::NotFound)
    }

    /// Returns the recipient that a new payout copies.
    ///
    /// # Errors
    /// [`RecipientError::NotFound`], [`RecipientError::Archived`], [`RecipientError::Repository`].
    pub async fn of_new_payout(&self, id: RecipientId) -> Result<Recipient, RecipientError> {
        let stored = self.get(id).await?;
        match stored.archived_at {
            None => Ok(stored.recipient),
            Some(_) => Err(RecipientError::Archived(Box::new(stored.recipient))),
        }
    }

    /// Returns one page of recipients, newest first.
    ///
    /// # Errors
    /// [`RecipientError::Repository`].
    pub async fn list(
        &self,
        external_id: Option<ExternalId>,
        archived: Archived,
        after: Option<RecipientPlace>,
        size: u32,
    ) -> Result<RecipientPage, RecipientError> {
        let query = RecipientQuery {
            external_id,
            archived,
            after,
            // One row more than requested shows whether there is another page.
            limit: size.saturating_add(1),
        };
        let mut rows = self.repository.list_recipients(&query).await?;
        let more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let next = rows.last().filter(|_| more).map(ListedRecipient::place);
        let mut page = RecipientPage {
            recipients: Vec::with_capacity(rows.len()),
            unreadable: Vec::new(),
            next,
        };
        for row in rows {
            match row {
                ListedRecipient::Recipient(recipient) => page.recipients.push(recipient),
                ListedRecipient::Unreadable(place) => page.unreadable.push(place.id),
            }
        }
        Ok(page)
    }

    /// Edits a recipient. Payouts that were made from it stay as they are. `if_match` has the versions that the caller
    /// accepts; absent accepts any.
    ///
    /// # Errors
    /// [`RecipientError`].
    pub async fn edit(
        &self,
        id: RecipientId,
        edit: EditRecipient,
        if_match: Option<&[u64]>,
    ) -> Result<StoredRecipient, RecipientError> {
        self.change(id, if_match, |stored| {
            let names_anything = edit.external_id.is_some() || edit.recipient.is_some();
            let is_seen = edit.sight != Sight::Nothing;
            let external_id = match (&stored.external_id, edit.external_id) {
                (known, None) => known.clone(),
                (None, Some(given)) => Some(given),
                (Some(known), Some(given)) if is_seen && *known == given => Some(given),
                (Some(_), Some(_)) => return Err(RecipientError::ExternalIdSet),
            };
            let request = EditRequest {
                recipient: edit.recipient,
                sight: edit.sight,
                ..EditRequest::default()
            };
            let recipient = request
                .recipient_over(&stored.recipient)
                .map_err(|_: EditError| RecipientError::Masked)?;
            // Whether a value equals the stored one must not show to a client that may not see it.
            let is_change_unseen = match edit.sight {
                Sight::Whole => false,
                Sight::Masked => recipient.is_some(),
                Sight::Nothing => names_anything,
            };
            let recipient = recipient.unwrap_or_else(|| stored.recipient.clone());
            Ok(if is_change_unseen {
                Some(stored.rewritten(external_id, recipient))
            } else {
                stored.edited(external_id, recipient)
            })
        })
        .await
    }

    /// Archives a recipient, so that no further payout is made from it, or uses it again.
    ///
    /// # Errors
    /// [`RecipientError`].
    pub async fn archive(
        &self,
        id: RecipientId,
        archived: bool,
        if_match: Option<&[u64]>,
    ) -> Result<StoredRecipient, RecipientError> {
        self.change(id, if_match, |stored| Ok(stored.archived(archived)))
            .await
    }

    async fn change(
        &self,
        id: RecipientId,
        if_match: Option<&[u64]>,
        decide: impl FnOnce(&StoredRecipient) -> Result<Option<RecipientChange>, RecipientError>,
    ) -> Result<StoredRecipient, RecipientError> {
        let stored = self.get(id).await?;
        if if_match.is_some_and(|versions| !versions.contains(&stored.version)) {
            return Err(RecipientError::PreconditionFailed);
        }
        let Some(change) = decide(&stored)? else {
            return Ok(stored);
        };
        let repository = self.repository.clone();
        let conditional = if_match.is_some();
        run_detached(async move { repository.change_recipient(&change).await })
            .await
            .map_err(|error| refusal(error, conditional))
    }
}

fn refusal(error: RecipientRepositoryError, conditional: bool) -> RecipientError {
    match error {
        RecipientRepositoryError::ExternalIdTaken(holder) => RecipientError::ExternalIdTaken(holder),
        RecipientRepositoryError::VersionConflict if conditional => RecipientError::PreconditionFailed,
        RecipientRepositoryError::VersionConflict => RecipientError::ChangedMeanwhile,
        RecipientRepositoryError::Store(error) => RecipientError::Repository(error),
    }
}
