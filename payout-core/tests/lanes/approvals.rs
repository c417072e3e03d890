//! Payouts that other people approved: a worker pays what was approved, and makes no call for anything else.

use payout_core::contract::build;
use payout_core::payout::{Caller, NewPayout, Payout, PayoutId, PayoutParts, RecipientAccount, Status};

use crate::providers::Mode;
use crate::{Bench, SECOND};

fn person(name: &str) -> Caller {
    Caller::named(name).with_api_key(build::fresh_api_key())
}

/// Stores a payout for the first provider that one other person has approved.
fn approved(bench: &Bench) -> PayoutId {
    let id = awaiting(bench);
    let change = bench.store.get(id).approve(person("approver")).unwrap();
    bench
        .store
        .put(change.made_at(bench.store.get(id).parts().created_at));
    id
}

fn awaiting(bench: &Bench) -> PayoutId {
    bench.store.insert(&NewPayout {
        provider: Some(bench.providers[0].0.name.clone()),
        ..build::held(1, &person("creator"))
    })
}

fn alter(bench: &Bench, id: PayoutId, alter: impl FnOnce(&mut PayoutParts)) {
    let mut parts = bench.store.get(id).parts().clone();
    alter(&mut parts);
    bench.store.put(Payout::restore(parts).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_is_paid_and_what_awaits_approval_is_not() {
    let (bench, a, b) = Bench::of_two();
    let (ready, held) = (approved(&bench), awaiting(&bench));
    bench.run_for(60 * SECOND).await;
    assert_eq!((a.payments(ready), bench.payments(held)), (1, 0));
    assert_eq!(bench.store.get(ready).status(), Status::Completed);
    assert_eq!(bench.store.get(held).status(), Status::AwaitingApproval);
    assert_eq!(b.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_altered_since_it_was_approved_is_reviewed_and_nobody_is_called() {
    let (bench, a, b) = Bench::of_two();
    let ids = [(); 7].map(|()| approved(&bench));
    alter(&bench, ids[0], |parts| {
        parts.details.money = build::money("99.50", "USD")
    });
    alter(&bench, ids[1], |parts| {
        parts.details.money = build::money("10.50", "EUR")
    });
    alter(&bench, ids[2], |parts| {
        let name = parts.details.recipient.name().as_str().to_owned();
        let account = RecipientAccount::new("ACC-EVE").unwrap();
        parts.details.recipient = build::recipient_of(account.as_str(), &name);
    });
    alter(&bench, ids[3], |parts| parts.provider = Some(b.name.clone()));
    alter(&bench, ids[4], |parts| {
        parts.details.scheduled_at = Some(parts.created_at)
    });
    alter(&bench, ids[5], |parts| {
        parts.approval.as_mut().unwrap().digest = None;
    });
    alter(&bench, ids[6], |parts| parts.generation += 1);
    bench.run_for(60 * SECOND).await;
    for (place, id) in ids.into_iter().enumerate() {
        let payout = bench.store.get(id);
        assert!(payout.needs_review(), "{place}: {}", payout.status());
        assert_eq!(bench.payments(id), 0, "{place}");
    }
    assert_eq!((a.calls(), b.calls()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_approved_payout_goes_to_the_next_provider_and_is_paid_there() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::Away);
    let id = approved(&bench);
    bench.run_for(5 * SECOND).await;
    assert_eq!((a.payments(id), b.payments(id)), (0, 1));
    assert_eq!(bench.store.get(id).status(), Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_was_altered_is_reviewed_though_its_provider_is_away() {
    let (bench, a, b) = Bench::of_two();
    a.set(Mode::Away);
    let id = approved(&bench);
    alter(&bench, id, |parts| {
        parts.details.money = build::money("99.50", "USD")
    });
    bench.run_for(60 * SECOND).await;
    assert!(bench.store.get(id).needs_review());
    assert_eq!((bench.payments(id), b.submissions()), (0, 0));
}
