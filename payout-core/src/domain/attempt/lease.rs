//! The step from due to claimed, which gives a worker the payout for the time of a lease.

use std::time::Duration;

use crate::Timestamp;
use crate::attempt::Claim;
use crate::payout::{Payout, Status};

/// Nothing is due: the payout is final, under review, or not yet to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payout is not due")]
pub struct NotDue;

impl Payout {
    /// A worker's claim, at `now` by the repository's clock. Repositories make the same step in one statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes.
    pub fn claim(self, now: Timestamp, lease: Duration, quiet_after: Duration) -> Result<Claim, NotDue> {
        if self.parts().due_at.is_none_or(|due_at| due_at > now) {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.due_at = Some(later(now, lease));
        // A worker that was claimed for by a clock that was ahead is as far from done as it was then.
        let quiet_at = match (parts.quiet_at, parts.claimed_at) {
            (Some(quiet_at), Some(last)) if last > now && quiet_at > last => Some(now + (quiet_at - last)),
            (quiet_at, _) => quiet_at,
        };
        // Strictly later than the claim before, even within one tick of the clock or after it was set back: whether
        // the two times below are equal tells whether an earlier claim may have sent something.
        let claimed_at = parts
            .claimed_at
            .map_or(now, |last| now.max(later(last, Duration::from_micros(1))));
        parts.claimed_at = Some(claimed_at);
        // Nothing was sent later than now, whatever a clock that was ahead has written: the key's window runs from now.
        parts.first_submitted_at = Some(
            parts
                .first_submitted_at
                .map_or(claimed_at, |first| first.min(now)),
        );
        // An earlier claim with a longer lease may still be sending when this one surely is not.
        parts.quiet_at = quiet_at.max(Some(later(now, quiet_after)));
        parts.updated_at = now;
        Ok(Claim(Self::from_parts(parts)))
    }

    /// The claim that a worker may have made, and never settled, in a life of the store that this one, restored from a
    /// backup, knows nothing of; at `now` by the repository's clock. Whoever claims the payout next takes it over, and so
    /// looks its key up before sending anything. It may have been sent at any time since it was last written here.
    ///
    /// Repositories make the same step in one statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes: unless pending and due, nobody can have claimed it, or the store knows that
    /// somebody has.
    pub fn presume_claimed(self, now: Timestamp) -> Result<Self, NotDue> {
        let is_due = self.parts().due_at.is_some_and(|due_at| due_at <= now);
        if self.status() != Status::Pending || !is_due {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        let claimed_at = parts.claimed_at.map_or(parts.updated_at, |last| {
            parts.updated_at.max(later(last, Duration::from_micros(1)))
        });
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.claimed_at = Some(claimed_at);
        parts.first_submitted_at = Some(claimed_at);
        parts.quiet_at = parts.quiet_at.max(Some(now));
        parts.due_at = Some(now);
        parts.updated_at = now;
        Ok(Self::from_parts(parts))
    }
}

/// A time so much later, or the end of time.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    let later = chrono::TimeDelta::from_std(by)
        .ok()
        .and_then(|by| now.checked_add_signed(by));
    later.unwrap_or(Timestamp::MAX_UTC)
}
