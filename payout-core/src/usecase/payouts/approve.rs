//! Approvals: the steps of an approver.

use crate::approval::ApprovalRequest;
use crate::money::Money;
use crate::payout::{Caller, Change, Payout, PayoutId, StepError};
use crate::usecase::payouts::{Payouts, ServiceError};

impl Payouts {
    /// Approves a payout that awaits approval. The last approval that is required makes it pending, and a hint is sent
    /// to a worker.
    ///
    /// # Errors
    /// [`ServiceError::Step`] if the payout awaits no approval, or the caller may not approve it; [`ServiceError`].
    pub async fn approve(
        &self,
        id: PayoutId,
        if_match: Option<&[u64]>,
        caller: Caller,
    ) -> Result<Payout, ServiceError> {
        self.change(id, if_match, |payout| {
            payout.approve(caller).map(Some).map_err(ServiceError::Step)
        })
        .await
    }

    /// Rejects a payout that awaits approval: it is cancelled.
    ///
    /// # Errors
    /// [`ServiceError::Step`] if the payout awaits no approval; [`ServiceError`].
    pub async fn reject(
        &self,
        id: PayoutId,
        if_match: Option<&[u64]>,
        caller: Caller,
    ) -> Result<Payout, ServiceError> {
        self.change(id, if_match, |payout| {
            let rejected = payout.reject(caller).map(Some);
            rejected.map_err(|illegal| ServiceError::Step(StepError::Illegal(illegal)))
        })
        .await
    }

    /// Returns the approvals that a new payout requires; `None` if the settings require nothing of any payout.
    pub(crate) fn approval_of(
        &self,
        money: Money,
        caller: &Caller,
        allow_duplicate: bool,
    ) -> Option<Box<ApprovalRequest>> {
        if self.approvals.is_off() {
            return None;
        }
        self.approvals.of_new(money, caller.person(), allow_duplicate)
    }

    /// Applies the rules to an edit or a retry.
    pub(super) fn requiring(&self, change: Change) -> Change {
        let required = self.approvals.rules.required(change.after.money());
        change.requiring(required)
    }

    /// Has the repository look for a likely duplicate of the payout as an edit or a retry leaves it, where the settings
    /// say so.
    pub(super) fn looking_for_duplicates(&self, change: Change) -> Change {
        match self.approvals.duplicates_within {
            Some(within) => change.looking_for_duplicates(within),
            None => change,
        }
    }
}
