//! A claim: a payout that a worker won, until it settles it.

use std::time::Duration;

use crate::attempt::{Policy, Settlement, Verdict};
use crate::payout::{BrokenRow, Payout, Status};
use crate::provider::ProcessorKey;

/// A payout that this worker won, as it is right after the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim(pub(super) Payout);

impl Claim {
    /// Takes a row that a repository's claim has just returned.
    ///
    /// # Errors
    /// [`BrokenRow`] when it is not claimed.
    pub fn new(payout: Payout) -> Result<Self, BrokenRow> {
        let claimed = payout.status() == Status::Processing && !payout.needs_review();
        if claimed {
            Ok(Self(payout))
        } else {
            Err(BrokenRow::new(payout.id(), "claimed but not processing"))
        }
    }

    /// The payout.
    pub fn payout(&self) -> &Payout {
        &self.0
    }

    /// The key under which the provider pays at most once.
    pub fn key(&self) -> ProcessorKey {
        ProcessorKey::new(self.0.id(), self.0.parts().provider_key, self.0.generation())
    }

    /// Whether the key must be looked up before anything is sent: always but for the first claim of a payout that was never
    /// retried. A store that was restored from a backup may have forgotten a retry, and what became of it.
    ///
    /// By the fence, which counts every claim: those that used up no attempt are not in `claims`.
    pub fn looks_up_first(&self) -> bool {
        self.0.fence() > 1 || self.is_accepted() || self.0.generation() > 0
    }

    /// Whether this claim took over from a worker that never settled, or follows one that learnt nothing.
    pub fn is_takeover(&self) -> bool {
        self.0.parts().claims > 1
    }

    /// The provider has said that it will settle later.
    pub(super) fn is_accepted(&self) -> bool {
        self.0.parts().provider_reference.is_some()
    }

    /// Whether an earlier claim of this generation may have sent something.
    pub(super) fn may_have_been_sent_before(&self) -> bool {
        let parts = self.0.parts();
        parts.first_submitted_at != parts.claimed_at
    }

    /// How many claims of this generation have used up no attempt so far. After a retry the fence counts earlier generations
    /// too, and nothing tells how often: few is the guess that waits least.
    pub(super) fn given_back(&self) -> u32 {
        let given_back = self.0.fence().saturating_sub(u64::from(self.0.parts().claims));
        let most = if self.0.generation() > 0 { 1 } else { u32::MAX };
        u32::try_from(given_back).unwrap_or(u32::MAX).min(most)
    }

    /// How long ago this generation may first have been sent, by the repository's clock: it was last written by the claim, and
    /// that time is never ahead, as the claim's may be where the clock was set back.
    pub(super) fn age(&self) -> Duration {
        let parts = self.0.parts();
        let first = parts.first_submitted_at.unwrap_or(parts.updated_at);
        (parts.updated_at - first).to_std().unwrap_or(Duration::ZERO)
    }

    /// Whether a key that the provider does not know may be sent again.
    ///
    /// # Errors
    /// The review that is due instead: past half of the window the provider may soon forget, or may have forgotten,
    /// what it did with the key.
    pub fn may_send(&self, policy: &Policy) -> Result<(), Verdict> {
        if self.age() > policy.key_window / 2 {
            return Err(Verdict::Review {
                why: "The provider does not know the payment, and its key window is too far gone to send it again.".into(),
            });
        }
        if self.0.parts().claims > policy.max_attempts {
            return Err(Verdict::Review {
                why: "The attempts are used up.".into(),
            });
        }
        Ok(())
    }

    /// Ends the claim.
    pub fn settle(self, verdict: Verdict) -> Settlement {
        Settlement {
            id: self.0.id(),
            fence: self.0.fence(),
            generation: self.0.generation(),
            claims: self.claims_after(&verdict),
            verdict,
        }
    }

    /// How many claims of this generation count once it has ended like this. What uses up no attempt is given back: by its
    /// number, so that a repeated settlement gives it back once. While something may have been sent, one stays.
    fn claims_after(&self, verdict: &Verdict) -> u32 {
        let claims = self.0.parts().claims;
        match verdict {
            Verdict::Released { .. } => claims.saturating_sub(1),
            Verdict::Postponed {
                uses_attempt: false, ..
            } => claims.saturating_sub(1).max(1),
            Verdict::Postponed {
                uses_attempt: true, ..
            }
            | Verdict::Completed { .. }
            | Verdict::Failed(_)
            | Verdict::Accepted { .. }
            | Verdict::Review { .. } => claims,
        }
    }
}
