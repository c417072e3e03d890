//! A payout that is asked for, before it is stored.

use crate::Timestamp;
use crate::idempotency::IdempotentRequest;
use crate::payout::{Caller, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderKey, Status};
use crate::spending::Charge;

/// A payout ready to be inserted: the details, its identity, and who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayout {
    /// Chosen before the write, so that a write may be repeated.
    pub id: PayoutId,
    /// What to pay.
    pub details: PaymentDetails,
    /// When the first dispatch is due; at once when absent or past.
    pub scheduled_at: Option<Timestamp>,
    /// Who asked.
    pub caller: Caller,
    /// The idempotency record to write in the same transaction.
    pub request: Option<IdempotentRequest>,
    /// What to take from the day's limit in the same transaction.
    pub charge: Option<Charge>,
}

impl NewPayout {
    /// What the provider's idempotency keys are to begin with, where the client gave a key, and no other payout has it:
    /// a request that is made again after its record was forgotten is another payment, and goes by its id.
    pub fn provider_key(&self) -> Option<ProviderKey> {
        self.request.as_ref().map(ProviderKey::of)
    }

    /// The payout as it is once stored at `now` by the repository's clock, if no other has its
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
            quiet_at: None,
            due_at: Some(self.scheduled_at.map_or(now, |at| at.max(now))),
            created_at: now,
            updated_at: now,
        })
    }
}
