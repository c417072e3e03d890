//! Bulk actions over stores in memory: what happens when a worker dies, when a payout changes, and when a key is revoked.

#![cfg(feature = "memory")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "bulk/fixture.rs"]
mod fixture;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fixture::{Fixture, everything, worker};
use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::bulk::{BulkActionId, BulkFilter, BulkResult, BulkState, BulkStep, NewBulkAction};
use payout_core::contract::{build, drive};
use payout_core::payout::Status;
use payout_core::ports::{PayoutRepository, System};
use payout_core::usecase::bulk::BulkError;
use tokio::time::sleep;

fn refusals(results: &[BulkResult]) -> Vec<&str> {
    let refused = results.iter().map(|result| match result {
        BulkResult::Refused(why) => why.as_str(),
        BulkResult::Planned => "planned",
        BulkResult::Changed => "changed",
    });
    refused.collect()
}

#[tokio::test]
async fn everything_that_matches_is_changed_once() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(230).await;
    let tomorrow = fixture.payouts.now().await.unwrap() + chrono::TimeDelta::days(1);
    let other = drive::store(&*fixture.payouts, build::scheduled(tomorrow)).await;
    let action = fixture.start(BulkStep::Retry).await;
    // What comes after the count is no part of the action.
    let later = fixture.failed(1).await;
    fixture.finish().await;
    let action = fixture.action(action.id).await;
    assert!(matches!(action.state, BulkState::Finished { .. }));
    assert_eq!((action.matched, action.changed, action.refused), (230, 230, 0));
    assert_eq!(fixture.results(action.id).await, vec![BulkResult::Changed; 230]);
    for id in ids {
        let payout = drive::found(&*fixture.payouts, id).await;
        assert_eq!((payout.status(), payout.generation()), (Status::Pending, 1));
        let last = drive::trail(&*fixture.payouts, id).await.pop().unwrap();
        assert_eq!(last.request_id, Some(action.request_id()));
        assert_eq!(
            (last.actor.as_str(), last.detail.as_deref()),
            ("ada", Some("Because."))
        );
    }
    assert_eq!(
        drive::found(&*fixture.payouts, other.id()).await.version(),
        other.version()
    );
    assert_eq!(drive::found(&*fixture.payouts, later[0]).await.generation(), 0);
}

#[tokio::test]
async fn a_worker_that_dies_before_it_records_changes_nothing_twice() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(130).await;
    let action = fixture.start(BulkStep::Retry).await;
    // Each page is changed, and the worker dies before it can say so: the next one finds it out by the trail.
    fixture.actions.loses_outcomes.store(true, Ordering::SeqCst);
    assert!(fixture.runner().work(&worker()).await.is_err());
    assert_eq!(fixture.action(action.id).await.changed, 0);
    fixture.actions.loses_outcomes.store(false, Ordering::SeqCst);
    fixture.finish().await;
    assert_eq!(fixture.action(action.id).await.changed, 130);
    for id in ids {
        assert_eq!(drive::found(&*fixture.payouts, id).await.generation(), 1);
    }
}

#[tokio::test]
async fn what_failed_again_after_its_retry_is_not_retried_again() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(150).await;
    let action = fixture.start(BulkStep::Retry).await;
    let runner = fixture.runner();
    // After each page, the provider declines again what was retried.
    while runner.work(&worker()).await.unwrap() {
        fixture.decline().await;
    }
    assert_eq!(fixture.action(action.id).await.changed, 150);
    for id in ids {
        let payout = drive::found(&*fixture.payouts, id).await;
        assert_eq!((payout.status(), payout.generation()), (Status::Failed, 1));
    }
}

#[tokio::test]
async fn what_changed_since_the_count_is_not_paid() {
    let fixture = Fixture::new().await;
    fixture.failed(1).await;
    let pending = drive::stored(&*fixture.payouts).await;
    sleep(Duration::from_millis(2)).await;
    let action = fixture.start(BulkStep::Retry).await;
    // It fails only after the person saw the list.
    fixture.decline().await;
    fixture.finish().await;
    let results = fixture.results(action.id).await;
    assert_eq!(
        refusals(&results),
        ["changed", "It has changed since it was counted."]
    );
    assert_eq!(
        drive::found(&*fixture.payouts, pending.id()).await.generation(),
        0
    );
}

