//! The rows of a batch, whatever the format of the request.

use crate::Timestamp;
use crate::batch::Mistake;
use crate::money::Money;
use crate::payout::{Description, ExternalId, Metadata, PaymentDetails, Recipient, StatementText};
use crate::stored_recipient::RecipientId;

/// A row of a batch as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// The number of the row, for messages.
    pub number: u64,
    /// The payment, or everything that is wrong with the row.
    pub payment: Result<RowPayment, Vec<Mistake>>,
}

/// The payment that a row asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPayment {
    /// Everything but the receiver.
    pub terms: PaymentTerms,
    /// The receiver of the money.
    pub recipient: RowRecipient,
    /// True if the payout is not held for approval as a likely duplicate.
    pub allow_duplicate: bool,
}

/// The fields of a payment, without its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The amount and its currency.
    pub money: Money,
    /// The purpose of the payment.
    pub description: Description,
    /// The client's own reference.
    pub external_id: Option<ExternalId>,
    /// Texts that the client keeps with the payout.
    pub metadata: Metadata,
    /// The text for the recipient's statement.
    pub statement_text: Option<StatementText>,
    /// The time at which the payout becomes due.
    pub scheduled_at: Option<Timestamp>,
}

/// The receiver of a row's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowRecipient {
    /// The row has it.
    Given(Box<Recipient>),
    /// A stored recipient, which is copied.
    Stored(RecipientId),
}

impl PaymentTerms {
    /// Returns the payment to a recipient, which is a copy of a stored one if `copied` names it.
    pub fn paid_to(self, recipient: Recipient, copied: Option<RecipientId>) -> PaymentDetails {
        PaymentDetails {
            money: self.money,
            recipient,
            recipient_id: copied,
            description: self.description,
            external_id: self.external_id,
            metadata: self.metadata,
            statement_text: self.statement_text,
            scheduled_at: self.scheduled_at,
        }
    }
}

impl SourceRow {
    /// Builds a row with one mistake.
    pub fn wrong(number: u64, column: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            number,
            payment: Err(vec![Mistake {
                row: number,
                column: column.map(str::to_owned),
                message: message.into(),
            }]),
        }
    }
}

/// The rows of a batch. They can be read again from the first, with the same result.
pub trait BatchSource: Send + Sync + 'static {
    /// Reads the rows.
    fn rows(&self) -> Box<dyn Iterator<Item = SourceRow> + Send + '_>;

    /// Returns whether a row may name a stored recipient.
    fn may_name_recipients(&self) -> bool;
}
