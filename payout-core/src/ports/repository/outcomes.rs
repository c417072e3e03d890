//! The requests and the results of writes: inserts, claims and settlements.

use std::time::Duration;

use crate::attempt::{Claim, UnreadableClaim};
use crate::payout::{Actor, Payout, PayoutId, Status};
use crate::provider::ProviderName;
use crate::spending::OverLimit;

/// The result of inserting one payout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Stored; boxing each would cost more"
)]
pub enum Insertion {
    /// The payout was stored as given here.
    Stored(Payout),
    /// The idempotency key already has a record. Nothing of this payout was written.
    KeyTaken,
    /// This other payout has the external id. Nothing of the new payout was written.
    ExternalIdTaken(PayoutId),
    /// The charge exceeds what is left of the daily limit. Nothing of this payout was written.
    OverLimit(OverLimit),
}

/// The parameters of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The ids of the payouts to claim, from hints. Absent for a sweep, which claims the payouts that have been due
    /// longest.
    pub only: Option<Vec<PayoutId>>,
    /// The provider whose payouts to claim. Absent: payouts without a provider.
    pub provider: Option<ProviderName>,
    /// True to claim only payouts of which nothing of their generation may have been sent.
    pub unsent_only: bool,
    /// The largest number of payouts to claim.
    pub limit: u32,
    /// The length of the lease, after which another worker may take over.
    pub lease: Duration,
    /// The time after which no worker of this claim can still be sending: the lease and the timeout of one call.
    pub calls_end_after: Duration,
    /// The worker's name, for the audit trail.
    pub worker: Actor,
}

/// The result of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The payouts to work on.
    pub won: Vec<Claim>,
    /// Payouts that are claimed too but whose rows cannot be read. A worker can send nothing for them.
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

/// The result of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The settlement is written, by this call or by an earlier, unacknowledged one of the same worker.
    Applied,
    /// The guard did not match. A `late_outcome` event is written as evidence, and the state does not change.
    Late {
        /// The payout's status.
        status: Status,
        /// The payout's generation.
        generation: u32,
        /// Set if the payout is deleted.
        deleted: bool,
    },
    /// Another session has locked the payout's row. Nothing of this settlement is written. Settle it again, without
    /// making other settlements wait.
    Locked,
}
