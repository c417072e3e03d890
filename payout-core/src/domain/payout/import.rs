//! Payouts imported from another service, with their state there.

use crate::Timestamp;
use crate::payout::redact::Redaction;
use crate::payout::{
    Actor, Failure, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderReference, Status,
};

/// The state of an imported payout in the service that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was sent, and the other service will send nothing: this service pays it.
    Pending,
    /// The other service was processing it. The outcome is unknown, so a person must decide.
    UnderReview,
    /// The money was paid.
    Completed(Option<ProviderReference>),
    /// The provider declined the payment for good.
    Failed(Failure),
    /// A person cancelled the payout.
    Cancelled,
}

/// A payout of another service, ready to be stored in the state that it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignPayout {
    /// The id, which the payout keeps.
    pub id: PayoutId,
    /// The details of the payment.
    pub details: PaymentDetails,
    /// The state in the other service.
    pub standing: Standing,
    /// The time at which it was created in the other service.
    pub created_at: Timestamp,
    /// The time at which it was last written in the other service.
    pub updated_at: Timestamp,
    /// The operator that imports it, for the audit trail.
    pub actor: Actor,
    /// The origin of the payout, for the audit trail.
    pub detail: String,
}

impl ForeignPayout {
    /// Returns the payout as stored at `now`, by the repository's clock. It was never claimed here. If the other
    /// service may have sent it, it counts as claimed once, and no worker of this service claims it.
    pub fn stored_at(&self, now: Timestamp) -> Payout {
        let (status, reference, failure) = match &self.standing {
            Standing::Pending => (Status::Pending, None, None),
            Standing::UnderReview => (Status::Processing, None, None),
            Standing::Completed(reference) => (Status::Completed, reference.clone(), None),
            Standing::Failed(failure) => (Status::Failed, None, Some(failure.clone())),
            Standing::Cancelled => (Status::Cancelled, None, None),
        };
        // Neither time may be ahead of the repository's clock.
        let created_at = self.created_at.min(now);
        let updated_at = self.updated_at.clamp(created_at, now);
        let sent = match status {
            Status::AwaitingApproval | Status::Pending | Status::Cancelled => None,
            Status::Processing | Status::Completed | Status::Returned | Status::Failed => Some(updated_at),
        };
        let mut parts = PayoutParts {
            id: self.id,
            details: self.details.clone(),
            status,
            needs_review: status == Status::Processing,
            failure,
            provider_reference: reference,
            provider_key: None,
            generation: 0,
            claims: u32::from(sent.is_some()),
            fence: u64::from(sent.is_some()),
            version: 1,
            first_submitted_at: sent,
            claimed_at: sent,
            calls_end_at: sent,
            due_at: (status == Status::Pending).then_some(now),
            created_at,
            updated_at,
            provider: None,
            waiting_for: None,
            waiting_since: None,
            completed_at: (status == Status::Completed).then_some(updated_at),
            returned_at: None,
            returned_amount: None,
            recheck_at: None,
            batch: None,
            created_by: None,
            approval: None,
        };
        // The other service's words may name the recipient.
        let redaction = Redaction::of(&parts.details.recipient);
        parts.failure = parts.failure.map(|failure| redaction.failure(&failure));
        parts.provider_reference = parts
            .provider_reference
            .map(|reference| redaction.reference(reference));
        Payout::from_parts(parts)
    }
}
