//! Leases: the step from due to claimed, which gives a worker the payout for the duration of a lease.

use std::time::Duration;

use crate::Timestamp;
use crate::attempt::Claim;
use crate::payout::{Payout, Status};

/// The payout is not due: it is final, under review, or due later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payout is not due")]
pub struct NotDue;

impl Payout {
    /// Claims the payout for a worker, at `now` by the repository's clock. Repositories make the same step in one
    /// statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes.
    pub fn claim(self, now: Timestamp, lease: Duration, calls_end_after: Duration) -> Result<Claim, NotDue> {
        if self.parts().due_at.is_none_or(|due_at| due_at > now) {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.due_at = Some(later(now, lease));
        // If a clock that was ahead wrote the latest claim, its worker needs as long to finish as it needed then.
        let calls_end_at = match (parts.calls_end_at, parts.claimed_at) {
            (Some(calls_end_at), Some(last)) if last > now && calls_end_at > last => {
                Some(now + (calls_end_at - last))
            }
            (calls_end_at, _) => calls_end_at,
        };
        // Strictly later than the previous claim, even within one tick of the clock or after it was set back. If the
        // two times below are equal, no earlier claim of this generation can have sent anything.
        let claimed_at = parts
            .claimed_at
            .map_or(now, |last| now.max(later(last, Duration::from_micros(1))));
        parts.claimed_at = Some(claimed_at);
        // Nothing was sent later than now, even if a clock that was ahead wrote a later time: the key window runs from
        // now.
        parts.first_submitted_at = Some(
            parts
                .first_submitted_at
                .map_or(claimed_at, |first| first.min(now)),
        );
        // An earlier claim with a longer lease may still be sending after this claim can no longer be.
        parts.calls_end_at = calls_end_at.max(Some(later(now, calls_end_after)));
        parts.updated_at = now;
        Ok(Claim(Self::from_parts(parts)))
    }

    /// Presumes a claim that the store has lost, at `now` by the repository's clock. A store that was restored from a
    /// backup knows nothing of claims that were made after the backup and never settled. The next claim is then a
    /// takeover, so its worker looks the key up before sending anything. The payout may have been sent at any time
    /// since its latest write in this store.
    ///
    /// A payout that awaits approval in such a store may have been approved and sent since. It goes on awaiting approval,
    /// but can be edited no more, and once it is approved, its worker looks the key up too.
    ///
    /// Repositories make the same step in one statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes. A payout that is neither pending and due nor awaiting approval cannot have been
    /// claimed, or the store knows of its claim.
    pub fn presume_claimed(self, now: Timestamp) -> Result<Self, NotDue> {
        let is_due = self.parts().due_at.is_some_and(|due_at| due_at <= now);
        let may_have_been_claimed = match self.status() {
            Status::Pending => is_due,
            Status::AwaitingApproval => self.parts().first_submitted_at.is_none(),
            Status::Processing
            | Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::Cancelled => false,
        };
        if !may_have_been_claimed {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        let claimed_at = parts.claimed_at.map_or(parts.updated_at, |last| {
            parts.updated_at.max(later(last, Duration::from_micros(1)))
        });
        if parts.status == Status::Pending {
            parts.status = Status::Processing;
            parts.due_at = Some(now);
        }
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.claimed_at = Some(claimed_at);
        parts.first_submitted_at = Some(claimed_at);
        parts.calls_end_at = parts.calls_end_at.max(Some(now));
        parts.updated_at = now;
        Ok(Self::from_parts(parts))
    }
}

/// Returns the time `by` after `now`, or the latest time that there is.
pub(crate) fn later(now: Timestamp, by: Duration) -> Timestamp {
    let later = chrono::TimeDelta::from_std(by)
        .ok()
        .and_then(|by| now.checked_add_signed(by));
    later.unwrap_or(Timestamp::MAX_UTC)
}
