//! The pace at which a worker calls its provider: full speed, slowed down, or only probes.
//!
//! [`control`] decides. This module holds the state that the worker's tasks share: while the provider works, a call
//! costs a few relaxed operations on atomics and takes no lock.

mod control;
mod probe;
mod rate;
mod refused;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub(in crate::worker) use self::control::Step;
use self::control::{Control, Heard, Mode, News};
use self::refused::RefusedPayments;
use crate::payout::PayoutId;
use crate::ports::{Observer, PaceState, Randomness, Signal};
use crate::provider::{LookUp, ProcessorError, ProviderName};

/// The number of unanswered calls at which the provider may have fallen silent. Once the first of them has waited for
/// [`SUSPICIOUS_AFTER`], and for four times the duration of a call, no further call begins at full speed until one is
/// answered. This keeps the number of unknown outcomes small.
const UNANSWERED: u32 = 16;
const SUSPICIOUS_AFTER: Duration = Duration::from_secs(1);
/// The number of failed payments that probes look up in turn.
const PROBES: usize = 8;
/// The interval at which a task that waits for an answer checks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The pace of one worker.
pub(super) struct Pace {
    control: Mutex<Control>,
    observer: Arc<dyn Observer>,
    provider: Option<ProviderName>,
    /// The look-ups of the payments that failed last, for probes: one payment may fail whenever it is asked for.
    probes: Mutex<VecDeque<LookUp>>,
    refused: Mutex<RefusedPayments>,
    /// Woken when the pace has changed.
    pub(super) changed: Notify,
    full: AtomicBool,
    calm: AtomicBool,
    worked: AtomicU64,
    /// Microseconds plus one; 0 means never.
    last_worked: AtomicU64,
    /// The moving average of a call's duration, in microseconds.
    takes: AtomicU64,
    unanswered: AtomicU32,
    unanswered_since: AtomicU64,
}

impl Pace {
    pub(super) fn new(observer: Arc<dyn Observer>, provider: Option<ProviderName>) -> Self {
        Self {
            control: Mutex::default(),
            observer,
            provider,
            probes: Mutex::default(),
            refused: Mutex::default(),
            changed: Notify::new(),
            full: AtomicBool::new(true),
            calm: AtomicBool::new(true),
            worked: AtomicU64::new(0),
            last_worked: AtomicU64::new(0),
            takes: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
            unanswered_since: AtomicU64::new(0),
        }
    }

