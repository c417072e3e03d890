//! Look-ups of payments at the provider, and their results.

use crate::Timestamp;
use crate::attempt::Claim;
use crate::payout::{Payout, PayoutId, ProviderReference};
use crate::provider::{ProcessorKey, ProviderAnswer};

/// A question to the provider about one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    /// The idempotency key.
    pub key: ProcessorKey,
    /// The provider's reference for the payment, once there is one.
    pub reference: Option<ProviderReference>,
    /// The earliest time at which the key may have been sent. Absent if nothing is known of a submission.
    pub first_sent_at: Option<Timestamp>,
    /// The id of the payout.
    pub payout_id: PayoutId,
}

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUpAnswer {
    /// The provider knows the payment.
    Found(ProviderAnswer),
    /// The provider has provably never received the key.
    Absent,
    /// The provider cannot tell whether it has received the key. This never means *absent*.
    CannotTell {
        /// The reason, without personal data.
        why: String,
    },
}

impl LookUpAnswer {
    /// Returns the answer, if the payment was found.
    pub fn found(self) -> Option<ProviderAnswer> {
        match self {
            Self::Found(answer) => Some(answer),
            Self::Absent | Self::CannotTell { .. } => None,
        }
    }
}

impl LookUp {
    /// Builds the look-up of a key of which nothing else is known.
    pub fn of_key(key: ProcessorKey, payout_id: PayoutId) -> Self {
        Self {
            key,
            reference: None,
            first_sent_at: None,
            payout_id,
        }
    }

    /// Builds the look-up of one generation of a payout.
    pub fn of_generation(payout: &Payout, generation: u32) -> Self {
        let parts = payout.parts();
        let current = parts.generation == generation;
        Self {
            key: ProcessorKey::new(parts.id, parts.provider_key, generation),
            reference: parts.provider_reference.clone().filter(|_| current),
            first_sent_at: parts
                .first_submitted_at
                .filter(|_| current)
                .or(Some(parts.created_at)),
            payout_id: parts.id,
        }
    }
}

impl From<&Payout> for LookUp {
    fn from(payout: &Payout) -> Self {
        Self::of_generation(payout, payout.generation())
    }
}

impl From<&Claim> for LookUp {
    fn from(claim: &Claim) -> Self {
        claim.payout().into()
    }
}
