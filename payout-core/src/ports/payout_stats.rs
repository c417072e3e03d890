//! The numbers of payouts by status and currency, for operators.

use std::time::Duration;

use crate::money::Currency;
use crate::payout::Status;

/// The numbers of payouts, partly estimated.
///
/// A store cannot count millions of rows every few seconds. In a large store the final payouts are estimated from a
/// sample; the open ones and those under review are counted, up to [`PayoutStats::COUNTED`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayoutStats {
    /// The number of payouts for each status and currency that occurs; each pair once.
    pub counts: Vec<StatusCount>,
    /// The number of payouts that wait for an operator's review.
    pub in_review: u64,
    /// The time for which the longest overdue payout has been due; zero if no payout is due.
    pub overdue: Duration,
}

/// The number of payouts with one status and currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusCount {
    /// The status.
    pub status: Status,
    /// The currency.
    pub currency: Currency,
    /// The number of payouts.
    pub count: u64,
}

impl PayoutStats {
    /// The number of open payouts up to which they are counted one by one.
    pub const COUNTED: u32 = 10_000;

    /// Merges an estimate from a sample with a count of the open payouts.
    ///
    /// If the count went `to_the_end`, its numbers of open payouts are exact and replace those of the sample. If not,
    /// they are lower bounds.
    #[must_use]
    pub fn merge(sample: Vec<StatusCount>, open: &[StatusCount], to_the_end: bool) -> Vec<StatusCount> {
        let is_open = |status| matches!(status, Status::Pending | Status::Processing);
        let mut counts = sample;
        if to_the_end {
            counts.retain(|tally| !is_open(tally.status));
        }
        for counted in open {
            let same = counts
                .iter_mut()
                .find(|tally| tally.status == counted.status && tally.currency == counted.currency);
            match same {
                Some(tally) => tally.count = tally.count.max(counted.count),
                None => counts.push(*counted),
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(status: Status, count: u64) -> StatusCount {
        StatusCount {
            status,
            currency: "EUR".parse().unwrap(),
            count,
        }
    }

    #[test]
    fn a_whole_count_of_the_open_ones_replaces_what_the_sample_says_of_them() {
        let sample = vec![tally(Status::Completed, 900), tally(Status::Processing, 300)];
        let merged = PayoutStats::merge(sample, &[tally(Status::Pending, 2)], true);
        assert_eq!(merged, [tally(Status::Completed, 900), tally(Status::Pending, 2)]);
    }

    #[test]
    fn a_count_that_was_broken_off_is_the_least_that_there_is() {
        let sample = vec![tally(Status::Pending, 30_000), tally(Status::Processing, 10)];
        let open = [tally(Status::Pending, 9_000), tally(Status::Processing, 1_000)];
        let merged = PayoutStats::merge(sample, &open, false);
        assert_eq!(
            merged,
            [tally(Status::Pending, 30_000), tally(Status::Processing, 1_000)]
        );
    }
}
