//! What writes are asked for and what becomes of each row: inserts, claims, settlements.

use std::time::Duration;

use crate::attempt::{Claim, UnreadableClaim};
use crate::payout::{Actor, Payout, PayoutId, Status};
use crate::spending::OverLimit;

/// What became of one payout of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Stored; boxing each would cost more"
)]
pub enum Insertion {
    /// It is stored, as this.
    Stored(Payout),
    /// Its idempotency key has a record already; nothing of it was written.
    KeyTaken,
    /// Its charge does not fit into what is left of its day; nothing of it was written.
    OverLimit(OverLimit),
}

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Only these payouts (hints), or absent: the longest due (a sweep).
    pub only: Option<Vec<PayoutId>>,
    /// At most so many.
    pub limit: u32,
    /// How long a claim holds before another worker may take over.
    pub lease: Duration,
    /// How long until no worker of this claim can still be sending: the lease and a call's timeout.
    pub quiet_after: Duration,
    /// The worker's name, for the audit trail.
    pub worker: Actor,
}

/// What a claim won.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// These are to be worked on.
    pub won: Vec<Claim>,
    /// These are claimed too, and their rows cannot be read: nothing can be sent for them.
    pub unreadable: Vec<UnreadableClaim>,
}

impl From<Vec<Claim>> for Claims {
    fn from(won: Vec<Claim>) -> Self {
        Self {
            won,
            unreadable: Vec::new(),
        }
    }
}

/// What became of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is written, now or by an earlier, unacknowledged attempt of the same worker.
    Applied,
    /// The guard refused it; a `late_outcome` event is written as evidence, and no state is changed.
    Late {
        /// Where the payout stands.
        status: Status,
        /// The generation it is in.
        generation: u32,
        /// Whether it is deleted.
        deleted: bool,
    },
    /// Another session holds the payout's row. Nothing of this settlement is written: settle it again, and do not let
    /// others wait for it.
    Locked,
}
