//! A claim whose row cannot be read.

use crate::attempt::{Policy, Settlement, Verdict};
use crate::domain::randomness::Randomness;
use crate::payout::PayoutId;

/// A payout that was claimed, and whose row cannot be read: it was altered, or its key is gone. This is all that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableClaim {
    /// Identity.
    pub id: PayoutId,
    /// The fence that was claimed.
    pub fence: u64,
    /// The generation that was claimed.
    pub generation: u32,
    /// How often this generation was claimed.
    pub claims: u32,
    /// What is paid was changed by somebody who has no key: nobody will mend that by waiting.
    pub altered: bool,
}

impl UnreadableClaim {
    /// Ends the claim as one that learnt nothing: nothing can be sent without knowing to whom, and an earlier claim may have
    /// been sent. Somebody may mend the row, or another process be able to read it; when the attempts are used up, a person
    /// decides; at once, where the row was altered.
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
            }
        };
        Settlement {
            id: self.id,
            fence: self.fence,
            generation: self.generation,
            claims: self.claims,
            verdict,
        }
    }
}
