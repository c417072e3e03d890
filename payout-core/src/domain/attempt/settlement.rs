//! Settlements of claims, which are written only under the fence and the generation that were claimed.

use crate::Timestamp;
use crate::approval::ApprovalDigest;
use crate::attempt::lease::later;
use crate::attempt::{SettledRow, Verdict};
use crate::payout::{Payout, PayoutId, Status};

/// The end of one claim, to be written only while the payout is processing under this fence and generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The id of the payout.
    pub id: PayoutId,
    /// The fence that was claimed.
    pub fence: u64,
    /// The generation that was claimed.
    pub generation: u32,
    /// The number of claims of this generation that count as attempts after the settlement.
    pub claims: u32,
    /// The verdict on the claim.
    pub verdict: Verdict,
    /// The digest of the payout after the settlement, where its approval must follow it to another provider; absent to
    /// keep the approved one.
    pub approved: Option<ApprovalDigest>,
}

/// The result of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Written; boxing each would cost more"
)]
pub enum SettlementOutcome {
    /// Written: the guard held, and this is the payout afterwards.
    Written(Payout),
    /// This settlement was written before.
    Repeated,
    /// Refused: the guard failed, because the worker has lost the claim.
    Late,
}

impl Payout {
    /// Settles a claim, at `now` by the repository's clock: only under the fence and the generation that were claimed,
    /// and while the payout is processing. Repositories make the same step in one statement.
    pub fn settle(self, settlement: &Settlement, now: Timestamp) -> SettlementOutcome {
        let row = settlement.verdict.row();
        let same_claim = self.fence() == settlement.fence && self.generation() == settlement.generation;
        if !(same_claim && self.status() == Status::Processing) {
            return if same_claim && self.reads(&row) {
                SettlementOutcome::Repeated
            } else {
                SettlementOutcome::Late
            };
        }
        let mut parts = self.into_parts();
        parts.status = row.status;
        parts.needs_review = row.needs_review;
        parts.failure = row.failure.cloned();
        parts.provider_reference = row.reference.cloned().or(parts.provider_reference);
        parts.due_at = row.due_in.map(|due_in| later(now, due_in));
        if row.never_sent {
            parts.first_submitted_at = None;
        }
        parts.claims = settlement.claims;
        parts.waiting_since = match row.waiting_for {
            None => None,
            Some(reason) if parts.waiting_for == Some(reason) => parts.waiting_since.or(Some(now)),
            Some(_) => Some(now),
        };
        parts.waiting_for = row.waiting_for;
        if let Some(provider) = row.provider {
            parts.provider = Some(provider.clone());
        }
        if let (Some(digest), Some(approval)) = (settlement.approved, &mut parts.approval) {
            approval.digest = Some(digest);
        }
        if row.status == Status::Completed {
            parts.completed_at = Some(now);
        }
        parts.recheck_at = row.recheck_in.map(|recheck_in| later(now, recheck_in));
        parts.version += 1;
        parts.updated_at = now;
        SettlementOutcome::Written(Self::from_parts(parts))
    }

    /// Returns whether the payout is as this settlement leaves it.
    fn reads(&self, row: &SettledRow<'_>) -> bool {
        let parts = self.parts();
        parts.status == row.status
            && parts.failure.as_ref() == row.failure
            && row
                .reference
                .is_none_or(|reference| parts.provider_reference.as_ref() == Some(reference))
    }
}
