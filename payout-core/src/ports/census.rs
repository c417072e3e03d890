//! How many payouts there are, for an operator's eye.

use std::time::Duration;

use crate::money::Currency;
use crate::payout::Status;

/// How many payouts stand where.
///
/// Counting millions is not possible every few seconds. What is final, in a large store, is estimated from a sample; what
/// is open, and what waits for a person, is counted, up to [`Census::COUNTED`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many there are of each status and currency that there is; each pair once.
    pub tallies: Vec<Tally>,
    /// How many wait for a person.
    pub in_review: u64,
    /// For how long the longest due payout has been due; zero when none is.
    pub overdue: Duration,
}

/// How many payouts of a status there are in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Where they stand.
    pub status: Status,
    /// Their currency.
    pub currency: Currency,
    /// How many.
    pub count: u64,
}

impl Census {
    /// Up to so many open payouts are counted one by one.
    pub const COUNTED: u32 = 10_000;

    /// Puts a sample and a count of the open ones together.
    ///
    /// The count is right about the open ones when it went `to_the_end`; else they are at least that many.
    #[must_use]
    pub fn merge(sample: Vec<Tally>, open: &[Tally], to_the_end: bool) -> Vec<Tally> {
        let is_open = |status| matches!(status, Status::Pending | Status::Processing);
        let mut tallies = sample;
        if to_the_end {
            tallies.retain(|tally| !is_open(tally.status));
        }
        for counted in open {
            let same = tallies
                .iter_mut()
                .find(|tally| tally.status == counted.status && tally.currency == counted.currency);
            match same {
                Some(tally) => tally.count = tally.count.max(counted.count),
                None => tallies.push(*counted),
            }
        }
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(status: Status, count: u64) -> Tally {
        Tally {
            status,
            currency: "EUR".parse().unwrap(),
            count,
        }
    }

    #[test]
    fn a_whole_count_of_the_open_ones_replaces_what_the_sample_says_of_them() {
        let sample = vec![tally(Status::Completed, 900), tally(Status::Processing, 300)];
        let merged = Census::merge(sample, &[tally(Status::Pending, 2)], true);
        assert_eq!(merged, [tally(Status::Completed, 900), tally(Status::Pending, 2)]);
    }

    #[test]
    fn a_count_that_was_broken_off_is_the_least_that_there_is() {
        let sample = vec![tally(Status::Pending, 30_000), tally(Status::Processing, 10)];
        let open = [tally(Status::Pending, 9_000), tally(Status::Processing, 1_000)];
        let merged = Census::merge(sample, &open, false);
        assert_eq!(
            merged,
            [tally(Status::Pending, 30_000), tally(Status::Processing, 1_000)]
        );
    }
}
