//! Payouts that were requested and are not stored yet.

use crate::Timestamp;
use crate::idempotency::IdempotentRequest;
use crate::payout::{Caller, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderKey, Status};
use crate::spending::Charge;

/// A payout ready to be inserted: its id, the details of the payment, and the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayout {
    /// The id, chosen before the write, so that the write can be repeated.
    pub id: PayoutId,
    /// The details of the payment.
    pub details: PaymentDetails,
    /// The time at which the payout becomes due; at once when absent or past.
    pub scheduled_at: Option<Timestamp>,
    /// The caller that asked for the payout.
    pub caller: Caller,
    /// The idempotency record to write in the same transaction.
    pub request: Option<IdempotentRequest>,
    /// The amount charged to the daily limit in the same transaction; absent if nothing is charged.
    pub charge: Option<Charge>,
}

impl NewPayout {
    /// Returns the base of the provider's idempotency keys, if the client sent an idempotency key. It is used only if
    /// no other payout has it: a request that is repeated after its record has expired is another payment, and uses the
    /// payout's id.
    pub fn provider_key(&self) -> Option<ProviderKey> {
        self.request.as_ref().map(ProviderKey::of)
    }

    /// Returns the payout as stored at `now`, by the repository's clock, if no other payout has its
    /// [`provider_key`](Self::provider_key).
    pub fn stored_at(&self, now: Timestamp) -> Payout {
        Payout::from_parts(PayoutParts {
            id: self.id,
            details: self.details.clone(),
            status: Status::Pending,
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
            due_at: Some(self.scheduled_at.map_or(now, |at| at.max(now))),
            created_at: now,
            updated_at: now,
        })
    }
}
