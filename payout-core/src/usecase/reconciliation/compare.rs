//! Compares the store's record of a payout with the provider's answers for its keys. Pure: it makes no calls.

use std::cmp::Ordering;
use std::time::Duration;

use crate::Timestamp;
use crate::payout::{ProviderReference, Status};
use crate::ports::Record;
use crate::provider::{ProviderAnswer, ProviderName};

/// The status of one key at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderStatus {
    /// The provider paid it.
    Paid,
    /// The provider accepted it and will settle it later.
    Accepted,
    /// The provider declined it permanently.
    Declined,
    /// The provider paid it, and the payment came back.
    Returned,
    /// The provider refused it for now, and paid nothing.
    Waiting,
    /// The provider has never received it.
    Unknown,
}

impl ProviderStatus {
    /// Returns the status as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Returned => "returned",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
        }
    }
}

/// A kind of disagreement between the store and the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Paid by the provider, but not completed in the store.
    PaidThere,
    /// The provider paid two generations.
    PaidTwice,
    /// Accepted by the provider, so that it may still be paid, but final in the store.
    AcceptedThere,
    /// Declined by the provider, but neither failed in the store nor about to fail.
    DeclinedThere,
    /// Returned by the provider, but not in the store.
    ReturnedThere,
    /// Returned in the store, but the provider says that the payment stands.
    PaidNotReturnedThere,
    /// Completed in the store, but the provider has never received it.
    UnknownThere,
    /// Completed in the store and paid by the provider, under another payment reference.
    OtherReference,
    /// The provider's answer has another amount, currency, recipient or description. Either the store was restored to a
    /// time before an edit, or a row was altered.
    OtherPayment,
    /// The provider knows a retry that the store does not: the store was restored from a backup.
    LaterAttemptThere,
    /// Processing for longer than it should, whatever the provider answered.
    ProcessingTooLong,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::PaidThere,
        Self::PaidTwice,
        Self::AcceptedThere,
        Self::DeclinedThere,
        Self::ReturnedThere,
        Self::PaidNotReturnedThere,
        Self::UnknownThere,
        Self::OtherReference,
        Self::OtherPayment,
        Self::LaterAttemptThere,
        Self::ProcessingTooLong,
    ];

    /// Returns the kind as a stable identifier for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaidThere => "paid_there",
            Self::PaidTwice => "paid_twice",
            Self::AcceptedThere => "accepted_there",
            Self::DeclinedThere => "declined_there",
            Self::ReturnedThere => "returned_there",
            Self::PaidNotReturnedThere => "paid_not_returned_there",
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
    /// The kind.
    pub kind: Kind,
    /// The generation whose key is concerned.
    pub generation: u32,
    /// The provider's name; absent where the program names none.
    pub provider: Option<ProviderName>,
    /// The status of that key at the provider.
    pub there: ProviderStatus,
    /// The provider's payment reference, if it gave one.
    pub reference: Option<ProviderReference>,
}

/// The provider's answer for one generation's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReport {
    /// The generation.
    pub generation: u32,
    /// The provider's name; absent where the program names none.
    pub provider: Option<ProviderName>,
    /// True if this provider makes the payment of the current generation.
    pub owns: bool,
    /// The answer; absent when the provider has never received the key.
    pub answer: Option<ProviderAnswer>,
}

impl ProviderReport {
    fn there(&self) -> ProviderStatus {
        match self.answer.as_ref().map(ProviderAnswer::outcome) {
            Some(ProviderAnswer::Paid { .. } | ProviderAnswer::Reported { .. }) => ProviderStatus::Paid,
            Some(ProviderAnswer::Accepted { .. }) => ProviderStatus::Accepted,
            Some(ProviderAnswer::Declined(_)) => ProviderStatus::Declined,
            Some(ProviderAnswer::Returned(_)) => ProviderStatus::Returned,
            Some(ProviderAnswer::Waiting { .. }) => ProviderStatus::Waiting,
            None => ProviderStatus::Unknown,
        }
    }

    fn reference(&self) -> Option<&ProviderReference> {
        match self.answer.as_ref().map(ProviderAnswer::outcome) {
            Some(ProviderAnswer::Paid { reference } | ProviderAnswer::Accepted { reference, .. }) => {
                Some(reference)
            }
            Some(ProviderAnswer::Returned(returned)) => returned.reference.as_ref(),
            Some(
                ProviderAnswer::Declined(_)
                | ProviderAnswer::Waiting { .. }
                | ProviderAnswer::Reported { .. },
            )
            | None => None,
        }
    }
}

/// Returns the generations whose keys must be looked up: all up to the current one and, for a failed or returned payout, the one
/// that a retry would make. A store that was restored from a backup may have lost that retry.
pub fn generations(record: &Record) -> std::ops::RangeInclusive<u32> {
    let retried = u32::from(matches!(record.status, Status::Failed | Status::Returned));
    0..=record.generation.saturating_add(retried)
}

