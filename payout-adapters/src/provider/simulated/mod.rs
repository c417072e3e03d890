//! A processor that moves no money. It answers after a set delay and declines a set share of payouts. [Magic
//! recipients](magic) lead to every other outcome.

pub mod magic;
mod memory;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Capabilities, DeclineCode, Instruction, LookUp, LookUpAnswer, PaymentReturn, ProcessorError,
    ProcessorKey, ProviderAnswer, WaitReason,
};
use rust_decimal::Decimal;

use self::magic::{A_WHILE, Ending, Magic, Outcome};
use self::memory::{Known, Received};

/// The number of keys that are remembered. The oldest are forgotten first.
const REMEMBERED: usize = 100_000;

/// A failure rate that is not a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a failure rate is a number from 0 to 1")]
pub struct InvalidFailureRate;

/// A [`Processor`] for demonstrations and tests.
///
/// The outcome of a key is a pure function of the key, the recipient and the failure rate. It is therefore the same
/// after a restart and in every process, and one key is "paid" at most once. A look-up finds the last 100,000 keys that
/// *this* process received. For an unknown or forgotten key it answers like a provider that never received the key; a
/// new submission under that key returns the same outcome.
///
/// The reference of a payment to a magic recipient names the outcome. So a look-up with a reference finds it in every
/// process, and after a restart.
///
/// A key counts as received from the start of the call, not from its end. A caller that gives up during the delay finds
/// the outcome when it looks the key up, as with a real provider that is slow to answer.
#[derive(Debug)]
pub struct SimulatedProcessor {
    delay: Duration,
    failure_rate: f64,
    clock: System,
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
            clock: System::default(),
            received: Mutex::default(),
        })
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self, since: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(since)
    }

    /// Returns the outcome of a key with an ordinary recipient.
    fn ordinary(&self, key: &ProcessorKey) -> ProviderAnswer {
        let digest = digest(key);
        if chance(digest) < self.failure_rate {
            let message = "The simulated processor declined the payout.";
            return ProviderAnswer::Declined(Failure::new("simulated_decline", message));
        }
        ProviderAnswer::Paid {
            reference: reference(key, None),
        }
    }

    /// Finds a key by the reference that another process, or this one before a restart, has given it.
    fn by_reference(&self, look_up: &LookUp) -> LookUpAnswer {
        let Some(magic) = named_by(look_up) else {
            return LookUpAnswer::Absent;
        };
        let age = look_up.first_sent_at.map_or(Duration::MAX, |sent| {
            (self.clock.now() - sent).to_std().unwrap_or_default()
        });
        match outcome(&look_up.key, magic, age.max(paid_from(magic.outcome))) {
            Ok(answer) => LookUpAnswer::Found(answer),
            Err(error) => LookUpAnswer::CannotTell {
                why: error.to_string(),
            },
        }
    }
}

#[async_trait]
impl Processor for SimulatedProcessor {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let key = &instruction.key;
        let magic = Magic::of(&instruction.details.recipient);
        if let Some(Outcome::Hangs) = magic.map(|magic| magic.outcome) {
            return std::future::pending().await;
        }
        let now = self.clock.monotonic();
        let known = self.received().add(digest(key), magic, now, REMEMBERED);
        // Even a zero sleep lasts until the timer's next tick.
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let Some(magic) = magic else {
            return Ok(self.ordinary(key));
        };
        if magic.outcome == Outcome::PaidUnanswered && !known.has_reference {
            self.received().answered(digest(key));
            return std::future::pending().await;
        }
        let answer = outcome(key, magic, self.age(known.since))?;
        if has_reference(&answer) {
            self.received().answered(digest(key));
        }
        Ok(answer)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: "simulated",
            returns: magic::RETURNS,
            ..Capabilities::default()
        }
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let known = self.received().get(digest(&look_up.key));
        let Some(Known {
            magic,
            since,
            has_reference,
        }) = known
        else {
            return Ok(self.by_reference(look_up));
        };
        let Some(magic) = magic else {
            return Ok(LookUpAnswer::Found(self.ordinary(&look_up.key)));
        };
        match magic.outcome {
            // A refusal for now that is not kept under the key leaves no trace.
            Outcome::Waits(_) | Outcome::WaitsForever | Outcome::Refused if !has_reference => {
                Ok(LookUpAnswer::Absent)
            }
            Outcome::CannotTell => Ok(LookUpAnswer::CannotTell {
                why: "it is simulated so".to_owned(),
            }),
            Outcome::Waits(_)
            | Outcome::WaitsForever
            | Outcome::Refused
            | Outcome::Declined(_)
            | Outcome::Returned { .. }
            | Outcome::Accepted(_)
            | Outcome::Hangs
            | Outcome::PaidUnanswered
            | Outcome::KeySpent => outcome(&look_up.key, magic, self.age(since)).map(LookUpAnswer::Found),
        }
    }
}

