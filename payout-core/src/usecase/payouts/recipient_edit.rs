//! The recipient in an edit: a whole one, or a new account or name for the stored one.

use crate::payout::{Recipient, RecipientAccount, RecipientFields, RecipientName};
use crate::text::nfc;
use crate::usecase::payouts::{EditError, EditRequest, Sight};

/// A new recipient in place of the stored one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientEdit {
    /// A whole recipient.
    Whole(Box<Recipient>),
    /// Parts with masks, as an answer to a client that may not see the recipient has them.
    Masked(RecipientFields),
}

impl EditRequest {
    /// Returns the recipient after the edit; absent if the request names none, or only the masks that the client was
    /// shown. A value that is equivalent to the stored one keeps the stored spelling.
    pub(in crate::usecase) fn recipient_over(
        &self,
        stored: &Recipient,
    ) -> Result<Option<Recipient>, EditError> {
        // A client that may see nothing was not shown the mask either.
        let shown = self.sight != Sight::Nothing;
        match &self.recipient {
            None => (),
            Some(RecipientEdit::Whole(recipient)) if recipient.is_equivalent(stored) => {
                return Ok(Some(stored.clone()));
            }
            Some(RecipientEdit::Whole(recipient)) => return Ok(Some((**recipient).clone())),
            Some(RecipientEdit::Masked(masked)) if shown && is_mask_of(masked, stored) => (),
            Some(RecipientEdit::Masked(_)) => return Err(EditError::Masked("recipient")),
        }
        let account = self.recipient_account.as_ref();
        let account = account.filter(|account| !(shown && account.as_str() == nfc(&stored.masked_account())));
        if account.is_some_and(RecipientAccount::is_masked) {
            return Err(EditError::Masked("recipient_account"));
        }
        let name = self.recipient_name.as_ref();
        let name = name.filter(|name| !(shown && name.as_str() == nfc(&stored.name().masked())));
        if name.is_some_and(RecipientName::is_masked) {
            return Err(EditError::Masked("recipient_name"));
        }
        let is_named = account.is_some() || name.is_some();
        let edited = stored.edited(
            account
                .filter(|account| !account.is_equivalent(stored.account()))
                .cloned(),
            name.filter(|name| !name.is_equivalent(stored.name())).cloned(),
        );
        Ok(is_named.then_some(edited))
    }
}

/// Returns whether these are the masked parts of the recipient, in any composition of their characters.
fn is_mask_of(masked: &RecipientFields, stored: &Recipient) -> bool {
    let expected = stored.masked_fields();
    masked.0.len() == expected.0.len()
        && masked
            .0
            .iter()
            .zip(&expected.0)
            .all(|((name, text), (of, mask))| name == of && nfc(text.trim()) == nfc(mask))
}
