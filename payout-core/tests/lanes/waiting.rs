//! Refusals for now, keys that are spent, and look-ups that cannot tell.

use std::time::Duration;

use payout_core::attempt::Verdict;
use payout_core::payout::{EventKind, Status};
use payout_core::provider::{Capabilities, WaitReason};

use crate::providers::{Mode, Provider};
use crate::{Bench, LEASE, SECOND};

/// Makes a bench with one provider that behaves in this way.
fn bench(mode: Mode) -> (Bench, Provider) {
    let mut bench = Bench::new();
    let a = bench.provider("a").that(mode);
    (bench.with(&a), a)
}

/// Makes a bench with a provider whose look-ups cannot tell.
fn without_look_ups(repeat_is_safe: bool) -> (Bench, Provider) {
    let mut bench = Bench::new();
    let mut a = bench.provider("a").that(Mode::LosesRequests);
    a.cannot_tell = true;
    a.capabilities = Capabilities {
        repeat_is_safe,
        key_window: Some(1_000 * SECOND),
        ..Capabilities::default()
    };
    (bench.with(&a), a)
}

fn keys(provider: &Provider) -> Vec<String> {
    let mut keys: Vec<_> = provider.calls().into_iter().map(|call| call.key).collect();
    keys.dedup();
    keys
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_that_spent_the_key_the_payout_is_paid_under_the_next() {
    let (bench, a) = bench(Mode::SpendsKeys);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    let waiting = bench.store.get(id);
    assert_eq!(waiting.parts().waiting_for, Some(WaitReason::Funds));
    a.set(Mode::Pays);
    tokio::time::sleep(60 * SECOND).await;
    running.stop().await;
    let payout = bench.store.get(id);
    assert_eq!((payout.status(), bench.payments(id)), (Status::Completed, 1));
    let changes = bench.store.changes();
    assert!(changes.iter().all(|change| change.event == EventKind::KeySpent));
    assert_eq!(payout.generation() as usize, changes.len());
    assert!(payout.generation() > 0);
    assert_eq!(
        keys(&a).len(),
        changes.len() + 1,
        "each generation has a key of its own"
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_lost_its_lease_begins_no_generation() {
    let (bench, a) = bench(Mode::SpendsKeys);
    let a = a.whose_calls_take(3 * SECOND);
    let bench = Bench {
        providers: vec![(a.clone(), Default::default())],
        ..bench
    };
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    // Another worker claims the payout, by a clock on which the lease is over.
    let due_at = bench.store.get(id).parts().due_at.unwrap();
    let taken_over = bench.store.get(id).claim(due_at, LEASE * 4, LEASE * 5).unwrap();
    bench.store.put(taken_over.payout().clone());
    tokio::time::sleep(5 * SECOND).await;
    running.stop().await;
    assert_eq!(a.submissions(), 1);
    assert_eq!(bench.store.get(id), *taken_over.payout());
}

#[tokio::test(start_paused = true)]
async fn after_several_claims_a_new_generation_waits_until_no_earlier_worker_can_be_sending() {
    let (bench, a) = bench(Mode::Hangs);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    running.crash();
    a.set(Mode::SpendsKeys);
    let running = bench.start();
    while bench.store.changes().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
    }
    running.stop().await;
    let payout = bench.store.get(id);
    let (due_at, calls_end_at) = (
        payout.parts().due_at.unwrap(),
        payout.parts().calls_end_at.unwrap(),
    );
    assert!(due_at >= calls_end_at, "{due_at} is before {calls_end_at}");
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_has_waited_for_too_long_goes_under_review() {
    for mode in [Mode::SpendsKeys, Mode::LacksFunds] {
        let (mut bench, a) = bench(mode);
        bench.settings.policy.waits_within = Duration::from_secs(600);
        let id = bench.payout_for(&a);
        bench.run_for(590 * SECOND).await;
        assert!(!bench.store.get(id).needs_review(), "{mode:?}");
        bench.run_for(1_000 * SECOND).await;
        assert!(bench.store.get(id).needs_review(), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longer_a_payout_waits_the_fewer_calls_it_costs() {
    let (bench, a) = bench(Mode::SpendsKeys);
    let id = bench.payout_for(&a);
    bench.run_for(3_600 * SECOND).await;
    let generations = bench.store.get(id).generation();
    assert!(
        generations > 3 && generations < 60,
        "{generations} generations in an hour"
    );
}

#[tokio::test(start_paused = true)]
async fn where_a_repeat_is_safe_a_key_is_sent_again_although_no_look_up_can_tell() {
    let (bench, a) = without_look_ups(true);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(SECOND / 2).await;
    a.set(Mode::Pays);
    tokio::time::sleep(60 * SECOND).await;
    running.stop().await;
    assert_eq!(
        (bench.store.get(id).status(), bench.payments(id)),
        (Status::Completed, 1)
    );
    assert_eq!(keys(&a).len(), 1, "it is the same key");
}

#[tokio::test(start_paused = true)]
async fn where_a_repeat_is_not_safe_and_no_look_up_can_tell_a_person_decides() {
    let (bench, a) = without_look_ups(false);
    let id = bench.payout_for(&a);
    bench.run_for(60 * SECOND).await;
    assert_eq!(a.submissions(), 1, "what may have arrived is not sent again");
    assert!(bench.store.get(id).needs_review());
}

#[tokio::test(start_paused = true)]
async fn past_half_of_the_key_window_nothing_is_sent_again_even_where_a_repeat_is_safe() {
    let (bench, a) = without_look_ups(true);
    let id = bench.payout_for(&a);
    bench.run_for(SECOND / 2).await;
    let sent = a.submissions();
    tokio::time::sleep(501 * SECOND).await;
    a.set(Mode::Pays);
    bench.run_for(60 * SECOND).await;
    assert_eq!(a.submissions(), sent);
    let payout = bench.store.get(id);
    assert!(payout.needs_review(), "{payout:?}");
    assert!(matches!(
        bench.store.verdicts(id).last(),
        Some(Verdict::Review { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_waits_for_funds_goes_on_under_the_same_key_where_the_refusal_is_forgotten() {
    let (bench, a) = bench(Mode::LacksFunds);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    a.set(Mode::Pays);
    tokio::time::sleep(60 * SECOND).await;
    running.stop().await;
    assert_eq!(bench.payments(id), 1);
    assert_eq!((bench.store.get(id).generation(), keys(&a).len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_waits_for_funds_at_one_provider_is_not_sent_to_another() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::LacksFunds);
    bench.payout_for(&a);
    bench.run_for(300 * SECOND).await;
    assert_eq!(
        b.calls(),
        [],
        "the refusal proves nothing about the requests before it"
    );
}
