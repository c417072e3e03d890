//! Instructions to pay.

use crate::attempt::Claim;
use crate::payout::{PaymentDetails, PayoutId};
use crate::provider::ProcessorKey;

/// An instruction to pay. It is identical in every attempt under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The idempotency key.
    pub key: ProcessorKey,
    /// The id of the payout.
    pub payout_id: PayoutId,
    /// The details of the payment, as they are sent.
    pub details: PaymentDetails,
}

impl Instruction {
    /// Returns the digest of the payment, which the provider may include in its answer: see [`PaymentDetails::digest`].
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
            details: payout.details().as_sent(),
        }
    }
}
