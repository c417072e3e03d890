//! A payout that is asked for, before it is stored.

use crate::Timestamp;
use crate::idempotency::IdempotentRequest;
use crate::money::Money;
use crate::payout::{
    Caller, Description, Payout, PayoutId, PayoutParts, ProviderKey, RecipientAccount, RecipientName, Status,
};
use crate::spending::Charge;

/// What a client asks for, every part valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// How much, of what.
    pub money: Money,
    /// Where the money goes.
    pub recipient_account: RecipientAccount,
    /// Who gets it.
    pub recipient_name: RecipientName,
    /// What for.
    pub description: Description,
}

/// A payout ready to be inserted: the draft, its identity, and who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayout {
    /// Chosen before the write, so that a write may be repeated.
    pub id: PayoutId,
    /// What to pay.
    pub draft: Draft,
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
        let Draft {
            money,
            recipient_account,
            recipient_name,
            description,
        } = self.draft.clone();
        Payout::from_parts(PayoutParts {
            id: self.id,
            money,
            recipient_account,
            recipient_name,
            description,
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
