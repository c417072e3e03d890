//! The steps that may be taken with many payouts.

use crate::access::Scope;

/// The step of a bulk action.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownBulkStep, parse_err_fn = UnknownBulkStep::of)]
pub enum BulkStep {
    /// Approves payouts that await approval.
    Approve,
    /// Rejects payouts that await approval.
    Reject,
    /// Cancels payouts that no worker has claimed.
    Cancel,
    /// Retries payouts that failed or were returned.
    Retry,
}

/// The text is not the name of a step of bulk actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a step is one of approve, reject, cancel and retry")]
pub struct UnknownBulkStep;

impl UnknownBulkStep {
    fn of(_: &str) -> Self {
        Self
    }
}

impl BulkStep {
    /// Every step.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name in forms and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the scope that the step needs, when it is started and while it goes on.
    pub fn scope(self) -> Scope {
        match self {
            Self::Approve | Self::Reject => Scope::Approve,
            Self::Cancel | Self::Retry => Scope::Operate,
        }
    }

    /// Returns whether the step leads to a payment. Such a step is taken only with payouts that have not changed since
    /// they were counted.
    pub fn pays(self) -> bool {
        match self {
            Self::Approve | Self::Retry => true,
            Self::Reject | Self::Cancel => false,
        }
    }

    /// Returns whether a reason is required.
    pub fn needs_reason(self) -> bool {
        match self {
            Self::Reject | Self::Cancel => true,
            Self::Approve | Self::Retry => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_as_it_was_written() {
        for step in BulkStep::ALL.iter().copied() {
            assert_eq!(step.as_str().parse(), Ok(step));
        }
        assert_eq!("delete".parse::<BulkStep>(), Err(UnknownBulkStep));
    }

    #[test]
    fn what_pays_needs_no_reason_and_what_ends_a_payout_does() {
        for step in BulkStep::ALL.iter().copied() {
            assert_ne!(step.pays(), step.needs_reason(), "{step:?}");
        }
    }
}