/// Returns the answer for a magic recipient, at this time after the key was first received.
fn outcome(key: &ProcessorKey, magic: Magic, age: Duration) -> Result<ProviderAnswer, ProcessorError> {
    let reference = || reference(key, Some(magic));
    let paid = || ProviderAnswer::Paid {
        reference: reference(),
    };
    let accepted = |look_again| ProviderAnswer::Accepted {
        reference: reference(),
        look_again,
    };
    let returned = |amount| {
        ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference()),
            reason: failure("return", DeclineCode::AccountClosed),
            at: None,
            amount,
        })
    };
    let waiting = |reason, key_is_spent| ProviderAnswer::Waiting {
        reason,
        why: "the simulated processor refuses the payment for now".to_owned(),
        key_is_spent,
    };
    let early = age < A_WHILE;
    Ok(match magic.outcome {
        Outcome::Declined(reason) => ProviderAnswer::Declined(failure("decline", reason)),
        Outcome::Returned { .. } if early => paid(),
        Outcome::Returned { partly } => returned(partly.then_some(Decimal::ONE)),
        Outcome::Accepted(Ending::Never) => accepted(None),
        Outcome::Accepted(_) if early => accepted(Some(A_WHILE.saturating_sub(age))),
        Outcome::Accepted(Ending::Paid) => paid(),
        Outcome::Accepted(Ending::Declined) => {
            ProviderAnswer::Declined(failure("decline", DeclineCode::AccountNotFound))
        }
        Outcome::Accepted(Ending::Returned) if age < 2 * A_WHILE => paid(),
        Outcome::Accepted(Ending::Returned) => returned(None),
        Outcome::Waits(reason) if early => waiting(reason, false),
        Outcome::WaitsForever => waiting(WaitReason::Funds, false),
        Outcome::KeySpent if generation(key) == Some(0) => waiting(WaitReason::Funds, true),
        Outcome::Refused if early => {
            return Err(ProcessorError::refused("it is simulated so", None));
        }
        Outcome::Hangs | Outcome::CannotTell => return Err(ProcessorError::unknown("it is simulated so")),
        Outcome::Waits(_) | Outcome::KeySpent | Outcome::Refused | Outcome::PaidUnanswered => paid(),
    })
}

/// Returns the age from which a payment of an outcome has a reference.
fn paid_from(outcome: Outcome) -> Duration {
    match outcome {
        Outcome::Waits(_) | Outcome::Refused => A_WHILE,
        Outcome::Declined(_)
        | Outcome::Returned { .. }
        | Outcome::Accepted(_)
        | Outcome::Hangs
        | Outcome::PaidUnanswered
        | Outcome::KeySpent
        | Outcome::WaitsForever
        | Outcome::CannotTell => Duration::ZERO,
    }
}

fn has_reference(answer: &ProviderAnswer) -> bool {
    match answer {
        ProviderAnswer::Paid { .. } | ProviderAnswer::Accepted { .. } | ProviderAnswer::Returned(_) => true,
        ProviderAnswer::Declined(_) | ProviderAnswer::Waiting { .. } | ProviderAnswer::Reported { .. } => {
            false
        }
    }
}

fn failure(what: &str, reason: DeclineCode) -> Failure {
    let code = format!("simulated_{what}_{}", reason.as_str());
    Failure::new(&code, "A magic recipient of the simulated processor.").because(reason)
}

/// Returns the reference of a key. It ends with the number of the outcome of a magic recipient.
#[expect(clippy::expect_used, reason = "the text is never empty")]
fn reference(key: &ProcessorKey, magic: Option<Magic>) -> ProviderReference {
    let suffix = magic.map_or(String::new(), |magic| format!("_{:02}", magic.number));
    ProviderReference::new(&format!("sim_{:032x}{suffix}", digest(key))).expect("a reference")
}

/// Returns the outcome that the reference of a look-up names, if it is the reference of its key.
fn named_by(look_up: &LookUp) -> Option<Magic> {
    let given = look_up.reference.as_ref()?;
    let (_, number) = given.as_str().rsplit_once('_')?;
    let magic = Magic::numbered(number.parse().ok()?)?;
    (*given == reference(&look_up.key, Some(magic))).then_some(magic)
}

fn generation(key: &ProcessorKey) -> Option<u32> {
    key.as_str().rsplit_once(':')?.1.parse().ok()
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
}
