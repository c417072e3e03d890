//! The pace over providers of every fault profile, on a clock that the test moves.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A random stream that is the same in every run.
struct Drawn(AtomicU64);

impl Randomness for Drawn {
    fn next_u64(&self) -> u64 {
        let mut state = self.0.load(Ordering::Relaxed);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.store(state, Ordering::Relaxed);
        state
    }
}

fn chance() -> Drawn {
    Drawn(AtomicU64::new(0x9E37_79B9_7F4A_7C15))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The provider's answer to a call that reaches it at this time.
type Provider<'p> = dyn FnMut(Duration) -> Heard + 'p;

/// A worker with an endless backlog, over a provider that answers within a moment.
struct Worker {
    control: Control,
    chance: Drawn,
    now: Duration,
    in_flight: VecDeque<(Duration, Heard)>,
    worked: u64,
    last_worked: Option<Duration>,
    /// The number of refused calls.
    refused: u64,
    failed: u64,
    claims: Vec<Duration>,
    probes: Vec<Duration>,
    news: Vec<(Duration, News)>,
}

const SLOTS: usize = 256;
const TAKES: Duration = millis(20);

impl Worker {
    fn new() -> Self {
        Self {
            control: Control::default(),
            chance: chance(),
            now: Duration::ZERO,
            in_flight: VecDeque::new(),
            worked: 0,
            last_worked: None,
            refused: 0,
            failed: 0,
            claims: Vec::new(),
            probes: Vec::new(),
            news: Vec::new(),
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Worked => {
                self.worked += 1;
                self.last_worked = Some(self.now);
            }
            Heard::Refused(_) => self.refused += 1,
            Heard::Failed => self.failed += 1,
        }
        let so_far = (self.worked, self.last_worked);
        let news = self.control.hear(self.now, heard, so_far, &self.chance);
        self.news.extend(news.map(|news| (self.now, news)));
    }

    /// Works until `until`; `pays` answers payments, `finds` answers look-ups.
    fn run(&mut self, until: Duration, pays: &mut Provider<'_>, finds: &mut Provider<'_>) {
        while self.now < until {
            while let Some((_, heard)) = self.in_flight.pop_front_if(|(at, _)| *at <= self.now) {
                self.hear(heard);
            }
            let free = SLOTS - self.in_flight.len();
            let (step, news) = self.control.next(self.now, free, true, self.worked, &self.chance);
            self.news.extend(news.map(|news| (self.now, news)));
            let mut wait = millis(1);
            match step {
                step @ (Step::Claim(_) | Step::ClaimUnsent) => {
                    let most = if let Step::Claim(most) = step { most } else { 1 };
                    for _ in 0..self.control.take(self.now, most.min(free)) {
                        self.claims.push(self.now);
                        self.in_flight.push_back((self.now + TAKES, pays(self.now)));
                    }
                }
                Step::Probe => {
                    self.probes.push(self.now);
                    let heard = finds(self.now);
                    self.control.probed(self.now, heard);
                }
                Step::Wait(pause) => wait = pause.clamp(millis(1), secs(1)),
            }
            let heard_at = self.in_flight.front().map(|(at, _)| *at);
            self.now = (self.now + wait)
                .min(heard_at.unwrap_or(Duration::MAX))
                .max(self.now + millis(1));
        }
    }

    fn is_full(&self) -> bool {
        self.control.mode == Mode::Full
    }

    fn claims_since(&self, since: Duration) -> usize {
        self.claims.iter().filter(|at| **at >= since).count()
    }
}

fn works(_: Duration) -> Heard {
    Heard::Worked
}

fn is_away(_: Duration) -> Heard {
    Heard::Failed
}

/// Accepts `limit` calls in each second of the clock, and refuses the others.
fn throttle(limit: u32, retry_after: Option<Duration>) -> impl FnMut(Duration) -> Heard {
    let (mut second, mut taken) = (0, 0);
    move |now| {
        if now.as_secs() != second {
            (second, taken) = (now.as_secs(), 0);
        }
        taken += 1;
        if taken <= limit {
            Heard::Worked
        } else {
            Heard::Refused(retry_after)
        }
    }
}

#[test]
fn a_provider_that_works_is_called_at_full_speed_and_nothing_is_told() {
    let mut worker = Worker::new();
    worker.run(secs(3), &mut works, &mut works);
    assert!(worker.is_full() && worker.news.is_empty());
    assert!(worker.worked > 20_000, "{}", worker.worked);
}

#[test]
fn an_absent_provider_is_sent_a_look_up_about_once_a_second_and_hardly_a_payment() {
    let mut worker = Worker::new();
    worker.run(secs(1), &mut works, &mut works);
    worker.run(secs(3_601), &mut is_away, &mut is_away);
    let tried = worker.claims_since(secs(2));
    assert!((100..130).contains(&tried), "{tried} payouts tried in an hour");
    assert!(
        worker.failed < 5_000,
        "{} calls before it was noticed",
        worker.failed
    );
    let probes = worker.probes.len();
    assert!((2_400..7_300).contains(&probes), "{probes} probes in an hour");
    let longest = worker.probes.windows(2).map(|pair| pair[1] - pair[0]).max();
    // A payout may be tried in between.
    assert!(longest.unwrap() <= millis(3_200), "{longest:?}");
    assert_eq!(
        worker.news.iter().map(|(_, news)| *news).collect::<Vec<_>>(),
        [News::Away]
    );
}

#[test]
fn full_speed_is_back_within_five_seconds_after_an_outage() {
    let mut worker = Worker::new();
    worker.run(secs(60), &mut is_away, &mut is_away);
    worker.run(secs(65), &mut works, &mut works);
    assert!(worker.is_full(), "{:?}", worker.control);
    assert!(
        worker
            .news
            .iter()
            .any(|(at, news)| *news == News::Back && *at < secs(63))
    );
}

#[test]
fn where_look_ups_are_answered_and_payments_are_not_one_payout_at_a_time_is_tried() {
    let mut worker = Worker::new();
    worker.run(secs(1), &mut is_away, &mut works);
    let before = worker.claims.len();
    worker.run(secs(601), &mut is_away, &mut works);
    let tried = worker.claims.len() - before;
    assert!(
        (300..1_300).contains(&tried),
        "{tried} payouts tried in ten minutes"
    );
    worker.run(secs(606), &mut works, &mut works);
    assert!(worker.is_full(), "{:?}", worker.control);
}

#[test]
fn where_some_payments_fail_whenever_they_are_asked_for_the_others_are_paid_within_seconds() {
    let mut worker = Worker::new();
    worker.run(secs(1), &mut is_away, &mut is_away);
    assert!(!worker.is_full());
    // The look-ups of the failed payments go on failing.
    worker.run(secs(8), &mut works, &mut is_away);
    assert!(worker.is_full(), "{:?}", worker.control);
}

#[test]
fn a_few_payments_that_are_refused_for_good_do_not_keep_the_others_slow() {
    let mut worker = Worker::new();
    worker.run(secs(1), &mut |_| Heard::Refused(None), &mut works);
    assert!(!worker.is_full());
    let mut number = 0_u64;
    let mut refuses_one_in_ten = |_| {
        number += 1;
        if number.is_multiple_of(10) {
            Heard::Refused(None)
        } else {
            Heard::Worked
        }
    };
    worker.run(secs(8), &mut refuses_one_in_ten, &mut works);
    assert!(worker.is_full(), "{:?}", worker.control);
}

#[test]
fn a_few_failures_among_successes_are_no_outage() {
    let mut worker = Worker::new();
    let mut number = 0_u64;
    let mut shaky = |_| {
        number += 1;
        if number.is_multiple_of(3) {
            Heard::Worked
        } else {
            Heard::Failed
        }
    };
    worker.run(secs(10), &mut shaky, &mut works);
    assert!(worker.is_full() && worker.news.is_empty(), "{:?}", worker.news);
}

#[test]
fn of_a_provider_that_takes_three_calls_a_second_nearly_all_are_used_and_few_refused() {
    for (retry_after, share) in [(None, 0.8), (Some(secs(1)), 0.5)] {
        let mut worker = Worker::new();
        let mut provider = throttle(3, retry_after);
        worker.run(secs(700), &mut provider, &mut works);
        let possible = 700.0 * 3.0;
        let worked = f64::from(u32::try_from(worker.worked).unwrap());
        assert!(
            worked >= possible * share,
            "{worked} of {possible}, {retry_after:?}: {:?}",
            worker.control
        );
        assert!(
            worker.refused <= 2 * worker.worked,
            "{} refused of {}",
            worker.refused,
            worker.worked
        );
        assert_eq!(
            worker
                .news
                .iter()
                .filter(|(_, news)| *news == News::Slowed)
                .count(),
            1
        );
    }
}

#[test]
fn of_a_provider_that_takes_five_hundred_a_second_nearly_all_are_used_too() {
    let mut worker = Worker::new();
    let mut provider = throttle(500, None);
    worker.run(secs(60), &mut provider, &mut works);
    assert!(worker.worked >= 60 * 500 * 7 / 10, "{}", worker.worked);
    assert!(worker.refused <= worker.worked, "{}", worker.refused);
}

#[test]
fn a_provider_that_has_become_fast_again_is_used_at_full_speed_within_five_seconds() {
    for (limit, retry_after) in [(3, None), (3, Some(secs(1))), (0, None), (50, None)] {
        let mut worker = Worker::new();
        let mut provider = throttle(limit, retry_after);
        worker.run(secs(100), &mut provider, &mut |_| Heard::Refused(None));
        assert!(!worker.is_full());
        worker.run(secs(105), &mut works, &mut works);
        assert!(worker.is_full(), "{limit}: {:?}", worker.control);
    }
}

#[test]
fn a_provider_that_refuses_everything_hears_little_more() {
    let mut worker = Worker::new();
    worker.run(secs(3_600), &mut |_| Heard::Refused(None), &mut |_| {
        Heard::Refused(None)
    });
    assert!(worker.refused < 1_000, "{}", worker.refused);
    let tried = worker.claims_since(secs(60));
    assert!(tried < 130, "{tried} payouts tried in an hour");
    assert!(worker.probes.len() < 7_300);
}

#[test]
fn retry_after_is_kept_to_for_all_payouts_of_the_provider() {
    let mut worker = Worker::new();
    worker.run(secs(1), &mut works, &mut works);
    let refuses = |_| Heard::Refused(Some(secs(30)));
    worker.run(secs(2), &mut refuses.clone(), &mut refuses.clone());
    let last = *worker.claims.last().unwrap();
    assert!(last < secs(1) + millis(30), "{last:?}");
    worker.run(secs(31), &mut works, &mut works);
    assert_eq!(
        worker.claims.last(),
        Some(&last),
        "sent before the provider wanted"
    );
    worker.run(secs(37), &mut works, &mut works);
    assert!(worker.is_full(), "{:?}", worker.control);
}

#[test]
fn one_payout_that_is_refused_again_and_again_slows_no_other() {
    let mut worker = Worker::new();
    let mut number = 0_u64;
    let mut provider = |_| {
        number += 1;
        if number.is_multiple_of(100) {
            Heard::Refused(None)
        } else {
            Heard::Worked
        }
    };
    worker.run(secs(10), &mut provider, &mut works);
    assert!(worker.is_full() && worker.news.is_empty(), "{:?}", worker.news);
}

#[test]
fn with_nothing_due_a_throttle_is_forgotten() {
    let chance = chance();
    let mut control = Control::default();
    let refused = Heard::Refused(Some(Duration::ZERO));
    assert_eq!(
        control.hear(secs(1), refused, (0, None), &chance),
        Some(News::Slowed)
    );
    assert_eq!(control.claimed(secs(3), 1, 0, &chance), None);
    assert_eq!(control.claimed(secs(7), 1, 0, &chance), Some(News::FullSpeed));
}

#[test]
fn a_payout_on_trial_that_never_ends_is_not_waited_for_for_ever() {
    let chance = chance();
    let mut control = Control::default();
    for _ in 0..5 {
        control.hear(secs(1), Heard::Failed, (0, None), &chance);
    }
    control.probed(secs(3), Heard::Worked);
    assert_eq!(control.take(secs(3), 9), 1);
    assert_eq!(control.take(secs(4), 9), 0, "one at a time");
    assert_eq!(control.take(secs(14), 9), 1);
}

#[test]
fn with_nothing_due_a_look_up_that_is_answered_ends_the_outage() {
    let chance = chance();
    let mut control = Control::default();
    for _ in 0..5 {
        control.hear(secs(1), Heard::Failed, (0, None), &chance);
    }
    control.probed(secs(3), Heard::Worked);
    assert_eq!(control.take(secs(3), 9), 1);
    assert_eq!(control.claimed(secs(3), 1, 0, &chance), Some(News::Back));
}
