//! Which provider is sent a payout, and when another one takes it.

use payout_core::attempt::Verdict;
use payout_core::payout::{Payout, PayoutParts, Status};
use payout_core::provider::WaitReason;
use payout_core::worker::ProviderSettings;

use crate::providers::Mode;
use crate::{Bench, LEASE, SECOND, planned};

fn altered(payout: &Payout, alter: impl FnOnce(&mut PayoutParts)) -> Payout {
    let mut parts = payout.parts().clone();
    alter(&mut parts);
    Payout::restore(parts).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_was_never_sent_to_the_first_provider_is_paid_by_the_next() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::Away);
    let id = bench.payout_for(&a);
    bench.run_for(5 * SECOND).await;
    assert_eq!((a.payments(id), b.payments(id)), (0, 1));
    let payout = bench.store.get(id);
    assert_eq!(payout.status(), Status::Completed);
    assert_eq!(payout.parts().provider, Some(b.name.clone()));
    assert_eq!(payout.generation(), 0, "the key's generation stays");
}

#[tokio::test(start_paused = true)]
async fn a_payout_whose_outcome_is_unknown_never_moves_to_another_provider() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::LosesAnswers);
    let id = bench.payout_for(&a);
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    assert_eq!(a.payments(id), 1);
    a.set(Mode::Away);
    tokio::time::sleep(120 * SECOND).await;
    assert_eq!(b.calls(), [], "the other provider hears nothing of it");
    assert_eq!(bench.provider_of(id), Some(a.name.clone()));
    a.set(Mode::Pays);
    tokio::time::sleep(90 * SECOND).await;
    running.stop().await;
    assert_eq!(bench.store.get(id).status(), Status::Completed);
    assert_eq!(bench.payments(id), 1);
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_a_dead_worker_may_have_sent_does_not_move() {
    let (bench, a, b) = Bench::of_two();
    let id = bench.payout_for(&a);
    a.set(Mode::Hangs);
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    running.crash();
    a.set(Mode::RefusesSubmissions);
    bench.run_for(LEASE * 3).await;
    assert_eq!(b.calls(), []);
    assert_eq!(bench.provider_of(id), Some(a.name.clone()));
}

#[tokio::test(start_paused = true)]
async fn of_a_provider_that_is_away_the_unsent_payouts_go_to_the_next_and_the_sent_ones_stay() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::LosesAnswers);
    let sent = bench.payouts_for(&a, 3);
    let running = bench.start();
    tokio::time::sleep(SECOND / 2).await;
    a.set(Mode::Away);
    let unsent = bench.payouts_for(&a, 40);
    tokio::time::sleep(30 * SECOND).await;
    running.stop().await;
    for id in unsent {
        assert_eq!(
            (bench.provider_of(id), bench.payments(id)),
            (Some(b.name.clone()), 1)
        );
    }
    for id in sent {
        assert_eq!((bench.provider_of(id), b.payments(id)), (Some(a.name.clone()), 0));
        assert_eq!(bench.store.get(id).status(), Status::Processing);
    }
}

