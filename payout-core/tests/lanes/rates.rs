//! Slots, pauses, and limits of calls per second.

use std::time::Duration;

use payout_core::payout::PayoutId;
use payout_core::ports::Clock;
use payout_core::worker::ProviderSettings;

use crate::providers::{Mode, Provider};
use crate::{Bench, SECOND};

const CALL: Duration = Duration::from_millis(200);

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_leaves_the_other_its_slots() {
    let (mut bench, a, b) = Bench::of_two();
    bench.settings.concurrency = 4;
    a.set(Mode::Hangs);
    bench.payouts_for(&a, 50);
    let quick = bench.payouts_for(&b, 50);
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    let done = quick.iter().filter(|id| bench.payments(**id) == 1).count();
    assert_eq!(
        (done, a.submissions()),
        (50, 4),
        "each provider has slots of its own"
    );
    running.crash();
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_away_slows_no_other_down() {
    let (mut bench, a, b) = Bench::of_two();
    bench.routes = None;
    a.set(Mode::Away);
    bench.payouts_for(&a, 200);
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    let quick = bench.payouts_for(&b, 500);
    tokio::time::sleep(2 * SECOND).await;
    running.stop().await;
    assert_eq!(quick.iter().filter(|id| bench.payments(**id) == 1).count(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_paused_provider_is_not_called_and_goes_on_where_it_was_when_it_is_resumed() {
    let (bench, a, b) = Bench::of_two();
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    bench.store.paused.lock().unwrap().insert(a.name.clone());
    tokio::time::sleep(2 * SECOND).await;
    let (held, other) = (bench.payouts_for(&a, 30), bench.payouts_for(&b, 30));
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(a.calls(), []);
    assert!(other.iter().all(|id| bench.payments(*id) == 1));
    bench.store.paused.lock().unwrap().clear();
    tokio::time::sleep(3 * SECOND).await;
    running.stop().await;
    assert!(held.iter().all(|id| a.payments(*id) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_does_not_call_a_provider_that_is_paused() {
    let (bench, a, _) = Bench::of_two();
    bench.store.paused.lock().unwrap().insert(a.name.clone());
    bench.payouts_for(&a, 30);
    bench.run_for(10 * SECOND).await;
    assert_eq!(a.calls(), []);
}

/// Makes a bench with one provider that takes 100 calls a second, of 200 ms each.
fn limited() -> (Bench, Provider) {
    let mut bench = Bench::new();
    let a = bench.provider("a").whose_calls_take(CALL);
    let limit = ProviderSettings {
        calls_per_second: Some(100),
        ..ProviderSettings::default()
    };
    (bench.with_settings(&a, limit), a)
}

/// Returns the largest number of calls, from this time on, within any window of this length.
fn busiest(provider: &Provider, from: Duration, window: Duration) -> usize {
    let times = provider.calls().into_iter().map(|call| call.at);
    let times: Vec<_> = times.filter(|at| *at >= from).collect();
    let within = |start: usize| {
        let end = times[start] + window;
        times[start..].iter().take_while(|at| **at < end).count()
    };
    (0..times.len()).map(within).max().unwrap_or(0)
}

fn calls_between(provider: &Provider, from: Duration, until: Duration) -> usize {
    let calls = provider.calls().into_iter();
    calls.filter(|call| call.at >= from && call.at < until).count()
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_calls_per_second_is_used_and_kept_within_two_percent() {
    let (bench, a) = limited();
    bench.payouts_for(&a, 5_000);
    bench.run_for(25 * SECOND).await;
    let calls = calls_between(&a, 5 * SECOND, 25 * SECOND);
    assert!(
        (1_960..=2_040).contains(&calls),
        "{calls} calls in twenty seconds"
    );
    let most = busiest(&a, Duration::ZERO, 10 * SECOND);
    assert!(most <= 1_003, "{most} calls in ten seconds");
    let most = busiest(&a, Duration::ZERO, SECOND);
    assert!(most <= 102, "{most} calls in a second");
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_many_due_payouts_does_not_exceed_the_limit() {
    let (bench, a) = limited();
    bench.payouts_for(&a, 5_000);
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    running.crash();
    bench.run_for(20 * SECOND).await;
    let most = busiest(&a, Duration::ZERO, SECOND);
    assert!(most <= 102, "{most} calls in a second");
    assert!(calls_between(&a, 15 * SECOND, 25 * SECOND) >= 980);
}

#[tokio::test(start_paused = true)]
async fn both_calls_of_a_payout_count() {
    let (bench, a) = limited();
    let ids = bench.payouts_for(&a, 400);
    for id in &ids {
        // A worker that died has claimed them all.
        let now = bench.store.clock.now();
        let claim = bench.store.get(*id).claim(now, Duration::ZERO, Duration::ZERO);
        bench.store.put(claim.unwrap().payout().clone());
    }
    let running = bench.start();
    tokio::time::sleep(4 * SECOND).await;
    let is_under_way =
        |id: &&PayoutId| bench.store.get(**id).fence() > 1 && bench.store.verdicts(**id).is_empty();
    let under_way = ids.iter().filter(is_under_way).count();
    assert!(
        under_way <= 60,
        "{under_way} payouts are claimed and wait for their calls"
    );
    tokio::time::sleep(16 * SECOND).await;
    running.stop().await;
    assert_eq!(
        (a.calls().len(), a.submissions()),
        (800, 400),
        "each is looked up and sent"
    );
    let most = busiest(&a, Duration::ZERO, SECOND);
    assert!(most <= 102, "{most} calls in a second");
    assert!(ids.iter().all(|id| bench.payments(*id) == 1));
}

#[tokio::test(start_paused = true)]
async fn rechecks_leave_payouts_their_part_of_the_limit() {
    let mut bench = Bench::new();
    let mut a = bench.provider("a");
    a.capabilities.returns = payout_core::provider::ReturnWindow::Within(3_600 * SECOND);
    let limit = ProviderSettings {
        calls_per_second: Some(10),
        ..ProviderSettings::default()
    };
    let fast = bench.with(&a);
    fast.payouts_for(&a, 3_000);
    fast.run_for(10 * SECOND).await;
    // All rechecks are due when the provider gets a limit.
    tokio::time::sleep(120 * SECOND).await;
    let slow = Bench {
        providers: Vec::new(),
        ..fast
    }
    .with_settings(&a, limit);
    let new = slow.payouts_for(&a, 50);
    slow.run_for(30 * SECOND).await;
    let done = new.iter().filter(|id| a.payments(**id) == 1).count();
    assert_eq!(done, 50, "rechecks are many, and each can wait");
    let most = busiest(&a, 120 * SECOND, SECOND);
    assert!(most <= 11, "{most} calls in a second");
}
