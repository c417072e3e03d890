//! Rechecks: for as long as a provider may return a payment, a worker looks it up again at growing intervals.

use std::time::Duration;

use chrono::TimeDelta;
use rust_decimal::Decimal;

use crate::Timestamp;
use crate::attempt::Policy;
use crate::attempt::lease::later;
use crate::money::Money;
use crate::payout::{PaymentDetails, Payout, PayoutId, Status};
use crate::provider::{LookUpAnswer, PaymentReturn, ProcessorError, ProviderAnswer};

/// The longest interval between two rechecks.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest interval between two rechecks, unless the window for returns is shorter.
const SHORTEST: Duration = Duration::from_secs(60);
/// The largest difference between the provider's clock and the repository's.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::days(1);

/// The end of one recheck, to be written only while the payout is completed in this generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recheck {
    /// The id of the payout.
    pub id: PayoutId,
    /// The generation that was checked.
    pub generation: u32,
    /// The finding.
    pub finding: RecheckFinding,
}

/// The finding of a recheck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecheckFinding {
    /// The payment stands: look again after this time.
    Again {
        /// The wait before the next recheck.
        after: Duration,
    },
    /// The payment stands, and it can no longer be returned.
    Over,
    /// The payment came back.
    Returned(PaymentReturn),
}

/// Returns the wait before the first recheck of a payment; `None` if it cannot be returned.
pub(super) fn first(policy: &Policy, details: &PaymentDetails) -> Option<Duration> {
    let window = policy.returns.of(details)?;
    Some(SHORTEST.min(window / 4).max(policy.poll_interval))
}

impl Payout {
    /// Concludes a recheck of this completed payout, at `now` by the repository's clock.
    ///
    /// Only the provider's definite answer that the payment came back changes the payout. Every other answer, and none,
    /// leads to another recheck while a return is possible. The interval grows with the age of the payment. The last
    /// recheck needs an answer: without one it is repeated, for as long again as a return was possible, and at least for
    /// a day. A return that [cannot be of this payment](Self::doubt_about) is no answer, and a time that cannot be that
    /// of a return is replaced by the time at which the return is written.
    pub fn conclude_recheck(
        &self,
        said: Result<LookUpAnswer, ProcessorError>,
        policy: &Policy,
        now: Timestamp,
    ) -> Recheck {
        let parts = self.parts();
        let finding = match said {
            Ok(LookUpAnswer::Found(answer)) if self.doubt_about(&answer).is_some() => {
                self.next_recheck(false, policy, now)
            }
            Ok(LookUpAnswer::Found(answer)) => match answer.outcome() {
                ProviderAnswer::Returned(returned) => RecheckFinding::Returned(PaymentReturn {
                    at: returned.at.filter(|at| self.may_be_returned_at(*at, now)),
                    ..returned.clone()
                }),
                ProviderAnswer::Paid { .. }
                | ProviderAnswer::Accepted { .. }
                | ProviderAnswer::Declined(_)
                | ProviderAnswer::Waiting { .. }
                | ProviderAnswer::Reported { .. } => self.next_recheck(true, policy, now),
            },
            Ok(LookUpAnswer::Absent) => self.next_recheck(true, policy, now),
            Ok(LookUpAnswer::CannotTell { .. }) | Err(_) => self.next_recheck(false, policy, now),
        };
        Recheck {
            id: parts.id,
            generation: parts.generation,
            finding,
        }
    }

    /// Returns the reason why the return that an answer reports cannot be of this payment, without personal data: it is
    /// of another payment, or its amount is not one that can come back. Returns `None` for every other answer.
    pub fn doubt_about(&self, answer: &ProviderAnswer) -> Option<&'static str> {
        let ProviderAnswer::Returned(returned) = answer.outcome() else {
            return None;
        };
        let details = self.details();
        let contradiction = answer
            .payment()
            .and_then(|payment| payment.contradicts(details.money, Some(&details.digest())));
        let can_come_back = returned.amount.is_none_or(|amount| self.may_return(amount));
        contradiction
            .or_else(|| (!can_come_back).then_some("a returned amount that this payment cannot have"))
    }

    /// Returns whether the amount is one of the payout's currency, and at most the payout's.
    fn may_return(&self, amount: Decimal) -> bool {
        let paid = self.money();
        let returned = Money::restore(amount, paid.currency());
        returned.is_ok_and(|returned| returned.amount() <= paid.amount())
    }

    /// Returns whether this payment may have been returned at this time: after the payout was created, and before now.
    fn may_be_returned_at(&self, at: Timestamp, now: Timestamp) -> bool {
        at - self.parts().created_at >= -CLOCKS_DIFFER && at - now <= CLOCKS_DIFFER
    }

    fn next_recheck(&self, is_answered: bool, policy: &Policy, now: Timestamp) -> RecheckFinding {
        let paid_at = self.parts().completed_at.unwrap_or(self.parts().updated_at);
        let age = (now - paid_at).to_std().unwrap_or_default();
        match policy.returns.of(self.details()) {
            Some(window) if age < window => {
                let shortest = SHORTEST.min(window / 4);
                let after = age.clamp(shortest, LONGEST).max(policy.poll_interval);
                // The last recheck comes right after the window has closed.
                let left = window.saturating_sub(age) + shortest;
                RecheckFinding::Again {
                    after: after.min(left),
                }
            }
            Some(window) if !is_answered && age < window.saturating_mul(2).max(LONGEST) => {
                let shortest = SHORTEST.min(window / 4);
                let after = (age - window).clamp(shortest, LONGEST).max(policy.poll_interval);
                RecheckFinding::Again { after }
            }
            Some(_) | None => RecheckFinding::Over,
        }
    }

    /// Sets the time of the next recheck, as a worker's claim of the recheck does.
    #[must_use]
    pub fn rechecked_at(self, at: Timestamp) -> Self {
        let mut parts = self.into_parts();
        parts.recheck_at = Some(at);
        Self::from_parts(parts)
    }

    /// Brings the next look at the payment forward to `now`, as a notification does. Only times change.
    #[must_use]
    pub fn hinted_at(self, now: Timestamp) -> Self {
        let mut parts = self.into_parts();
        parts.due_at = parts.due_at.map(|_| now);
        parts.recheck_at = parts.recheck_at.map(|_| now);
        Self::from_parts(parts)
    }

    /// Applies a recheck at `now`, by the repository's clock: only while the payout is completed in the generation that
    /// was checked. Returns `None` if the guard does not hold. Repositories make the same step in one statement.
    #[must_use]
    pub fn recheck(self, recheck: &Recheck, now: Timestamp) -> Option<Self> {
        if self.status() != Status::Completed || self.generation() != recheck.generation {
            return None;
        }
        let mut parts = self.into_parts();
        match &recheck.finding {
            RecheckFinding::Again { after } => parts.recheck_at = Some(later(now, *after)),
            RecheckFinding::Over => parts.recheck_at = None,
            RecheckFinding::Returned(returned) => {
                parts.status = Status::Returned;
                parts.failure = Some(returned.reason.clone());
                parts.returned_at = Some(returned.at.unwrap_or(now));
                parts.returned_amount = returned.amount;
                parts.recheck_at = None;
                parts.version += 1;
                parts.updated_at = now;
            }
        }
        Some(Self::from_parts(parts))
    }
}
