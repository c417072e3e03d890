//! The counts of a run.

/// Counts of one run, or of several.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) payouts: u64,
    /// Payments that stand at the end.
    pub(crate) payments: u64,
    /// Payments that came back.
    pub(crate) returns: u64,
    pub(crate) declines: u64,
    pub(crate) calls: u64,
    pub(crate) duplicates_prevented: u64,
    pub(crate) late_outcomes: u64,
    pub(crate) retries: u64,
    /// Retries of a payout whose payment had come back.
    pub(crate) retries_of_returned: u64,
    /// Generations that a worker began after a refusal had spent the key.
    pub(crate) keys_spent: u64,
    /// Payouts that another provider paid than the first of their route.
    pub(crate) failovers: u64,
    pub(crate) reviews: u64,
    /// Reviews of payouts whose provider could not tell whether it had received the key.
    pub(crate) cannot_tell: u64,
    pub(crate) cancellations: u64,
    pub(crate) approvals: u64,
    pub(crate) rejections: u64,
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    pub(crate) zombie_calls: u64,
    pub(crate) events: u64,
    /// Calls that an unreachable, throttling or overloaded provider refused for now.
    pub(crate) put_off: u64,
    /// Reviews of payouts whose outcome was never unknown; must stay zero.
    pub(crate) reviews_without_doubt: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.payouts += other.payouts;
        self.payments += other.payments;
        self.returns += other.returns;
        self.declines += other.declines;
        self.calls += other.calls;
        self.duplicates_prevented += other.duplicates_prevented;
        self.late_outcomes += other.late_outcomes;
        self.retries += other.retries;
        self.retries_of_returned += other.retries_of_returned;
        self.keys_spent += other.keys_spent;
        self.failovers += other.failovers;
        self.reviews += other.reviews;
        self.cannot_tell += other.cannot_tell;
        self.cancellations += other.cancellations;
        self.approvals += other.approvals;
        self.rejections += other.rejections;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.zombie_calls += other.zombie_calls;
        self.events += other.events;
        self.put_off += other.put_off;
        self.reviews_without_doubt += other.reviews_without_doubt;
    }
}