/// Returns every disagreement, at `now` by the store's clock. Does not report a payout that a worker is about to
/// settle.
pub fn compare(
    record: &Record,
    said: &[ProviderReport],
    now: Timestamp,
    too_long: Duration,
) -> Vec<Disagreement> {
    let mut found: Vec<Disagreement> = said
        .iter()
        .filter_map(|said| {
            let kind = match said.generation.cmp(&record.generation) {
                Ordering::Less => of_earlier(said.there()),
                // Only one provider may have it.
                Ordering::Equal if !said.owns => of_earlier(said.there()),
                Ordering::Equal => of_current(record, said, is_too_long(record, now, too_long)),
                Ordering::Greater => of_later(said.there()),
            };
            kind.map(|kind| disagreement(kind, said))
        })
        .collect();
    // An earlier generation may have been edited since, so only the current one is checked.
    let current = said
        .iter()
        .filter(|said| said.owns && said.generation == record.generation);
    let of_another = current.filter(|said| {
        let payment = said.answer.as_ref().and_then(ProviderAnswer::payment);
        payment.is_some_and(|payment| {
            payment
                .contradicts(record.money, record.digest.as_deref())
                .is_some()
        })
    });
    found.extend(of_another.map(|said| disagreement(Kind::OtherPayment, said)));
    let mut paid = said.iter().filter(|said| said.there() == ProviderStatus::Paid);
    if let (Some(_), Some(second)) = (paid.next(), paid.next()) {
        found.push(disagreement(Kind::PaidTwice, second));
    }
    found
}

fn disagreement(kind: Kind, said: &ProviderReport) -> Disagreement {
    Disagreement {
        kind,
        generation: said.generation,
        provider: said.provider.clone(),
        there: said.there(),
        reference: said.reference().cloned(),
    }
}

/// An earlier generation must have failed: otherwise there would be no later one.
fn of_earlier(there: ProviderStatus) -> Option<Kind> {
    match there {
        ProviderStatus::Paid => Some(Kind::PaidThere),
        ProviderStatus::Accepted => Some(Kind::AcceptedThere),
        ProviderStatus::Declined
        | ProviderStatus::Returned
        | ProviderStatus::Waiting
        | ProviderStatus::Unknown => None,
    }
}

fn of_later(there: ProviderStatus) -> Option<Kind> {
    match there {
        ProviderStatus::Paid
        | ProviderStatus::Accepted
        | ProviderStatus::Declined
        | ProviderStatus::Returned
        | ProviderStatus::Waiting => Some(Kind::LaterAttemptThere),
        ProviderStatus::Unknown => None,
    }
}

fn of_current(record: &Record, said: &ProviderReport, too_long: bool) -> Option<Kind> {
    match (record.status, said.there()) {
        (Status::Completed, ProviderStatus::Paid) => {
            // A payout that an operator resolved has no reference.
            let here = record.provider_reference.as_ref();
            let other = here.is_some() && here != said.reference();
            other.then_some(Kind::OtherReference)
        }
        (Status::Completed, ProviderStatus::Accepted) => Some(Kind::AcceptedThere),
        (
            Status::Completed | Status::Cancelled | Status::AwaitingApproval | Status::Pending,
            ProviderStatus::Declined,
        ) => Some(Kind::DeclinedThere),
        (Status::Returned, ProviderStatus::Returned) => None,
        (
            Status::Completed
            | Status::Failed
            | Status::Cancelled
            | Status::AwaitingApproval
            | Status::Pending,
            ProviderStatus::Returned,
        ) => Some(Kind::ReturnedThere),
        (Status::Processing, ProviderStatus::Returned) if record.needs_review => Some(Kind::ReturnedThere),
        (Status::Returned, ProviderStatus::Paid) => Some(Kind::PaidNotReturnedThere),
        (Status::Returned, ProviderStatus::Accepted) => Some(Kind::AcceptedThere),
        (Status::Returned, ProviderStatus::Declined | ProviderStatus::Unknown | ProviderStatus::Waiting) => {
            None
        }
        (Status::Completed, ProviderStatus::Waiting) => Some(Kind::UnknownThere),
        (
            Status::Failed | Status::Cancelled | Status::AwaitingApproval | Status::Pending,
            ProviderStatus::Waiting,
        ) => None,
        (Status::Completed, ProviderStatus::Unknown) => Some(Kind::UnknownThere),
        (
            Status::Failed | Status::Cancelled | Status::AwaitingApproval | Status::Pending,
            ProviderStatus::Paid,
        ) => Some(Kind::PaidThere),
        (
            Status::Failed | Status::Cancelled | Status::AwaitingApproval | Status::Pending,
            ProviderStatus::Accepted,
        ) => Some(Kind::AcceptedThere),
        (Status::Failed, ProviderStatus::Declined | ProviderStatus::Unknown) => None,
        (Status::Cancelled | Status::AwaitingApproval | Status::Pending, ProviderStatus::Unknown) => None,
        // Only an operator settles it.
        (Status::Processing, ProviderStatus::Paid) if record.needs_review => Some(Kind::PaidThere),
        (Status::Processing, ProviderStatus::Declined) if record.needs_review => Some(Kind::DeclinedThere),
        // A worker adopts the provider's status by itself, but should have done so by then.
        (
            Status::Processing,
            ProviderStatus::Paid
            | ProviderStatus::Accepted
            | ProviderStatus::Declined
            | ProviderStatus::Returned
            | ProviderStatus::Waiting
            | ProviderStatus::Unknown,
        ) => too_long.then_some(Kind::ProcessingTooLong),
    }
}

fn is_too_long(record: &Record, now: Timestamp, too_long: Duration) -> bool {
    let since = record.first_submitted_at.unwrap_or(record.created_at);
    (now - since).to_std().is_ok_and(|age| age > too_long)
}
