//! Claims whose rows cannot be read.

use crate::attempt::{Policy, Settlement, Verdict};
use crate::domain::randomness::Randomness;
use crate::payout::PayoutId;

/// A claimed payout whose row cannot be read, because it was altered or its encryption key is gone. Nothing else is
/// known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableClaim {
    /// The id of the payout.
    pub id: PayoutId,
    /// The fence that was claimed.
    pub fence: u64,
    /// The generation that was claimed.
    pub generation: u32,
    /// The number of claims of this generation.
    pub claims: u32,
    /// True if the details were changed by somebody without the encryption key. Waiting cannot repair that.
    pub altered: bool,
}

impl UnreadableClaim {
    /// Ends the claim as one without an answer: nothing can be sent without knowing the recipient, and an earlier claim
    /// may have been sent. An operator may repair the row, or another process may be able to read it. When the attempts
    /// are used up, the payout goes under review; at once, if the row was altered.
    pub fn settle(self, policy: &Policy, randomness: &dyn Randomness) -> Settlement {
        let why = if self.altered {
            "The stored payout is not what was asked for: its row was altered past this service. Nothing was sent."
        } else {
            "The stored payout cannot be read: it was altered, or the key that it is encrypted with is gone."
        };
        let verdict = if self.altered || self.claims >= policy.max_attempts {
            Verdict::Review { why: why.into() }
        } else {
            Verdict::Postponed {
                why: why.into(),
                after: policy.backoff(self.claims, randomness),
                uses_attempt: true,
                waiting_for: None,
            }
        };
        Settlement {
            id: self.id,
            fence: self.fence,
            generation: self.generation,
            claims: self.claims,
            verdict,
            approved: None,
        }
    }
}
