//! What the store says of a payout against what the provider says of its keys: pure, one table.

use std::cmp::Ordering;
use std::time::Duration;

use crate::Timestamp;
use crate::payout::{ProviderReference, Status};
use crate::ports::Record;
use crate::provider::ProviderAnswer;

/// What the provider says of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum There {
    /// It was paid.
    Paid,
    /// It will be settled later.
    Accepted,
    /// It was declined for good.
    Declined,
    /// The provider has never received it.
    Unknown,
}

impl There {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Unknown => "unknown",
        }
    }
}

/// How the store and the provider disagree on a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Paid there, and not completed here.
    PaidThere,
    /// Two generations are paid there.
    PaidTwice,
    /// Accepted there, so that it may still be paid, and final here.
    AcceptedThere,
    /// Declined there, and neither failed here nor about to be.
    DeclinedThere,
    /// Completed here, and the provider has never received it.
    UnknownThere,
    /// Completed here and paid there, under another name of the payment.
    OtherReference,
    /// The provider's answer is of another amount, currency, recipient or description: the store was restored to before an
    /// edit, or a row was altered.
    OtherPayment,
    /// The provider knows a retry that the store does not: the store was restored from a backup.
    LaterAttemptThere,
    /// Processing for longer than it should take, whatever the provider says.
    ProcessingTooLong,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::PaidThere,
        Self::PaidTwice,
        Self::AcceptedThere,
        Self::DeclinedThere,
        Self::UnknownThere,
        Self::OtherReference,
        Self::OtherPayment,
        Self::LaterAttemptThere,
        Self::ProcessingTooLong,
    ];

    /// For programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaidThere => "paid_there",
            Self::PaidTwice => "paid_twice",
            Self::AcceptedThere => "accepted_there",
            Self::DeclinedThere => "declined_there",
            Self::UnknownThere => "unknown_there",
            Self::OtherReference => "other_reference",
            Self::OtherPayment => "other_payment",
            Self::LaterAttemptThere => "later_attempt_there",
            Self::ProcessingTooLong => "processing_too_long",
        }
    }
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// How they disagree.
    pub kind: Kind,
    /// The generation whose key it is about.
    pub generation: u32,
    /// What the provider says of that key.
    pub there: There,
    /// The provider's name for the payment, where it gave one.
    pub reference: Option<ProviderReference>,
}

/// What the provider said of one generation's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The generation.
    pub generation: u32,
    /// The answer; absent when the provider has never received the key.
    pub answer: Option<ProviderAnswer>,
}

impl Said {
    fn there(&self) -> There {
        match self.answer.as_ref().map(ProviderAnswer::outcome) {
            Some(ProviderAnswer::Paid { .. } | ProviderAnswer::Reported { .. }) => There::Paid,
            Some(ProviderAnswer::Accepted { .. }) => There::Accepted,
            Some(ProviderAnswer::Declined(_)) => There::Declined,
            None => There::Unknown,
        }
    }

    fn reference(&self) -> Option<&ProviderReference> {
        match self.answer.as_ref().map(ProviderAnswer::outcome) {
            Some(ProviderAnswer::Paid { reference } | ProviderAnswer::Accepted { reference }) => {
                Some(reference)
            }
            Some(ProviderAnswer::Declined(_) | ProviderAnswer::Reported { .. }) | None => None,
        }
    }
}

/// The generations whose keys must be looked up: all that there were, and the one that a retry would make, which a store
/// that was restored from a backup may have forgotten.
pub fn generations(record: &Record) -> std::ops::RangeInclusive<u32> {
    let retried = u32::from(record.status == Status::Failed);
    0..=record.generation.saturating_add(retried)
}

/// Every disagreement, at `now` by the store's clock. A payout that a worker is about to settle by itself is none.
pub fn compare(record: &Record, said: &[Said], now: Timestamp, too_long: Duration) -> Vec<Disagreement> {
    let mut found: Vec<Disagreement> = said
        .iter()
        .filter_map(|said| {
            let kind = match said.generation.cmp(&record.generation) {
                Ordering::Less => of_earlier(said.there()),
                Ordering::Equal => of_current(record, said, is_too_long(record, now, too_long)),
                Ordering::Greater => of_later(said.there()),
            };
            kind.map(|kind| disagreement(kind, said))
        })
        .collect();
    // An earlier generation may have been edited since.
    let current = said.iter().filter(|said| said.generation == record.generation);
    let of_another = current.filter(|said| {
        let payment = said.answer.as_ref().and_then(ProviderAnswer::payment);
        payment.is_some_and(|payment| {
            payment
                .contradicts(record.money, record.digest.as_deref())
                .is_some()
        })
    });
    found.extend(of_another.map(|said| disagreement(Kind::OtherPayment, said)));
    let mut paid = said.iter().filter(|said| said.there() == There::Paid);
    if let (Some(_), Some(second)) = (paid.next(), paid.next()) {
        found.push(disagreement(Kind::PaidTwice, second));
    }
    found
}

fn disagreement(kind: Kind, said: &Said) -> Disagreement {
    Disagreement {
        kind,
        generation: said.generation,
        there: said.there(),
        reference: said.reference().cloned(),
    }
}

/// It failed, or there would be no later one.
fn of_earlier(there: There) -> Option<Kind> {
    match there {
        There::Paid => Some(Kind::PaidThere),
        There::Accepted => Some(Kind::AcceptedThere),
        There::Declined | There::Unknown => None,
    }
}

fn of_later(there: There) -> Option<Kind> {
    match there {
        There::Paid | There::Accepted | There::Declined => Some(Kind::LaterAttemptThere),
        There::Unknown => None,
    }
}

fn of_current(record: &Record, said: &Said, too_long: bool) -> Option<Kind> {
    match (record.status, said.there()) {
        (Status::Completed, There::Paid) => {
            // A person's resolution has no reference.
            let here = record.provider_reference.as_ref();
            let other = here.is_some() && here != said.reference();
            other.then_some(Kind::OtherReference)
        }
        (Status::Completed, There::Accepted) => Some(Kind::AcceptedThere),
        (Status::Completed | Status::Cancelled | Status::Pending, There::Declined) => {
            Some(Kind::DeclinedThere)
        }
        (Status::Completed, There::Unknown) => Some(Kind::UnknownThere),
        (Status::Failed | Status::Cancelled | Status::Pending, There::Paid) => Some(Kind::PaidThere),
        (Status::Failed | Status::Cancelled | Status::Pending, There::Accepted) => Some(Kind::AcceptedThere),
        (Status::Failed, There::Declined | There::Unknown) => None,
        (Status::Cancelled | Status::Pending, There::Unknown) => None,
        // Nobody but a person settles it.
        (Status::Processing, There::Paid) if record.needs_review => Some(Kind::PaidThere),
        (Status::Processing, There::Declined) if record.needs_review => Some(Kind::DeclinedThere),
        // A worker adopts what it finds by itself, but should have by then.
        (Status::Processing, There::Paid | There::Accepted | There::Declined | There::Unknown) => {
            too_long.then_some(Kind::ProcessingTooLong)
        }
    }
}

fn is_too_long(record: &Record, now: Timestamp, too_long: Duration) -> bool {
    let since = record.first_submitted_at.unwrap_or(record.created_at);
    (now - since).to_std().is_ok_and(|age| age > too_long)
}
