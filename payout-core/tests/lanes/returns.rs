//! Rechecks of completed payments.

use std::sync::atomic::Ordering;
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::SettlementOutcome;
use payout_core::contract::build;
use payout_core::payout::{PayoutId, Status};
use payout_core::provider::{Capabilities, ReturnWindow};

use crate::providers::{Mode, Provider};
use crate::{Bench, LEASE, SECOND};

const WINDOW: Duration = Duration::from_secs(3_600);

/// Pays a payout at a provider that returns payments for an hour, and shuts the worker down.
async fn paid() -> (Bench, Provider, PayoutId) {
    let mut bench = Bench::new();
    let mut a = bench.provider("a");
    a.capabilities = Capabilities {
        returns: ReturnWindow::Within(WINDOW),
        ..Capabilities::default()
    };
    let bench = bench.with(&a);
    let id = bench.payout_for(&a);
    bench.run_for(SECOND).await;
    assert_eq!(bench.store.get(id).status(), Status::Completed);
    (bench, a, id)
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_came_back_is_found_and_paid_again_only_by_a_persons_retry() {
    let (bench, a, id) = paid().await;
    a.returns(id);
    bench.run_for(120 * SECOND).await;
    let returned = bench.store.get(id);
    assert_eq!((returned.status(), a.submissions()), (Status::Returned, 1));
    let retried = returned.retry(Timestamp::MAX_UTC, build::client()).unwrap();
    bench
        .store
        .put(retried.made_at(bench.store.get(id).parts().updated_at));
    bench.run_for(10 * SECOND).await;
    assert_eq!(
        (bench.store.get(id).status(), bench.payments(id)),
        (Status::Completed, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_recheck_of_an_old_generation_changes_nothing() {
    let (bench, a, id) = paid().await;
    a.returns(id);
    let a = a.whose_calls_take(4 * SECOND);
    let bench = Bench {
        providers: vec![(a.clone(), Default::default())],
        ..bench
    };
    let running = bench.start();
    while a.calls().iter().all(|call| call.method != "look_up") {
        tokio::time::sleep(SECOND / 10).await;
    }
    // While the look-up runs, a person marks the payment as returned and retries it, and the retry is paid.
    let now = bench.store.get(id).parts().updated_at;
    let marked = bench
        .store
        .get(id)
        .mark_returned(now, build::operator("a letter"));
    let retried = marked.unwrap().made_at(now).retry(now, build::client()).unwrap();
    let claim = retried.made_at(now).claim(now, LEASE, LEASE).unwrap();
    let paid_again = claim.clone().settle(build::completed("again"));
    let SettlementOutcome::Written(paid_again) = claim.payout().clone().settle(&paid_again, now) else {
        panic!("the fence is current")
    };
    bench.store.put(paid_again.clone());
    tokio::time::sleep(10 * SECOND).await;
    running.stop().await;
    assert_eq!(bench.store.get(id), paid_again);
}

#[tokio::test(start_paused = true)]
async fn a_recheck_without_a_definite_answer_changes_nothing_and_is_made_again() {
    let (bench, a, id) = paid().await;
    let running = bench.start();
    for mode in [Mode::Away, Mode::Hangs, Mode::LosesAnswers] {
        a.set(mode);
        tokio::time::sleep(200 * SECOND).await;
        assert_eq!(bench.store.get(id).status(), Status::Completed, "{mode:?}");
    }
    a.set(Mode::Pays);
    a.returns(id);
    tokio::time::sleep(WINDOW / 2).await;
    running.stop().await;
    assert_eq!(bench.store.get(id).status(), Status::Returned);
    assert_eq!(a.submissions(), 1, "a recheck pays nothing");
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_rechecked_while_its_provider_is_slowed_down() {
    let (bench, a, id) = paid().await;
    a.set(Mode::Throttles);
    a.returns(id);
    let running = bench.start();
    // There is always another payout, so that the provider is never thought to be well.
    for _ in 0..200 {
        bench.payout_for(&a);
        tokio::time::sleep(SECOND).await;
    }
    running.stop().await;
    assert_eq!(bench.store.get(id).status(), Status::Returned);
}

#[tokio::test(start_paused = true)]
async fn rechecks_end_with_the_window_and_the_last_comes_after_it() {
    let (bench, a, id) = paid().await;
    let paid_at = bench.store.get(id).parts().completed_at.unwrap();
    bench.run_for(WINDOW * 3).await;
    assert_eq!(bench.store.get(id).parts().recheck_at, None);
    let last = a.calls().last().unwrap().at;
    let since = paid_at - Timestamp::UNIX_EPOCH - chrono::TimeDelta::days(20_000);
    let age = last - since.to_std().unwrap();
    assert!(age >= WINDOW && age < WINDOW + 120 * SECOND, "{age:?}");
    assert!(a.calls().len() < 20, "{} calls", a.calls().len());
}

#[tokio::test(start_paused = true)]
async fn a_recheck_that_was_not_written_is_made_again_when_its_lease_ends() {
    let (bench, a, id) = paid().await;
    a.returns(id);
    bench.store.loses_rechecks.store(true, Ordering::SeqCst);
    let running = bench.start();
    while a.calls().iter().all(|call| call.method != "look_up") {
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(SECOND / 10).await;
    running.crash();
    assert_eq!(bench.store.get(id).status(), Status::Completed);
    bench.store.loses_rechecks.store(false, Ordering::SeqCst);
    bench.run_for(LEASE + 3 * SECOND).await;
    assert_eq!(bench.store.get(id).status(), Status::Returned);
}

#[tokio::test(start_paused = true)]
async fn a_finding_that_the_store_refuses_delays_no_other() {
    let mut bench = Bench::new();
    let mut a = bench.provider("a");
    a.capabilities.returns = ReturnWindow::Within(WINDOW);
    let bench = bench.with(&a);
    let ids = bench.payouts_for(&a, 3);
    bench.run_for(SECOND).await;
    for id in &ids {
        a.returns(*id);
    }
    bench.store.refused_rechecks.lock().unwrap().insert(ids[1]);
    // Without a worker, all become due, so that they are rechecked in one batch.
    tokio::time::sleep(120 * SECOND).await;
    bench.run_for(5 * SECOND).await;
    let statuses: Vec<Status> = ids.iter().map(|id| bench.store.get(*id).status()).collect();
    assert_eq!(statuses, [Status::Returned, Status::Completed, Status::Returned]);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_had_come_back_when_it_was_first_looked_up_is_completed_and_then_returned() {
    let mut bench = Bench::new();
    let mut a = bench.provider("a").that(Mode::LosesAnswers);
    a.capabilities.returns = ReturnWindow::Within(WINDOW);
    let bench = bench.with(&a);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(SECOND / 2).await;
    a.returns(id);
    a.set(Mode::Pays);
    tokio::time::sleep(20 * SECOND).await;
    running.stop().await;
    assert_eq!(bench.store.get(id).status(), Status::Returned);
    assert_eq!(a.submissions(), 1, "what came back is not sent again by itself");
}
