//! Stored recipients in memory.

use std::collections::BTreeMap;

use payout_core::Timestamp;
use payout_core::payout::ExternalId;
use payout_core::ports::{
    Archived, ListedRecipient, RecipientPlace, RecipientQuery, RecipientRepositoryError,
};
use payout_core::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};

/// The recipients, by their places.
#[derive(Default)]
pub(super) struct StoredRecipients(BTreeMap<RecipientPlace, StoredRecipient>);

impl StoredRecipients {
    pub(super) fn insert(
        &mut self,
        new: &NewStoredRecipient,
        now: Timestamp,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        self.check(new.id, new.external_id.as_ref())?;
        let stored = new.stored_at(now);
        let place = RecipientPlace {
            created_at: now,
            id: new.id,
        };
        self.0.insert(place, stored.clone());
        Ok(stored)
    }

    pub(super) fn change(
        &mut self,
        change: &RecipientChange,
        now: Timestamp,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        self.check(change.id, change.external_id.as_ref())?;
        let stored = self.0.values_mut().find(|stored| stored.id == change.id);
        let stored = stored.filter(|stored| stored.version == change.expected_version);
        let stored = stored.ok_or(RecipientRepositoryError::VersionConflict)?;
        *stored = stored.after(change, now);
        Ok(stored.clone())
    }

    pub(super) fn find(&self, id: RecipientId) -> Option<StoredRecipient> {
        self.0.values().find(|stored| stored.id == id).cloned()
    }

    pub(super) fn list(&self, query: &RecipientQuery) -> Vec<ListedRecipient> {
        let before = self.0.iter().rev();
        before
            .filter(|(place, _)| query.after.is_none_or(|after| **place < after))
            .map(|(_, stored)| stored)
            .filter(|stored| match query.archived {
                Archived::Without => stored.archived_at.is_none(),
                Archived::Only => stored.archived_at.is_some(),
                Archived::With => true,
            })
            .filter(|stored| query.external_id.is_none() || stored.external_id == query.external_id)
            .take(query.limit as usize)
            .map(|stored| ListedRecipient::Recipient(stored.clone()))
            .collect()
    }

    /// Refuses an external id that another recipient has.
    fn check(
        &self,
        id: RecipientId,
        external_id: Option<&ExternalId>,
    ) -> Result<(), RecipientRepositoryError> {
        let Some(external_id) = external_id else {
            return Ok(());
        };
        let mut others = self.0.values().filter(|stored| stored.id != id);
        match others.find(|stored| stored.external_id.as_ref() == Some(external_id)) {
            Some(holder) => Err(RecipientRepositoryError::ExternalIdTaken(holder.id)),
            None => Ok(()),
        }
    }
}
