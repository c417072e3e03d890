//! The edit of a payout: new values over the stored ones, as far as the client may see those.

use crate::Timestamp;
use crate::money::{AmountError, Currency, Money};
use crate::payout::{
    Description, ExternalId, InvalidMetadata, InvalidSchedule, Metadata, MetadataPatch, PaymentDetails,
    Payout, RecipientAccount, RecipientName, StatementText, StepError,
};
use crate::usecase::payouts::{RecipientEdit, ServiceError};

/// The part of a payout that the editing client may see. An edit must not reveal a hidden value by changing nothing:
/// any value that the client sends for a hidden field counts as a change, whatever is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    #[default]
    Whole,
    /// Everything but the recipient, which is masked.
    Masked,
    /// Nothing.
    Nothing,
}

/// New metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataEdit {
    /// All entries, in place of the stored ones.
    Whole(Metadata),
    /// New values for some entries.
    Entries(MetadataPatch),
}

/// A payout's values after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// The edit changes nothing, as far as the client may know.
    Nothing,
    /// The edit changes only the metadata, which it may do in every state.
    Metadata(Metadata),
    /// The edit changes the details of the payment.
    Details(PaymentDetails),
}

/// New values for some fields; an absent field keeps its value. An amount without a currency is in the stored currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditRequest {
    /// The amount.
    pub amount: Option<crate::money::Amount>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The recipient's account.
    pub recipient_account: Option<RecipientAccount>,
    /// The recipient's name.
    pub recipient_name: Option<RecipientName>,
    /// The whole recipient, in place of an account and a name.
    pub recipient: Option<RecipientEdit>,
    /// The description.
    pub description: Option<Description>,
    /// The client's own reference, which a payout gets once, or none.
    pub external_id: Option<Option<ExternalId>>,
    /// The metadata. They may be edited in every state.
    pub metadata: Option<MetadataEdit>,
    /// The text for the recipient's statement, or none.
    pub statement_text: Option<Option<StatementText>>,
    /// The schedule, or none: due at once.
    pub scheduled_at: Option<Option<Timestamp>>,
    /// The part of the payout that the editing client may see.
    pub sight: Sight,
}

impl EditRequest {
    /// Returns whether the request sets no field.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            sight: self.sight,
            ..Self::default()
        };
        *self == nothing
    }

    /// Completes the edit with the stored values, as far as the client may know. A client
    /// that is shown a mask may send it back: an account or a name that equals its mask keeps the stored value. So does
    /// a value that is equivalent to the stored one, which earlier releases may have stored without normalization.
    ///
    /// # Errors
    /// [`EditError::Amount`] if the amount has more decimals than the currency, where each may be new or stored.
    /// [`EditError::Unfit`] for that error if the client may see neither. [`EditError::Masked`] for any other mask.
    /// [`EditError::Metadata`] if there are too many entries. [`StepError::ExternalIdSet`] if the payout has another
    /// external id, or any if the client may see none.
    pub fn over(self, payout: &Payout) -> Result<Edited, EditError> {
        let stored = payout.details();
        let names_details = !self.names_only_metadata();
        let external_id = self.external_id_over(stored)?;
        let metadata = self.metadata_over(stored)?;
        let sight = self.sight;
        let unfit = |error| match sight {
            Sight::Whole | Sight::Masked => EditError::Amount(error),
            Sight::Nothing => EditError::Unfit,
        };
        let money = match (self.amount, self.currency) {
            (None, None) => stored.money,
            (Some(amount), Some(currency)) => Money::new(amount, currency)?,
            (Some(amount), None) => Money::new(amount, stored.money.currency()).map_err(unfit)?,
            (None, Some(currency)) => stored.money.in_currency(currency).map_err(unfit)?,
        };
        let recipient = self.recipient_over(&stored.recipient)?;
        let is_change_unseen = match sight {
            Sight::Whole => false,
            Sight::Masked => recipient.is_some(),
            Sight::Nothing => names_details,
        };
        // Not before this point: whether a value equals the stored one must not show to a client that may not see it.
        let edited = PaymentDetails {
            external_id,
            metadata: stored.metadata.clone(),
            statement_text: self
                .statement_text
                .unwrap_or_else(|| stored.statement_text.clone()),
            scheduled_at: self.scheduled_at.unwrap_or(stored.scheduled_at),
            money,
            // Another recipient is no copy of the stored one.
            recipient_id: stored
                .recipient_id
                .filter(|_| recipient.as_ref().is_none_or(|new| *new == stored.recipient)),
            recipient: recipient.unwrap_or_else(|| stored.recipient.clone()),
            description: self
                .description
                .filter(|description| !description.is_equivalent(&stored.description))
                .unwrap_or_else(|| stored.description.clone()),
        };
        let is_edited = is_change_unseen || edited.clone().in_whole_micros() != *stored;
        Ok(match metadata {
            _ if is_edited => Edited::Details(PaymentDetails {
                metadata: metadata.unwrap_or_else(|| stored.metadata.clone()),
                ..edited
            }),
            Some(metadata) => Edited::Metadata(metadata),
            None => Edited::Nothing,
        })
    }

    fn names_only_metadata(&self) -> bool {
        let only = Self {
            metadata: self.metadata.clone(),
            sight: self.sight,
            ..Self::default()
        };
        *self == only
    }

    /// Returns the external id after the edit.
    fn external_id_over(&self, stored: &PaymentDetails) -> Result<Option<ExternalId>, ServiceError> {
        let Some(new) = &self.external_id else {
            return Ok(stored.external_id.clone());
        };
        let is_same = self.sight != Sight::Nothing && *new == stored.external_id;
        if stored.external_id.is_some() && !is_same {
            return Err(ServiceError::Step(StepError::ExternalIdSet));
        }
        Ok(new.clone())
    }

    /// Returns the metadata after the edit; absent if they stay as they are, as far as the client may know.
    fn metadata_over(&self, stored: &PaymentDetails) -> Result<Option<Metadata>, EditError> {
        let edited = match &self.metadata {
            None => return Ok(None),
            Some(MetadataEdit::Whole(metadata)) => metadata.clone(),
            Some(MetadataEdit::Entries(patch)) => {
                stored.metadata.patched(patch).map_err(EditError::Metadata)?
            }
        };
        let is_seen = self.sight != Sight::Nothing;
        Ok((!is_seen || edited != stored.metadata).then_some(edited))
    }
}

/// The reason for which an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The amount does not fit its currency.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The new value does not fit the stored amount or currency, and the client may see neither.
    #[error("This does not go with the payout's stored amount or currency: send both.")]
    Unfit,
    /// The field contains a mask of another account or name.
    #[error("This is a mask, and not the current one: send the whole value, or omit the field.")]
    Masked(&'static str),
    /// The payout would have too many entries in its metadata.
    #[error(transparent)]
    Metadata(InvalidMetadata),
    /// No payout may be scheduled for this time.
    #[error(transparent)]
    Schedule(InvalidSchedule),
    /// Any other error.
    #[error(transparent)]
    Service(#[from] ServiceError),
}