#[tokio::test]
async fn a_payout_that_another_changes_meanwhile_is_left_to_the_other() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(2).await;
    let action = fixture.start(BulkStep::Retry).await;
    fixture.actions.loses_plans.store(true, Ordering::SeqCst);
    assert!(fixture.runner().work(&worker()).await.is_err());
    fixture.actions.loses_plans.store(false, Ordering::SeqCst);
    // Both are planned, and unchanged. Now somebody retries the first.
    let first = drive::found(&*fixture.payouts, ids[0]).await;
    let now = fixture.payouts.now().await.unwrap();
    let change = first.retry(now, build::operator("By hand.")).unwrap();
    drive::apply(&*fixture.payouts, &change).await;
    fixture.finish().await;
    let results = fixture.results(action.id).await;
    assert_eq!(
        refusals(&results),
        ["It has changed since it was counted.", "changed"]
    );
    for id in ids {
        assert_eq!(drive::found(&*fixture.payouts, id).await.generation(), 1);
    }
}

#[tokio::test]
async fn a_revoked_key_stops_what_it_started() {
    let fixture = Fixture::new().await;
    fixture.failed(150).await;
    let action = fixture.start(BulkStep::Retry).await;
    assert!(fixture.runner().work(&worker()).await.unwrap());
    fixture.revoke().await;
    fixture.finish().await;
    let action = fixture.action(action.id).await;
    let BulkState::Stopped { why, .. } = action.state else {
        panic!("{:?}", action.state);
    };
    assert_eq!(
        why,
        "The API key ada, which started it, was revoked or has expired."
    );
    assert_eq!(action.changed, 100, "one page was done before");
}

#[tokio::test]
async fn a_key_without_the_scope_changes_nothing() {
    let fixture = Fixture::with_scopes([Scope::Read, Scope::Approve]).await;
    fixture.failed(3).await;
    let action = fixture.start(BulkStep::Retry).await;
    fixture.finish().await;
    let action = fixture.action(action.id).await;
    let BulkState::Stopped { why, .. } = action.state else {
        panic!("{:?}", action.state);
    };
    assert_eq!(
        why,
        "The API key ada, which started it, no longer has the scope operate."
    );
    assert_eq!((action.planned, action.changed), (0, 0));
}

#[tokio::test]
async fn what_was_started_without_a_key_stops_at_the_first_key() {
    let fixture = Fixture::new().await;
    fixture.failed(3).await;
    let new = fixture.confirmed(BulkStep::Retry).await;
    let action = fixture.bulk().start(&new, &Principal::open()).await.unwrap();
    fixture.finish().await;
    let action = fixture.action(action.id).await;
    assert!(matches!(action.state, BulkState::Stopped { .. }));
    assert_eq!((action.planned, action.changed), (0, 0));
}

#[tokio::test]
async fn a_stopped_action_changes_nothing_more() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(150).await;
    let action = fixture.start(BulkStep::Retry).await;
    let bulk = fixture.bulk();
    assert!(fixture.runner().work(&worker()).await.unwrap());
    // The second page is planned, and its worker dies before it has changed anything.
    fixture.actions.loses_plans.store(true, Ordering::SeqCst);
    assert!(fixture.runner().work(&worker()).await.is_err());
    fixture.actions.loses_plans.store(false, Ordering::SeqCst);
    bulk.stop(action.id, &worker(), Some("Enough.")).await.unwrap();
    fixture.finish().await;
    let action = fixture.action(action.id).await;
    assert_eq!((action.changed, action.refused), (100, 50));
    let results = fixture.results(action.id).await;
    assert_eq!(
        refusals(&results[100..101]),
        ["The action was stopped before it came to this payout."]
    );
    for id in &ids[100..] {
        assert_eq!(drive::found(&*fixture.payouts, *id).await.generation(), 0);
    }
}

#[tokio::test]
async fn several_workers_share_an_action() {
    let fixture = Fixture::new().await;
    let ids = fixture.failed(350).await;
    let action = fixture.start(BulkStep::Retry).await;
    tokio::join!(fixture.finish(), fixture.finish(), fixture.finish());
    fixture.finish().await;
    assert_eq!(fixture.action(action.id).await.changed, 350);
    for id in ids {
        assert_eq!(drive::found(&*fixture.payouts, id).await.generation(), 1);
    }
}

