//! The instruction to pay.

use crate::attempt::Claim;
use crate::payout::{PaymentDetails, PayoutId};
use crate::provider::ProcessorKey;

/// An instruction to pay: the same for every attempt under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The idempotency key.
    pub key: ProcessorKey,
    /// The payout.
    pub payout_id: PayoutId,
    /// What is to be paid.
    pub details: PaymentDetails,
}

impl Instruction {
    /// The digest of what is to be paid, for the provider to answer with: see [`PaymentDetails::digest`].
    pub fn digest(&self) -> String {
        self.details.digest()
    }
}

impl From<&Claim> for Instruction {
    fn from(claim: &Claim) -> Self {
        let payout = claim.payout();
        Self {
            key: claim.key(),
            payout_id: payout.id(),
            details: payout.details().clone(),
        }
    }
}
