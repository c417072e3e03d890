//! The service's promises, each as the violation that would break it.

use std::fmt;

/// A violated promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    PaidTwice,
    TwoGenerationsPaid,
    PaidButNotCompleted,
    CompletedButNotPaid,
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
}

impl Rule {
    pub(crate) const ALL: [Self; 19] = [
        Self::PaidTwice,
        Self::TwoGenerationsPaid,
        Self::PaidButNotCompleted,
        Self::CompletedButNotPaid,
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
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaidTwice => "payments by (payout, generation) > 1",
            Self::TwoGenerationsPaid => "two generations of one payout both paid",
            Self::PaidButNotCompleted => "paid, but failed, cancelled or deleted unpaid here",
            Self::CompletedButNotPaid => "completed here, but not paid",
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
        })
    }
}
