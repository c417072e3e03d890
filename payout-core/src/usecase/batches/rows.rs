//! The rows of a batch with the stored recipients that they name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::source::{BatchSource, RowPayment, RowRecipient};
use super::{BatchError, Batches};
use crate::Timestamp;
use crate::batch::Mistake;
use crate::payout::{PaymentDetails, Recipient};
use crate::stored_recipient::RecipientId;
use crate::usecase::CreateOptions;

/// The number of recipients in one question to the store.
const ASKED: usize = 1_000;

/// The column that names a stored recipient.
const COLUMN: &str = "recipient_id";

/// The rows of a batch, each with its recipient. They can be read again from the first, with the same result: a
/// recipient that is edited meanwhile stays as it was read.
pub(super) struct Rows {
    source: Arc<dyn BatchSource>,
    recipients: HashMap<RecipientId, Copied>,
    scheduled_at: Option<Timestamp>,
}

/// A stored recipient that rows name.
struct Copied {
    recipient: Recipient,
    is_archived: bool,
}

/// A row with the payment that it asks for.
pub(super) struct Row {
    pub(super) number: u64,
    /// The payment, or the mistakes that keep it from being known at all.
    pub(super) details: Result<PaymentDetails, Vec<Mistake>>,
    pub(super) options: CreateOptions,
    /// The reason for which the payment is not made although it is known.
    pub(super) forbidden: Option<Mistake>,
}

impl Batches {
    /// Reads the stored recipients that the rows of a batch name.
    ///
    /// # Errors
    /// [`BatchError::Service`].
    pub(super) async fn rows(
        &self,
        source: &Arc<dyn BatchSource>,
        scheduled_at: Option<Timestamp>,
    ) -> Result<Arc<Rows>, BatchError> {
        let mut recipients = HashMap::new();
        if source.may_name_recipients() {
            let of = source.clone();
            let named = super::blocking(move || named(&*of)).await;
            for part in named.chunks(ASKED) {
                for stored in self.recipients.find_recipients(part).await? {
                    let copied = Copied {
                        recipient: stored.recipient,
                        is_archived: stored.archived_at.is_some(),
                    };
                    recipients.insert(stored.id, copied);
                }
            }
        }
        Ok(Arc::new(Rows {
            source: source.clone(),
            recipients,
            scheduled_at,
        }))
    }
}

/// Returns the stored recipients that rows name, each once.
fn named(source: &dyn BatchSource) -> Vec<RecipientId> {
    let mut seen = HashSet::new();
    let named = source.rows().filter_map(|row| match row.payment.ok()?.recipient {
        RowRecipient::Stored(id) => Some(id),
        RowRecipient::Given(_) => None,
    });
    named.filter(|id| seen.insert(*id)).collect()
}

impl Rows {
    /// Reads the rows.
    pub(super) fn read(&self) -> impl Iterator<Item = Row> + '_ {
        self.source.rows().map(|row| match row.payment {
            Ok(payment) => self.row(row.number, payment),
            Err(mistakes) => Row::unknown(row.number, mistakes),
        })
    }

    fn row(&self, number: u64, payment: RowPayment) -> Row {
        let RowPayment {
            terms,
            recipient,
            allow_duplicate,
        } = payment;
        let (details, forbidden) = match recipient {
            RowRecipient::Given(recipient) => (terms.paid_to(*recipient, None), None),
            RowRecipient::Stored(id) => {
                let Some(copied) = self.recipients.get(&id) else {
                    let message = "There is no such recipient.";
                    return Row::unknown(number, vec![Mistake::of(number, COLUMN, message)]);
                };
                let message = "This recipient is archived: no further payout can be made from it.";
                let forbidden = copied.is_archived.then(|| Mistake::of(number, COLUMN, message));
                (terms.paid_to(copied.recipient.clone(), Some(id)), forbidden)
            }
        };
        Row {
            number,
            details: Ok(scheduled(details, self.scheduled_at)),
            options: CreateOptions { allow_duplicate },
            forbidden,
        }
    }
}

impl Row {
    fn unknown(number: u64, mistakes: Vec<Mistake>) -> Self {
        Self {
            number,
            details: Err(mistakes),
            options: CreateOptions::default(),
            forbidden: None,
        }
    }
}

/// Applies the schedule of a batch to a payment without one.
fn scheduled(mut details: PaymentDetails, batch: Option<Timestamp>) -> PaymentDetails {
    details.scheduled_at = details.scheduled_at.or(batch);
    details.in_whole_micros()
}