#[tokio::test(start_paused = true)]
async fn payouts_that_no_other_provider_takes_are_sent_soon_after_theirs_is_back() {
    let (bench, a, b) = Bench::of_two();
    let bench = bench.routed(&[&a]);
    a.set(Mode::Away);
    let ids = bench.payouts_for(&a, 20);
    let running = bench.start();
    tokio::time::sleep(12 * SECOND).await;
    a.set(Mode::Pays);
    tokio::time::sleep(8 * SECOND).await;
    running.stop().await;
    for id in ids {
        assert_eq!(bench.payments(id), 1);
    }
    assert_eq!(b.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_key_could_not_be_looked_up_does_not_move() {
    // The store may have been restored to a time before an earlier retry, whose key was then paid.
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::Away);
    let id = bench.payout_for(&a);
    let payout = bench.store.get(id);
    bench.store.put(altered(&payout, |parts| {
        parts.generation = 1;
        parts.fence = 2;
    }));
    // The other payouts show that the provider is away.
    let others = bench.payouts_for(&a, 20);
    bench.run_for(60 * SECOND).await;
    assert_eq!(bench.payments(others[0]), 1);
    assert_eq!(
        b.payments(id),
        0,
        "only a look-up at its provider rules out an earlier payment"
    );
    assert_eq!(bench.provider_of(id), Some(a.name.clone()));
}

#[tokio::test(start_paused = true)]
async fn a_retry_follows_the_routes_only_after_its_provider_answered_a_look_up() {
    let (bench, a, b) = Bench::of_two();
    let bench = bench.routed(&[&b]);
    a.set(Mode::Away);
    let id = bench.payout_for(&a);
    let payout = bench.store.get(id);
    bench.store.put(altered(&payout, |parts| {
        parts.generation = 1;
        parts.fence = 2;
    }));
    let running = bench.start();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(
        b.payments(id),
        0,
        "the key may have been paid before the store was restored"
    );
    a.set(Mode::Pays);
    tokio::time::sleep(90 * SECOND).await;
    running.stop().await;
    assert_eq!((a.payments(id), b.payments(id)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn in_a_restored_store_a_retry_is_not_sent_where_another_provider_knows_its_key() {
    // The retry that the store has lost was planned for the provider `b`, and is paid there.
    let (bench, a, b) = Bench::of_two();
    let id = bench.payout_for(&b);
    let payout = bench.store.get(id);
    let retry = altered(&payout, |parts| {
        parts.generation = 1;
        parts.fence = 2;
    });
    bench.store.put(retry.clone());
    bench.run_for(5 * SECOND).await;
    assert_eq!(b.payments(id), 1);
    bench
        .store
        .put(altered(&retry, |parts| parts.provider = Some(a.name.clone())));
    let bench = Bench {
        restored: true,
        ..bench
    };
    bench.run_for(30 * SECOND).await;
    assert_eq!(bench.payments(id), 1);
    assert!(bench.store.get(id).needs_review());
}

#[tokio::test(start_paused = true)]
async fn an_unsent_payout_follows_the_routes_as_they_are_now() {
    let (bench, a, b) = Bench::of_two();
    let id = bench.payout_for(&a);
    bench.routed(&[&b]).run_for(5 * SECOND).await;
    assert_eq!((a.calls().len(), b.payments(id)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_may_have_been_sent_stays_where_the_routes_have_changed() {
    // The request may be on its way still, even where a look-up does not find it.
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::LosesRequests);
    let id = bench.payout_for(&a);
    bench.run_for(SECOND / 2).await;
    a.set(Mode::Pays);
    bench.routed(&[&b]).run_for(60 * SECOND).await;
    assert_eq!((a.payments(id), b.calls().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unsent_payout_of_a_provider_that_is_gone_follows_the_routes() {
    let mut bench = Bench::new();
    let (gone, b) = (bench.provider("gone"), bench.provider("b"));
    let bench = bench.with(&b).routed(&[&b]);
    let id = bench.payout_for(&gone);
    bench.run_for(20 * SECOND).await;
    assert_eq!((bench.provider_of(id), b.payments(id)), (Some(b.name.clone()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_sent_payout_of_a_provider_that_is_gone_waits_for_it() {
    let mut bench = Bench::new();
    let (gone, b) = (bench.provider("gone"), bench.provider("b"));
    gone.set(Mode::LosesAnswers);
    let id = bench.payout_for(&gone);
    let both = bench.with(&gone).with(&b).routed(&[&gone, &b]);
    both.run_for(SECOND).await;
    let without = Bench {
        providers: both.providers[1..].to_vec(),
        ..both
    }
    .routed(&[&b]);
    without.run_for(300 * SECOND).await;
    let payout = without.store.get(id);
    assert_eq!(payout.parts().waiting_for, Some(WaitReason::ProviderMissing));
    assert_eq!(payout.parts().provider, Some(gone.name.clone()));
    assert!(
        !payout.needs_review(),
        "however long it waits, it uses up no attempt"
    );
    assert_eq!(b.calls(), []);
    gone.set(Mode::Pays);
    without.with(&gone).run_for(90 * SECOND).await;
    assert_eq!(gone.payments(id), 1);
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_no_route_fits_any_more_waits_as_unsent() {
    let mut bench = Bench::new();
    let (gone, b) = (bench.provider("gone"), bench.provider("b"));
    let bench = bench.with(&b).routed(&[&gone]);
    let id = bench.payout_for(&gone);
    bench.run_for(20 * SECOND).await;
    let payout = bench.store.get(id);
    assert_eq!(payout.status(), Status::Pending);
    assert_eq!(payout.parts().waiting_for, Some(WaitReason::ProviderMissing));
    assert_eq!(payout.parts().first_submitted_at, None);
}

#[tokio::test(start_paused = true)]
async fn payouts_without_a_provider_are_those_of_the_one_that_adopts_them() {
    let mut bench = Bench::new();
    let (a, b) = (bench.provider("a"), bench.provider("b"));
    let adopts = ProviderSettings {
        adopts_unnamed: true,
        ..ProviderSettings::default()
    };
    let bench = bench.with(&a).with_settings(&b, adopts).routed(&[&b, &a]);
    let id = bench.store.insert(&planned(None));
    bench.run_for(10 * SECOND).await;
    assert_eq!((a.payments(id), b.payments(id)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn without_routes_a_payout_that_was_never_sent_waits_for_its_provider() {
    let (mut bench, a, b) = Bench::of_two();
    bench.routes = None;
    a.set(Mode::Away);
    let id = bench.payout_for(&a);
    bench.run_for(10 * SECOND).await;
    assert_eq!(b.calls(), []);
    assert!(
        matches!(bench.store.verdicts(id)[..], [Verdict::Released { .. }, ..]),
        "{:?}",
        bench.store.verdicts(id)
    );
}