#[tokio::test]
async fn every_step_is_taken_by_the_rules_of_a_single_one() {
    let fixture = Fixture::new().await;
    let held = build::held(1, &build::client());
    let own = build::held(1, &fixture.caller().await);
    for new in [held, own] {
        drive::store(&*fixture.payouts, new).await;
    }
    let pending = drive::stored(&*fixture.payouts).await;
    sleep(Duration::from_millis(2)).await;
    let approved = fixture.start(BulkStep::Approve).await;
    fixture.finish().await;
    let results = fixture.results(approved.id).await;
    let refused = refusals(&results);
    assert_eq!(refused[0], "changed");
    assert!(
        refused[1].contains("another person must approve it"),
        "{refused:?}"
    );
    assert!(matches!(results[2], BulkResult::Refused(_)), "{refused:?}");
    let cancelled = fixture.start(BulkStep::Cancel).await;
    fixture.finish().await;
    assert_eq!(fixture.action(cancelled.id).await.changed, 3);
    let again = fixture.start(BulkStep::Cancel).await;
    fixture.finish().await;
    let results = fixture.results(again.id).await;
    assert_eq!(refusals(&results), ["It has this status already."; 3]);
    let payout = drive::found(&*fixture.payouts, pending.id()).await;
    assert_eq!(payout.status(), Status::Cancelled);
}

#[tokio::test]
async fn what_matches_is_counted_and_summed_up_first() {
    let fixture = Fixture::new().await;
    for (amount, currency) in [("1.50", "USD"), ("2.25", "EUR"), ("3.00", "USD")] {
        drive::store(&*fixture.payouts, build::amounting_to(amount, currency)).await;
    }
    let counted = fixture
        .bulk()
        .count(&everything(), &fixture.principal().await)
        .await
        .unwrap();
    let sums: Vec<(&str, u64, String)> = counted
        .sums
        .iter()
        .map(|sum| (sum.currency.code(), sum.payouts, sum.sum.to_string()))
        .collect();
    assert_eq!(counted.payouts, 3);
    assert_eq!(
        sums,
        [("EUR", 1, "2.25".to_owned()), ("USD", 2, "4.50".to_owned())]
    );
}

#[tokio::test]
async fn a_count_is_confirmed_once_and_in_time() {
    let fixture = Fixture::new().await;
    let (bulk, principal) = (fixture.bulk(), fixture.principal().await);
    let new = fixture.confirmed(BulkStep::Retry).await;
    let first = bulk.start(&new, &principal).await.unwrap();
    assert_eq!(bulk.start(&new, &principal).await.unwrap(), first);
    let other = |change: &dyn Fn(&mut NewBulkAction)| {
        let mut other = new.clone();
        change(&mut other);
        other
    };
    let hour = chrono::TimeDelta::hours(1);
    let at = |new: &mut NewBulkAction, at: Timestamp| {
        new.counted_at = at;
        new.id = BulkActionId::generate(at, &System::default());
    };
    let stale = other(&|new| at(new, new.counted_at - hour));
    let early = other(&|new| at(new, new.counted_at + hour));
    let of_another_count = other(&|new| new.counted_at -= chrono::TimeDelta::minutes(2));
    for new in [stale, early, of_another_count] {
        assert!(matches!(
            bulk.start(&new, &principal).await,
            Err(BulkError::Stale)
        ));
    }
    let unreadable = other(&|new| new.filter = BulkFilter::new("nonsense").unwrap());
    assert!(matches!(
        bulk.start(&unreadable, &principal).await,
        Err(BulkError::Selection(_))
    ));
    let other_step = other(&|new| new.step = BulkStep::Cancel);
    assert!(matches!(
        bulk.start(&other_step, &principal).await,
        Err(BulkError::NotFound)
    ));
    assert!(matches!(
        bulk.start(&new, &Principal::open()).await,
        Err(BulkError::NotFound)
    ));
}

#[tokio::test]
async fn an_action_shows_the_number_that_matches_whatever_the_form_says() {
    let fixture = Fixture::new().await;
    fixture.failed(3).await;
    let new = NewBulkAction {
        matched: 1,
        ..fixture.confirmed(BulkStep::Retry).await
    };
    let started = fixture.bulk().start(&new, &fixture.principal().await).await;
    assert_eq!(started.unwrap().matched, 3);
}

#[tokio::test]
async fn an_id_that_no_count_has_given_starts_nothing() {
    let fixture = Fixture::new().await;
    let counted = fixture.confirmed(BulkStep::Retry).await;
    for id in [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
    ] {
        let new = NewBulkAction {
            id: id.parse().unwrap(),
            ..counted.clone()
        };
        let started = fixture.bulk().start(&new, &fixture.principal().await).await;
        assert!(matches!(started, Err(BulkError::Stale)), "{id}");
    }
}
