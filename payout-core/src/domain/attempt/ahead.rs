//! Times that a clock wrote which was ahead, and was set back since.

use std::time::Duration;

use crate::Timestamp;
use crate::attempt::lease::later;
use crate::payout::{Payout, Status};

/// No claim ends with a longer wait, whatever the provider asks for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// What is further ahead than by this was written by a clock that was ahead: less is what clocks do.
const TOLERANCE: Duration = Duration::from_secs(1);
/// Besides, what waits for longer than anything waits, by so much.
const MARGIN: Duration = Duration::from_secs(60 * 60);

impl Payout {
    /// The payout with its due time brought back to the present, where a clock that was ahead has written it; at `now` by the
    /// repository's clock. Absent where the time may be right. Repositories make the same step in one statement.
    ///
    /// What was to be waited for is waited for from now on: a lease's holder may be at work, and its calls are bounded by the
    /// lease. What nothing can have asked for is due at once. A schedule is a date that a client chose, and stays.
    ///
    /// No fact of the payout changes but the time at which a worker looks at it: the version stays, and there is no event.
    #[must_use]
    pub fn brought_back(&self, now: Timestamp) -> Option<Self> {
        let parts = self.parts();
        let due_at = parts.due_at.filter(|due_at| *due_at > now)?;
        // Never claimed: due since it was stored, or at the date of its schedule.
        let fresh = parts.fence == 0;
        if fresh && due_at != parts.created_at {
            return None;
        }
        let leased = parts.status == Status::Processing && parts.claimed_at == Some(parts.updated_at);
        let impossible = if leased {
            parts.quiet_at.is_some_and(|quiet_at| due_at > quiet_at)
        } else {
            due_at > later(parts.updated_at, LONGEST_WAIT + MARGIN)
        };
        let ahead = fresh || parts.updated_at > later(now, TOLERANCE);
        if !ahead && !impossible {
            return None;
        }
        let wait = if fresh || impossible {
            Duration::ZERO
        } else {
            (due_at - parts.updated_at).to_std().unwrap_or_default()
        };
        let mut parts = parts.clone();
        parts.due_at = Some(later(now, wait));
        parts.updated_at = parts.updated_at.min(now);
        Some(Self::from_parts(parts))
    }
}
