//! The comparison of a claimed payout with what was approved.

use crate::approval::ApprovalDigest;
use crate::attempt::{Claim, Verdict};
use crate::payout::PayoutParts;

impl Claim {
    /// Checks that the payout is what was approved, if it requires approval. A worker makes no call for it otherwise.
    ///
    /// # Errors
    /// The review that is due instead: the row was changed past the service.
    pub fn as_approved(&self) -> Result<(), Verdict> {
        let parts = self.0.parts();
        let Some(approval) = parts.approval.as_ref().filter(|approval| approval.required > 0) else {
            return Ok(());
        };
        let why = match approval.digest {
            Some(digest) if digest == ApprovalDigest::of(parts) => return Ok(()),
            Some(_) => {
                "The payout is not what was approved: its row was altered past this service. Nothing was sent by this \
                 claim."
            }
            None => {
                "The payout lacks approvals that it requires: its row was altered past this service. Nothing was sent by \
                 this claim."
            }
        };
        Err(Verdict::Review { why: why.into() })
    }

    /// Returns the digest of the payout after a change that the worker makes itself; absent if the payout requires no
    /// approval, or is not what was approved. So an approval stays bound to a payout that goes to the next provider of
    /// its route, and a row that was altered is found nevertheless.
    pub(super) fn approved_after(&self, change: impl FnOnce(&mut PayoutParts)) -> Option<ApprovalDigest> {
        let parts = self.0.parts();
        parts.approval.as_ref()?.digest?;
        self.as_approved().ok()?;
        let mut parts = parts.clone();
        change(&mut parts);
        Some(ApprovalDigest::of(&parts))
    }
}
