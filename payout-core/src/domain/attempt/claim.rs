//! Claims: payouts under a worker's lease, until their settlement.

use std::time::Duration;

use crate::attempt::{Policy, Settlement, Verdict};
use crate::domain::randomness::Randomness;
use crate::payout::{Actor, BrokenRow, Caller, Change, Due, EventKind, Payout, Status};
use crate::provider::{ProcessorKey, WaitReason};

/// A payout that a worker has claimed, as it is right after the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim(pub(super) Payout);

impl Claim {
    /// Takes a row that a repository has just returned from a claim.
    ///
    /// # Errors
    /// [`BrokenRow`] when the row is not claimed.
    pub fn new(payout: Payout) -> Result<Self, BrokenRow> {
        let claimed = payout.status() == Status::Processing && !payout.needs_review();
        if claimed {
            Ok(Self(payout))
        } else {
            Err(BrokenRow::new(payout.id(), "claimed but not processing"))
        }
    }

    /// Returns the payout.
    pub fn payout(&self) -> &Payout {
        &self.0
    }

    /// Returns the idempotency key under which the provider pays at most once.
    pub fn key(&self) -> ProcessorKey {
        ProcessorKey::new(self.0.id(), self.0.parts().provider_key, self.0.generation())
    }

    /// Returns whether the worker must look the key up before it sends anything: always, except for the first claim of
    /// a payout that was never retried. A store that was restored from a backup may have lost a retry and its outcome.
    ///
    /// The fence decides, since it counts every claim; `claims` omits those that used up no attempt.
    pub fn looks_up_first(&self) -> bool {
        self.0.fence() > 1 || self.is_accepted() || self.0.generation() > 0
    }

    /// Returns whether this claim is a takeover from a worker that never settled, or follows a claim without a definite
    /// answer.
    pub fn is_takeover(&self) -> bool {
        self.0.parts().claims > 1
    }

    /// Returns whether the provider has accepted the payment, to settle it later.
    pub(super) fn is_accepted(&self) -> bool {
        self.0.parts().provider_reference.is_some()
    }

    /// Returns whether an earlier claim of this generation may have sent something.
    pub(crate) fn may_have_been_sent_before(&self) -> bool {
        let parts = self.0.parts();
        parts.first_submitted_at != parts.claimed_at
    }

    /// Returns whether provably nothing of this generation was sent to any provider. For a retry only a look-up can
    /// prove it: a store that was restored from a backup may have lost an earlier retry and its outcome.
    pub fn is_provably_unsent(&self) -> bool {
        !self.may_have_been_sent_before() && self.0.generation() == 0
    }

    /// Returns the number of claims of this generation that used up no attempt so far. After a retry the fence also
    /// counts earlier generations, and the exact number is unknown: the result is then at most 1, which gives the
    /// shortest wait.
    fn given_back(&self) -> u32 {
        let given_back = self.0.fence().saturating_sub(u64::from(self.0.parts().claims));
        let most = if self.0.generation() > 0 { 1 } else { u32::MAX };
        u32::try_from(given_back).unwrap_or(u32::MAX).min(most)
    }

    /// Returns the pause after *not now*, which grows with the number of claims that used up no attempt.
    pub(crate) fn pause(&self, policy: &Policy, randomness: &dyn Randomness) -> Duration {
        policy.pause(self.given_back().saturating_add(1), randomness)
    }

    /// Returns the time since this generation may first have been sent, by the repository's clock. It ends at the time
    /// of the latest write, which the claim made. That time is never ahead of the clock, whereas the time of the claim
    /// may be where the clock was set back.
    pub(super) fn age(&self) -> Duration {
        let parts = self.0.parts();
        let first = parts.first_submitted_at.unwrap_or(parts.updated_at);
        (parts.updated_at - first).to_std().unwrap_or(Duration::ZERO)
    }

    /// Checks whether the worker may send a key again that the provider does not know.
    ///
    /// # Errors
    /// The review that is due instead. Past half of the key window the provider may soon forget, or may have forgotten,
    /// the outcome of the key. Past the maximum number of attempts nothing is sent either.
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

    /// Begins a new generation after the provider's definite refusal for now, which it keeps under the key of this one.
    /// The change is guarded by the version that this claim has written: a worker that has lost its lease changes
    /// nothing.
    pub fn renew(self, why: &str, after: Duration, waiting_for: WaitReason, worker: &Actor) -> Change {
        let now = self.0.parts().updated_at;
        let approved = self.approved_after(|parts| parts.generation += 1);
        let caller = Caller::named(worker.as_str()).because(why);
        self.0
            .change(Due::After(after), EventKind::KeySpent, caller, |parts| {
                parts.status = Status::Pending;
                parts.generation += 1;
                parts.claims = 0;
                parts.provider_reference = None;
                parts.first_submitted_at = None;
                if parts.waiting_for != Some(waiting_for) {
                    parts.waiting_since = Some(now);
                }
                parts.waiting_for = Some(waiting_for);
                if let (Some(digest), Some(approval)) = (approved, &mut parts.approval) {
                    approval.digest = Some(digest);
                }
            })
    }

    /// Ends the claim with a verdict.
    pub fn settle(self, verdict: Verdict) -> Settlement {
        let approved = match &verdict {
            Verdict::Released {
                provider: Some(provider),
                ..
            } => self.approved_after(|parts| parts.provider = Some(provider.clone())),
            Verdict::Completed { .. }
            | Verdict::Failed(_)
            | Verdict::Accepted { .. }
            | Verdict::Postponed { .. }
            | Verdict::Released { provider: None, .. }
            | Verdict::KeySpent { .. }
            | Verdict::Review { .. } => None,
        };
        Settlement {
            id: self.0.id(),
            fence: self.0.fence(),
            generation: self.0.generation(),
            claims: self.claims_after(&verdict),
            verdict,
            approved,
        }
    }

    /// Returns the number of claims that count after the verdict. A claim that used up no attempt is subtracted. The
    /// result is an absolute number, so that a repeated settlement subtracts the claim only once. While something may
    /// have been sent, at least one claim remains.
    fn claims_after(&self, verdict: &Verdict) -> u32 {
        let claims = self.0.parts().claims;
        match verdict {
            Verdict::Released { .. } => claims.saturating_sub(1),
            Verdict::KeySpent { .. }
            | Verdict::Postponed {
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
