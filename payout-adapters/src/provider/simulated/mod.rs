//! A processor that moves no money. It answers after a set delay and declines a set share of payouts.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::ports::Processor;
use payout_core::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};

/// The number of keys that are remembered. The oldest are forgotten first.
const REMEMBERED: usize = 100_000;

/// A failure rate that is not a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a failure rate is a number from 0 to 1")]
pub struct InvalidFailureRate;

/// A [`Processor`] for demonstrations and tests.
///
/// The outcome of a key is a pure function of the key and the failure rate. It is therefore the same after a restart
/// and in every process, and one key is "paid" at most once. A look-up finds the last 100,000 keys that *this* process
/// received. For an unknown or forgotten key it answers like a provider that never received the key; a new submission
/// under that key returns the same outcome.
///
/// A key counts as received from the start of the call, not from its end. A caller that gives up during the delay finds
/// the outcome when it looks the key up, as with a real provider that is slow to answer.
#[derive(Debug)]
pub struct SimulatedProcessor {
    delay: Duration,
    failure_rate: f64,
    received: Mutex<Received>,
}

impl SimulatedProcessor {
    /// Creates a processor that answers after `delay` and declines a share of all keys, from none (0) to all (1).
    ///
    /// # Errors
    /// [`InvalidFailureRate`] when the rate is not a number from 0 to 1.
    pub fn new(delay: Duration, failure_rate: f64) -> Result<Self, InvalidFailureRate> {
        if !(0.0..=1.0).contains(&failure_rate) {
            return Err(InvalidFailureRate);
        }
        Ok(Self {
            delay,
            failure_rate,
            received: Mutex::default(),
        })
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::expect_used, reason = "the text is never empty")]
    fn outcome(&self, key: &ProcessorKey) -> ProviderAnswer {
        let digest = digest(key);
        if chance(digest) < self.failure_rate {
            let message = "The simulated processor declined the payout.";
            return ProviderAnswer::Declined(Failure::new("simulated_decline", message));
        }
        let reference = ProviderReference::new(&format!("sim_{digest:032x}")).expect("a reference");
        ProviderAnswer::Paid { reference }
    }
}

#[async_trait]
impl Processor for SimulatedProcessor {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        self.received().add(digest(&instruction.key), REMEMBERED);
        // Even a zero sleep lasts until the timer's next tick.
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        Ok(self.outcome(&instruction.key))
    }

    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
        let known = self.received().digests.contains(&digest(key));
        Ok(known.then(|| self.outcome(key)))
    }
}

/// The digests of the received keys, and the order in which they were received.
#[derive(Debug, Default)]
struct Received {
    digests: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Received {
    fn add(&mut self, digest: u128, most: usize) {
        if !self.digests.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

/// Hashes a key with 128-bit FNV-1a, which is the same in every build and on every machine. The standard library's
/// hashers do not guarantee that.
fn digest(key: &ProcessorKey) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    key.as_str()
        .bytes()
        .fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// Maps a digest to a number from 0 (inclusive) to 1 (exclusive).
fn chance(digest: u128) -> f64 {
    // FNV mixes short texts poorly, so the finalizer of SplitMix64 spreads their differences over all bits.
    let folded = digest ^ (digest >> 64);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    let mut bits = folded as u64;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    // A float holds 53 bits exactly, so the quotient stays below 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let top = (bits >> 11) as f64;
    top / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use payout_core::payout::PayoutId;

    use super::*;

    #[test]
    fn a_key_has_the_same_digest_in_every_version() {
        let id = PayoutId::from(uuid::Uuid::nil());
        let digest = digest(&ProcessorKey::new(id, None, 0));
        assert_eq!(format!("{digest:032x}"), "7020694f4ecb2a8e8eeebfe27345722b");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut received = Received::default();
        for digest in 0..10 {
            received.add(digest, 3);
            received.add(digest, 3);
        }
        assert_eq!(received.order, [7, 8, 9]);
        assert_eq!(received.digests, HashSet::from([7, 8, 9]));
    }
}
