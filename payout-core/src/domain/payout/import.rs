//! A payout that comes from another service, with all that has happened to it there.

use crate::Timestamp;
use crate::payout::redact::Redaction;
use crate::payout::{
    Actor, Failure, PaymentDetails, Payout, PayoutId, PayoutParts, ProviderReference, Status,
};

/// The state of a payout in the service that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was sent, and nothing will be there: this service pays it.
    Pending,
    /// The other service was at it. Nobody knows whether it was paid: a person must say.
    UnderReview,
    /// It was paid.
    Completed(Option<ProviderReference>),
    /// It was declined for good.
    Failed(Failure),
    /// A person cancelled it.
    Cancelled,
}

/// A payout of another service, ready to be stored as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignPayout {
    /// Its identity, here too.
    pub id: PayoutId,
    /// What is to be paid.
    pub details: PaymentDetails,
    /// Its state there.
    pub standing: Standing,
    /// When it was created there.
    pub created_at: Timestamp,
    /// When it was last written there.
    pub updated_at: Timestamp,
    /// Who imports it, for the audit trail.
    pub actor: Actor,
    /// What the audit trail says of where it comes from.
    pub detail: String,
}

impl ForeignPayout {
    /// The payout as it is once stored at `now` by the repository's clock. It was never claimed here; what may have been sent there
    /// counts as one claim, and no worker takes it up again.
    pub fn stored_at(&self, now: Timestamp) -> Payout {
        let (status, reference, failure) = match &self.standing {
            Standing::Pending => (Status::Pending, None, None),
            Standing::UnderReview => (Status::Processing, None, None),
            Standing::Completed(reference) => (Status::Completed, reference.clone(), None),
            Standing::Failed(failure) => (Status::Failed, None, Some(failure.clone())),
            Standing::Cancelled => (Status::Cancelled, None, None),
        };
        // Neither clock may have run ahead of the repository's.
        let created_at = self.created_at.min(now);
        let updated_at = self.updated_at.clamp(created_at, now);
        let sent = match status {
            Status::Pending | Status::Cancelled => None,
            Status::Processing | Status::Completed | Status::Failed => Some(updated_at),
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
            quiet_at: sent,
            due_at: (status == Status::Pending).then_some(now),
            created_at,
            updated_at,
        };
        // The other service's words may name who is paid.
        let redaction = Redaction::of(&parts.details.recipient);
        parts.failure = parts.failure.map(|failure| redaction.failure(&failure));
        parts.provider_reference = parts
            .provider_reference
            .map(|reference| redaction.reference(reference));
        Payout::from_parts(parts)
    }
}