    /// Reports whether the provider may be sent a call from every free slot.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full.load(Ordering::Acquire) && !self.is_stalled(now)
    }

    /// Returns whether the provider is away: only probes are sent.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.lock().mode, Mode::Away(_))
    }

    /// Records a call that begins at `now`.
    pub(super) fn begun(&self, now: Duration) {
        if self.unanswered.fetch_add(1, Ordering::Relaxed) == 0 {
            self.unanswered_since.store(micros(now), Ordering::Relaxed);
        }
    }

    /// Records a second call of the same claim.
    pub(super) fn call_again(&self) {
        if !self.full.load(Ordering::Acquire) {
            self.lock().call_again();
        }
    }

    /// Records a call that was answered.
    pub(super) fn worked(
        &self,
        now: Duration,
        took: Duration,
        payment: impl FnOnce() -> PayoutId,
        chance: &dyn Randomness,
    ) {
        self.unanswered.store(0, Ordering::Relaxed);
        self.worked.fetch_add(1, Ordering::Relaxed);
        self.last_worked.store(micros(now) + 1, Ordering::Relaxed);
        let (before, took) = (self.takes.load(Ordering::Relaxed), micros(took));
        self.takes.store((before * 7 + took) / 8, Ordering::Relaxed);
        if self.calm.load(Ordering::Acquire) {
            return;
        }
        let is_slowed = matches!(self.lock().mode, Mode::Slowed(_));
        // The look-ups of a payment that is refused whenever it comes do not make the provider well.
        if !(is_slowed && self.refused().contains(payment())) {
            self.hear(now, Heard::Worked, chance);
        }
    }

    /// Records a call that failed, and the look-up of its payment.
    pub(super) fn failed(
        &self,
        now: Duration,
        error: &ProcessorError,
        look_up: LookUp,
        chance: &dyn Randomness,
    ) {
        let payment = look_up.payout_id;
        let mut probes = self.probes();
        probes.retain(|known| known.payout_id != look_up.payout_id);
        probes.truncate(PROBES - 1);
        probes.push_front(look_up);
        drop(probes);
        if !matches!(error, ProcessorError::Unknown { .. }) {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        let heard = heard(error);
        if heard == Heard::Refused(None) && self.refused().add(payment) && !self.is_away() {
            return;
        }
        self.hear(now, heard, chance);
    }

    /// Records the result of a probe.
    pub(super) fn probed(&self, now: Duration, said: Result<(), &ProcessorError>) {
        let heard = said.map_or_else(heard, |()| Heard::Worked);
        self.lock().probed(now, heard);
        self.changed.notify_one();
    }

    /// Decides the next step, of up to `want` claims.
    pub(super) fn next(&self, now: Duration, want: usize, chance: &dyn Randomness) -> Step {
        if self.is_stalled(now) && self.full.load(Ordering::Acquire) {
            return Step::Wait(LOOK_AGAIN);
        }
        let has_key = !self.probes().is_empty();
        let worked = self.worked.load(Ordering::Relaxed);
        let mut control = self.lock();
        let rate = rate(&control);
        let (step, news) = control.next(now, want, has_key, worked, chance);
        self.tell(now, &control, rate, news);
        step
    }

    /// Reserves the calls of up to `most` claims; returns the number reserved.
    pub(super) fn take(&self, now: Duration, most: usize) -> usize {
        self.lock().take(now, most)
    }

    /// Records how many of the reserved claims were won.
    pub(super) fn claimed(&self, now: Duration, reserved: usize, won: usize, chance: &dyn Randomness) {
        if self.full.load(Ordering::Acquire) {
            return;
        }
        let mut control = self.lock();
        let rate = rate(&control);
        let news = control.claimed(now, reserved, won, chance);
        self.tell(now, &control, rate, news);
    }

    /// Gives back reserved calls that were not made, of something other than claims.
    pub(super) fn give_back(&self, unused: usize) {
        self.lock().give_back(unused);
    }

    /// The look-up that the next probe repeats: the failed payments take turns.
    pub(super) fn next_probe(&self) -> Option<LookUp> {
        let mut probes = self.probes();
        let next = probes.pop_front()?;
        probes.push_back(next.clone());
        Some(next)
    }

    /// Returns to full speed, as after a start: an operator says that the provider is well.
    pub(super) fn forget(&self, now: Duration) {
        self.probes().clear();
        self.refused().clear();
        let mut control = self.lock();
        let rate = rate(&control);
        *control = Control::default();
        self.tell(now, &control, rate, None);
    }

    fn hear(&self, now: Duration, heard: Heard, chance: &dyn Randomness) {
        let last_worked = self.last_worked.load(Ordering::Relaxed);
        let last_worked = last_worked.checked_sub(1).map(Duration::from_micros);
        let worked = (self.worked.load(Ordering::Relaxed), last_worked);
        let mut control = self.lock();
        let rate = rate(&control);
        let news = control.hear(now, heard, worked, chance);
        self.tell(now, &control, rate, news);
    }

    /// Publishes a change to the other tasks, to the observer, and in the log.
    fn tell(&self, now: Duration, control: &Control, rate_before: Option<u32>, news: Option<News>) {
        let was_full = self.full.swap(control.mode == Mode::Full, Ordering::AcqRel);
        self.calm.store(control.is_calm(), Ordering::Release);
        let changed = news.is_some() || was_full != (control.mode == Mode::Full);
        if changed || rate(control) != rate_before {
            self.observer.observe(&Signal::Paced {
                provider: self.provider.as_ref().map(ProviderName::as_str),
                state: match control.mode {
                    Mode::Full => PaceState::Full,
                    Mode::Slowed(_) => PaceState::Slowed,
                    Mode::Away(_) => PaceState::Away,
                },
                calls_per_second: rate(control),
            });
        }
        if changed {
            self.unanswered.store(0, Ordering::Relaxed);
            self.changed.notify_one();
        }
        let provider = self.provider.as_ref().map(ProviderName::as_str);
        match news {
            Some(News::Away) => tracing::warn!(
                provider,
                "the provider is away; payouts wait, and a probe about once a second finds out when it is back"
            ),
            Some(News::Back) => tracing::info!(provider, "the provider is back"),
            Some(News::Slowed) => tracing::warn!(
                provider,
                waits_seconds = control.not_before.saturating_sub(now).as_secs(),
                "the provider refuses calls for now: payouts wait, and calls are slowed down to what it accepts"
            ),
            Some(News::FullSpeed) => tracing::info!(provider, "the provider takes calls at full speed again"),
            None => (),
        }
    }

    fn is_stalled(&self, now: Duration) -> bool {
        if self.unanswered.load(Ordering::Relaxed) < UNANSWERED {
            return false;
        }
        let since = Duration::from_micros(self.unanswered_since.load(Ordering::Relaxed));
        let takes = Duration::from_micros(self.takes.load(Ordering::Relaxed));
        now.saturating_sub(since) >= SUSPICIOUS_AFTER.max(takes * 4)
    }

    fn refused(&self) -> MutexGuard<'_, RefusedPayments> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn probes(&self) -> MutexGuard<'_, VecDeque<LookUp>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heard(error: &ProcessorError) -> Heard {
    match error {
        ProcessorError::Refused { retry_after, .. } => Heard::Refused(*retry_after),
        // Without a wait the provider speaks of this payment alone.
        ProcessorError::Overloaded { retry_after, .. } => {
            Heard::Refused(Some(*retry_after).filter(|wait| !wait.is_zero()))
        }
        ProcessorError::Unknown {
            retry_after: Some(retry_after),
            ..
        } => Heard::Refused(Some(*retry_after)),
        ProcessorError::Unknown {
            retry_after: None, ..
        }
        | ProcessorError::NeverSent { .. } => Heard::Failed,
    }
}

/// Calls per second, rounded up; absent at full speed.
fn rate(control: &Control) -> Option<u32> {
    match control.mode {
        Mode::Full => None,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is between a half and some thousands"
        )]
        Mode::Slowed(slowed) => Some(slowed.rate.ceil() as u32),
        Mode::Away(_) => Some(0),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ports::{MockObserver, System};
    use crate::provider::ProcessorKey;

    fn pace() -> Pace {
        let mut observer = MockObserver::new();
        observer.expect_observe().return_const(());
        Pace::new(Arc::new(observer), None)
    }

    fn refuse(pace: &Pace, now: Duration, number: u128) {
        let id = PayoutId::from(Uuid::from_u128(number));
        let look_up = LookUp::of_key(ProcessorKey::new(id, None, 0), id);
        let error = ProcessorError::Refused {
            why: "403".into(),
            retry_after: None,
        };
        pace.failed(now, &error, look_up, &System::default() as &dyn Randomness);
    }

    #[test]
    fn a_payment_that_is_refused_whenever_it_comes_slows_no_other() {
        let pace = pace();
        let mut now = Duration::from_secs(1);
        for number in [1, 2, 3, 1, 2, 3] {
            refuse(&pace, now, number);
        }
        let slowed = rate(&pace.lock());
        assert!(slowed.is_some(), "different payments were refused");
        for _ in 0..100 {
            now += Duration::from_secs(1);
            for number in [1, 2, 3] {
                refuse(&pace, now, number);
            }
        }
        assert_eq!(rate(&pace.lock()), slowed);
        refuse(&pace, now, 4);
        assert!(rate(&pace.lock()) < slowed, "another payment is refused");
    }

    #[test]
    fn probes_look_up_the_failed_payments_in_turn() {
        let pace = pace();
        for number in [1, 2, 1, 3] {
            refuse(&pace, Duration::ZERO, number);
        }
        let asked = [0; 4].map(|_| pace.next_probe().unwrap().payout_id);
        let known = [3, 1, 2, 3].map(|number| PayoutId::from(Uuid::from_u128(number)));
        assert_eq!(asked, known);
    }

    #[test]
    fn a_provider_that_an_operator_resumes_is_called_at_full_speed() {
        let pace = pace();
        for number in 1..=3 {
            refuse(&pace, Duration::ZERO, number);
        }
        assert!(!pace.is_full(Duration::ZERO));
        pace.forget(Duration::ZERO);
        assert!(pace.is_full(Duration::ZERO));
        assert!(pace.next_probe().is_none());
    }
}
