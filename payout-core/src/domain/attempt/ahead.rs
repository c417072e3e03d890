//! Correction of times that were written by a clock that was ahead, and has been set back since.

use std::time::Duration;

use crate::Timestamp;
use crate::attempt::lease::later;
use crate::payout::{Payout, Status};

/// The longest wait after a claim, whatever the provider asks for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The tolerance for clocks: a time further ahead than this was written by a clock that was ahead.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The margin above the longest wait: a payout that waits for longer than both waits because of a wrong clock.
const MARGIN: Duration = Duration::from_secs(60 * 60);

impl Payout {
    /// Returns the payout with its due time corrected, if a clock that was ahead has written it. `now` is the
    /// repository's clock. Returns `None` where the time may be right. Repositories make the same step in one
    /// statement.
    ///
    /// A wait that was asked for begins again at `now`: the holder of a lease may be at work, and the lease bounds its
    /// calls. A wait that nothing can have asked for ends at once. A schedule is a date that a client chose, and stays.
    ///
    /// Only the time at which a worker looks at the payout changes. The version stays, and no event is written.
    #[must_use]
    pub fn brought_back(&self, now: Timestamp) -> Option<Self> {
        let parts = self.parts();
        let due_at = parts.due_at.filter(|due_at| *due_at > now)?;
        // Never claimed: due since it was stored, or at its scheduled date.
        let fresh = parts.fence == 0;
        if fresh && due_at != parts.created_at {
            return None;
        }
        let leased = parts.status == Status::Processing && parts.claimed_at == Some(parts.updated_at);
        let impossible = if leased {
            parts
                .calls_end_at
                .is_some_and(|calls_end_at| due_at > calls_end_at)
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
