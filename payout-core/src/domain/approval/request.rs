//! The approvals that a new payout requires, as far as they are known before it is stored.

use std::time::Duration;

use crate::approval::{Approval, ApprovalRules, Person};
use crate::money::Money;
use crate::payout::PayoutId;

/// The operator's settings for approvals. By default no payout requires any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// The number of people who must approve, by currency and amount.
    pub rules: ApprovalRules,
    /// The time for which another payout of the same amount to the same recipient counts as a likely duplicate; absent
    /// if likely duplicates are not looked for.
    pub duplicates_within: Option<Duration>,
}

impl ApprovalPolicy {
    /// Returns whether no payout requires approval.
    pub fn is_off(&self) -> bool {
        self.rules.is_empty() && self.duplicates_within.is_none()
    }

    /// Returns the request for a new payout; `None` if the settings require nothing of any payout.
    pub fn of_new(
        &self,
        money: Money,
        creator: Person,
        allow_duplicate: bool,
    ) -> Option<Box<ApprovalRequest>> {
        if self.is_off() {
            return None;
        }
        Some(Box::new(ApprovalRequest {
            creator,
            required: self.rules.required(money),
            duplicates_within: self.duplicates_within.filter(|_| !allow_duplicate),
            duplicate_of: None,
        }))
    }
}

/// The approvals that a new payout requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// The person who creates the payout.
    pub creator: Person,
    /// The number of people who must approve it for its amount.
    pub required: u8,
    /// The time within which the repository looks for a likely duplicate; absent if it need not look.
    pub duplicates_within: Option<Duration>,
    /// The payout that the new one likely duplicates, once the repository has found it.
    pub duplicate_of: Option<PayoutId>,
}

impl ApprovalRequest {
    /// Returns the approvals of the payout as it is stored.
    pub(crate) fn approval(&self) -> Approval {
        let mut approval = Approval {
            creator: Some(self.creator.clone()),
            ..Approval::default()
        };
        approval.require(self.required, self.duplicate_of);
        approval
    }
}
