//! The keys that a process has received.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::magic::Magic;

/// A key that was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The outcome of its recipient; absent for an ordinary one.
    pub(super) magic: Option<Magic>,
    /// The time of the first submission to this process, on the monotonic clock.
    pub(super) since: Duration,
    /// True once a submission was answered with a reference.
    pub(super) has_reference: bool,
}

/// The received keys, by their digests, and the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Received {
    keys: HashMap<u128, Known>,
    order: VecDeque<u128>,
}

impl Received {
    /// Adds a key, unless it is known, and returns it. Of more than `most` keys, the oldest are forgotten.
    pub(super) fn add(&mut self, digest: u128, magic: Option<Magic>, now: Duration, most: usize) -> Known {
        if let Some(known) = self.keys.get(&digest) {
            return *known;
        }
        let known = Known {
            magic,
            since: now,
            has_reference: false,
        };
        self.keys.insert(digest, known);
        self.order.push_back(digest);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        known
    }

    /// Returns a known key.
    pub(super) fn get(&self, digest: u128) -> Option<Known> {
        self.keys.get(&digest).copied()
    }

    /// Records that a submission under the key was answered with a reference.
    pub(super) fn answered(&mut self, digest: u128) {
        if let Some(known) = self.keys.get_mut(&digest) {
            known.has_reference = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut received = Received::default();
        for digest in 0..10 {
            received.add(digest, None, Duration::ZERO, 3);
            received.add(digest, None, Duration::ZERO, 3);
        }
        assert_eq!(received.order, [7, 8, 9]);
        let kept = |digest| received.get(digest).is_some();
        assert!(!kept(6) && kept(7) && kept(8) && kept(9));
        assert_eq!(received.keys.len(), 3);
    }
}
