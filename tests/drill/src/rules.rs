//! The service's promises, each as the violation that would break it.

use std::fmt;

/// A violated promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    PaidTwice,
    TwoProviders,
    TwoGenerationsPaid,
    PaidButNotCompleted,
    CompletedButNotPaid,
    ReturnedThereNotHere,
    ReturnedHereNotThere,
    RechecksNotOver,
    CreateLost,
    Stuck,
    ReviewWithoutUnknown,
    PaidForNobody,
    PaidSomethingElse,
    KeyWithTwoInstructions,
    TwoPayoutsOfOneKey,
    StepLost,
    FinalStateChanged,
    StaleFence,
    LeaseBroken,
    ApiDisagrees,
    CreateUnanswered,
    ServerError,
    ProcessEnded,
    FeedDiffers,
    EventLost,
    EventOutOfOrder,
    DeliveryWrong,
    GoneNotDisabled,
}

impl Rule {
    pub(crate) const ALL: [Self; 28] = [
        Self::PaidTwice,
        Self::TwoProviders,
        Self::TwoGenerationsPaid,
        Self::PaidButNotCompleted,
        Self::CompletedButNotPaid,
        Self::ReturnedThereNotHere,
        Self::ReturnedHereNotThere,
        Self::RechecksNotOver,
        Self::CreateLost,
        Self::Stuck,
        Self::ReviewWithoutUnknown,
        Self::PaidForNobody,
        Self::PaidSomethingElse,
        Self::KeyWithTwoInstructions,
        Self::TwoPayoutsOfOneKey,
        Self::StepLost,
        Self::FinalStateChanged,
        Self::StaleFence,
        Self::LeaseBroken,
        Self::ApiDisagrees,
        Self::CreateUnanswered,
        Self::ServerError,
        Self::ProcessEnded,
        Self::FeedDiffers,
        Self::EventLost,
        Self::EventOutOfOrder,
        Self::DeliveryWrong,
        Self::GoneNotDisabled,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaidTwice => "payments by (payout, generation) > 1",
            Self::TwoProviders => "a payment at another provider than the payout names",
            Self::TwoGenerationsPaid => "two generations of one payout both paid and not returned",
            Self::PaidButNotCompleted => "paid, but failed, cancelled or deleted unpaid here",
            Self::CompletedButNotPaid => "completed here, but not paid",
            Self::ReturnedThereNotHere => "returned there, and completed here after the last recheck",
            Self::ReturnedHereNotThere => "returned here, but not there",
            Self::RechecksNotOver => "rechecks that were not over in time",
            Self::CreateLost => "a create answered 2xx that is not there",
            Self::Stuck => "neither final nor in review in time",
            Self::ReviewWithoutUnknown => "in review without an unknown outcome",
            Self::PaidForNobody => "a payment for a payout that is not there",
            Self::PaidSomethingElse => "paid something else than the payout says",
            Self::KeyWithTwoInstructions => "one key sent with two instructions",
            Self::TwoPayoutsOfOneKey => "one Idempotency-Key, two payouts",
            Self::StepLost => "an acknowledged cancel, delete or edit that is not there",
            Self::FinalStateChanged => "a final state that changed without a retry",
            Self::StaleFence => "a stale fence that changed something",
            Self::LeaseBroken => "a claim while another's lease ran",
            Self::ApiDisagrees => "the API and the database disagree",
            Self::CreateUnanswered => "a create that was never answered, or refused",
            Self::ServerError => "an answer 500",
            Self::ProcessEnded => "a process that ended by itself",
            Self::FeedDiffers => "the feed skips or repeats an event, or differs from the trails",
            Self::EventLost => "an event that an endpoint did not get",
            Self::EventOutOfOrder => "a payout's events out of order at an endpoint",
            Self::DeliveryWrong => "a delivery that does not verify, or that nobody may have sent",
            Self::GoneNotDisabled => "an endpoint that answered 410 and is not disabled",
        })
    }
}
