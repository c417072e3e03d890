//! Payouts that were requested and are not stored yet.

use std::time::Duration;

use crate::Timestamp;
use crate::approval::ApprovalRequest;
use crate::batch::BatchPlace;
use crate::idempotency::IdempotentRequest;
use crate::payout::approve::duplicate_words;
use crate::payout::{Caller, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderKey, Status};
use crate::provider::ProviderName;
use crate::spending::Charge;

/// A payout ready to be inserted: its id, the details of the payment, and the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayout {
    /// The id, chosen before the write, so that the write can be repeated.
    pub id: PayoutId,
    /// The details of the payment.
    pub details: PaymentDetails,
    /// The batch that the payout came in; absent for a payout made by itself.
    pub batch: Option<BatchPlace>,
    /// The caller that asked for the payout.
    pub caller: Caller,
    /// The idempotency record to write in the same transaction.
    pub request: Option<IdempotentRequest>,
    /// The amount charged to the daily limit in the same transaction; absent if nothing is charged.
    pub charge: Option<Charge>,
    /// The provider that the routes choose. Absent where the program names no providers.
    pub provider: Option<ProviderName>,
    /// The approvals that the payout requires. Absent where the settings require none of any payout.
    pub approval: Option<Box<ApprovalRequest>>,
}

impl NewPayout {
    /// Returns the base of the provider's idempotency keys, if the client sent an idempotency key or the payout came in a
    /// batch. It is used only if no other payout has it: a request that is repeated after its record has expired is
    /// another payment, and uses the payout's id.
    pub fn provider_key(&self) -> Option<ProviderKey> {
        let of_request = self.request.as_ref().map(ProviderKey::of);
        of_request.or(self.batch.map(|place| place.provider_key))
    }

    /// Returns the payout as stored at `now`, by the repository's clock, if no other payout has its
    /// [`provider_key`](Self::provider_key).
    pub fn stored_at(&self, now: Timestamp) -> Payout {
        let details = self.details.clone().in_whole_micros();
        let due_at = details.scheduled_at.map_or(now, |at| at.max(now));
        let approval = self.approval.as_ref().map(|request| Box::new(request.approval()));
        let is_held = approval.as_ref().is_some_and(|approval| approval.required > 0);
        Payout::from_parts(PayoutParts {
            id: self.id,
            details,
            status: if is_held {
                Status::AwaitingApproval
            } else {
                Status::Pending
            },
            needs_review: false,
            failure: None,
            provider_reference: None,
            provider_key: self.provider_key(),
            generation: 0,
            claims: 0,
            fence: 0,
            version: 1,
            first_submitted_at: None,
            claimed_at: None,
            calls_end_at: None,
            due_at: (!is_held).then_some(due_at),
            created_at: now,
            updated_at: now,
            provider: self.provider.clone(),
            waiting_for: None,
            waiting_since: None,
            completed_at: None,
            returned_at: None,
            returned_amount: None,
            recheck_at: None,
            batch: self.batch.map(|place| place.id),
            created_by: Some(self.caller.actor.clone()),
            approval,
        })
    }

    /// Returns whether a repository must look for a likely duplicate of the payout before it stores it, and how far
    /// back.
    pub fn duplicates_within(&self) -> Option<Duration> {
        self.approval.as_ref()?.duplicates_within
    }

    /// Holds the payout for approval, since it likely duplicates another one. The audit trail tells which.
    #[must_use]
    pub fn held_as_duplicate_of(mut self, other: PayoutId) -> Self {
        if let Some(request) = &mut self.approval {
            request.duplicate_of = Some(other);
            if self.caller.reason.is_none() {
                self.caller = self.caller.because(&duplicate_words(other));
            }
        }
        self
    }
}
