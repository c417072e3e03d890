//! Rows of stored recipients, in plain or encrypted as a whole.

use payout_core::payout::{ExternalId, Recipient};
use payout_core::ports::{ListedRecipient, RecipientPlace, RepositoryError};
use payout_core::stored_recipient::{RecipientId, StoredRecipient};
use sqlx::FromRow;
use uuid::Uuid;

use super::details;
use super::error::refused;
use super::recipient::{details_column, parsed, restored, text_of};
use super::reseal::is_current;
use super::row::broken;
use super::stored::StoredTime;
use crate::encryption::{EncryptionKeys, OpenError, Place};

/// The account and the name of an encrypted recipient.
const SEALED: &str = "***";

/// The columns of a [`StoredRecipientRow`], for the constant statements of both dialects.
macro_rules! stored_recipient_columns {
    () => {
        "id, external_id, account, name, details, sealed, version, created_at, updated_at, archived_at"
    };
}
pub(crate) use stored_recipient_columns;

/// A row of `recipients`.
#[derive(FromRow)]
pub(crate) struct StoredRecipientRow {
    pub(crate) id: Uuid,
    external_id: Option<String>,
    account: String,
    name: String,
    details: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) version: i64,
    created_at: StoredTime,
    updated_at: StoredTime,
    archived_at: Option<StoredTime>,
}

/// The columns of a recipient that is written.
pub(crate) struct RecipientColumns {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) details: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl RecipientColumns {
    /// Builds the columns: encrypted with the current key, if there is one.
    pub(crate) fn of(
        id: Uuid,
        recipient: &Recipient,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let Some(key) = keys.current() else {
            return Ok(Self {
                account: recipient.account().as_str().to_owned(),
                name: recipient.name().as_str().to_owned(),
                details: details_column(recipient)?,
                sealed: None,
            });
        };
        let text = text_of(recipient)?;
        let sealed = key.seal(text.as_bytes(), &Place::StoredRecipient(id));
        Ok(Self {
            account: SEALED.to_owned(),
            name: SEALED.to_owned(),
            details: None,
            sealed: Some(sealed.map_err(refused)?),
        })
    }
}

impl StoredRecipientRow {
    /// Restores the recipient, if one of the keys decrypts what is encrypted.
    pub(crate) fn restore(&self, keys: &EncryptionKeys) -> Result<StoredRecipient, RepositoryError> {
        let id = self.id;
        self.checked(keys).inspect_err(|error| {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(recipient_id = %id, reason, "a stored recipient cannot be read");
        })
    }

    /// Restores the row of a page. A row that cannot be read keeps its place.
    pub(crate) fn listed(&self, keys: &EncryptionKeys) -> ListedRecipient {
        let place = RecipientPlace {
            created_at: self.created_at.0,
            id: RecipientId::from(self.id),
        };
        self.restore(keys)
            .map_or(ListedRecipient::Unreadable(place), ListedRecipient::Recipient)
    }

    fn checked(&self, keys: &EncryptionKeys) -> Result<StoredRecipient, RepositoryError> {
        Ok(StoredRecipient {
            id: RecipientId::from(self.id),
            external_id: self.external_id()?,
            recipient: self.recipient(keys)?,
            version: u64::try_from(self.version).map_err(broken("version"))?,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
            archived_at: self.archived_at.map(|at| at.0),
        })
    }

    fn external_id(&self) -> Result<Option<ExternalId>, RepositoryError> {
        details::external_id(self.external_id.as_deref())
    }

    fn recipient(&self, keys: &EncryptionKeys) -> Result<Recipient, RepositoryError> {
        let Some(sealed) = &self.sealed else {
            // Where everything is encrypted, a row in plain was put there by somebody without a key.
            if keys.is_strict() {
                return Err(broken("sealed")(OpenError::Unprotected));
            }
            return restored(&self.account, &self.name, self.details.as_deref());
        };
        let text = keys
            .open(sealed, &Place::StoredRecipient(self.id))
            .map_err(broken("sealed"))?;
        parsed(std::str::from_utf8(&text).map_err(broken("sealed"))?)
    }

    /// Returns the new columns; absent when the current key encrypted the old ones.
    pub(crate) fn resealed(
        &self,
        keys: &EncryptionKeys,
    ) -> Result<Option<RecipientColumns>, RepositoryError> {
        if is_current(self.sealed.as_deref(), keys) {
            return Ok(None);
        }
        let recipient = self.recipient(keys)?;
        RecipientColumns::of(self.id, &recipient, keys).map(Some)
    }
}
