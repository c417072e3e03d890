//! Cases for what the feed shows of a payout's life.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Fed, all, told, types_of};
use crate::access::KeyOwner;
use crate::attempt::{Recheck, RecheckFinding};
use crate::contract::{Pair, build, drive};
use crate::feed::EventType;
use crate::payout::{Actor, Caller, Failure, PayoutId, Resolution, Standing, Status};
use crate::provider::PaymentReturn;

type Repository = Pair<dyn Fed>;

/// A payout that was created, edited, claimed, accepted, paid, returned and retried has an event for each, in the order
/// of its versions, with the status and the version right after it.
pub async fn a_payouts_life_is_told_once_in_the_order_of_its_versions(Pair { port, .. }: Repository) {
    let created = drive::stored(&*port).await;
    let edited = drive::apply(
        &*port,
        &created
            .clone()
            .edit(created.details().clone(), build::client())
            .unwrap(),
    )
    .await;
    let id = created.id();
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    drive::settled(&*port, claim, build::accepted("ref-1", Duration::ZERO)).await;
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    let verdict = crate::attempt::Verdict::Completed {
        reference: build::reference("ref-1"),
        recheck_in: Some(Duration::ZERO),
    };
    let completed = drive::settled(&*port, claim, verdict).await;
    return_it(&*port, id).await;
    let returned = drive::found(&*port, id).await;
    // Long after the last call of a worker.
    let now = port.now().await.unwrap() + TimeDelta::days(1);
    let retried = drive::apply(&*port, &returned.clone().retry(now, build::client()).unwrap()).await;
    let cancelled = drive::apply(&*port, &retried.clone().cancel(build::client()).unwrap()).await;

    let events = all(&*port).await;
    let all: Vec<_> = events
        .iter()
        .map(|event| {
            let payout = told(event);
            (event.event_type, payout.status, payout.version, payout.generation)
        })
        .collect();
    assert_eq!(
        all,
        [
            (EventType::Created, Status::Pending, created.version(), 0),
            (EventType::Edited, Status::Pending, edited.version(), 0),
            (EventType::Processing, Status::Processing, 3, 0),
            (EventType::Accepted, Status::Processing, 4, 0),
            (EventType::Completed, Status::Completed, completed.version(), 0),
            (EventType::Returned, Status::Returned, returned.version(), 0),
            (EventType::Retried, Status::Pending, retried.version(), 1),
            (EventType::Cancelled, Status::Cancelled, cancelled.version(), 1),
        ]
    );
    let times: Vec<_> = events.iter().map(|event| event.at).collect();
    assert!(times.is_sorted(), "{times:?}");
}

async fn return_it(port: &dyn Fed, id: PayoutId) {
    drive::eventually("the recheck is due", async || {
        let due = port.claim_rechecks(None, 10, build::LONG_LEASE).await.unwrap();
        due.into_iter().find(|payout| payout.id() == id)
    })
    .await;
    let returned = Recheck {
        id,
        generation: 0,
        finding: RecheckFinding::Returned(PaymentReturn {
            reference: None,
            reason: Failure::new("R02", "The account is closed."),
            amount: None,
            at: None,
        }),
    };
    assert_eq!(
        port.settle_rechecks(&[returned], &Actor::new("w")).await.unwrap(),
        [true]
    );
}

/// The creation of a payout that requires approval has the status of one that awaits it. The last approval makes it
/// pending.
pub async fn a_payout_that_awaits_approval_is_told_with_that_status(Pair { port, .. }: Repository) {
    let person = |name: &str| Caller::named(name).with_owner(Some(KeyOwner::new(name).unwrap()));
    let held = drive::store(&*port, build::held(1, &person("ada"))).await;
    drive::apply(&*port, &held.clone().approve(person("bob")).unwrap()).await;
    let events = all(&*port).await;
    let own = events.iter().filter(|event| event.payout_id() == Some(held.id()));
    let own: Vec<(EventType, Status)> = own.map(|event| (event.event_type, told(event).status)).collect();
    assert_eq!(
        own,
        [
            (EventType::Created, Status::AwaitingApproval),
            (EventType::AwaitingApproval, Status::AwaitingApproval),
            (EventType::Approved, Status::Pending)
        ]
    );
}

/// An event has the actor, the money, and either the reference or the reason.
pub async fn an_event_says_who_did_it_and_why(Pair { port, .. }: Repository) {
    let paid = drive::claimed(&*port).await;
    let paid = drive::settled(&*port, paid, build::completed("ref-9")).await;
    let failed = drive::declined(&*port).await;
    let review = drive::under_review(&*port).await;
    let resolve = review
        .clone()
        .resolve(Resolution::Failed, build::operator("Seen on the statement."))
        .unwrap();
    drive::apply(&*port, &resolve).await;
    let events = all(&*port).await;
    let event = |id, event_type| {
        events
            .iter()
            .find(|event| (event.payout_id(), event.event_type) == (Some(id), event_type))
            .unwrap()
    };
    let created = event(paid.id(), EventType::Created);
    assert_eq!(created.actor, build::client().actor);
    assert_eq!(
        (told(created).money, created.at),
        (paid.money(), paid.parts().created_at)
    );
    let completed = event(paid.id(), EventType::Completed);
    assert_eq!(told(completed).reference.as_deref(), Some("ref-9"));
    assert_eq!(completed.reason, None);
    assert_eq!(completed.at, paid.parts().updated_at);
    let code = failed.parts().failure.as_ref().map(|failure| failure.code());
    assert_eq!(event(failed.id(), EventType::Failed).reason.as_deref(), code);
    assert!(event(review.id(), EventType::NeedsReview).reason.is_some());
    let resolved = event(review.id(), EventType::Resolved);
    assert_eq!(resolved.reason.as_deref(), Some("Seen on the statement."));
    assert_eq!(told(resolved).status, Status::Failed);
    assert_eq!(resolved.actor, build::operator("").actor);

    let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
    let expected = format!("evt_{}_1", paid.id().as_uuid().as_simple());
    assert_eq!(created.id.to_string(), expected);
}

/// Two edits and a retry with an edit: each event has the amount that the payout had right after it.
pub async fn an_event_keeps_its_amount_when_the_payout_is_edited(Pair { port, .. }: Repository) {
    let mut payout = drive::stored(&*port).await;
    let id = payout.id();
    let mut expected = vec![(EventType::Created, payout.money())];
    for amount in ["12.34", "56.78"] {
        let mut details = payout.details().clone();
        details.money = build::money(amount, "EUR");
        payout = drive::apply(&*port, &payout.edit(details, build::client()).unwrap()).await;
        expected.push((EventType::Edited, payout.money()));
    }
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    payout = drive::settled(&*port, claim, build::failed()).await;
    expected.push((EventType::Processing, payout.money()));
    expected.push((EventType::Failed, payout.money()));
    let now = port.now().await.unwrap();
    payout = drive::apply(&*port, &payout.retry(now, build::client()).unwrap()).await;
    expected.push((EventType::Retried, payout.money()));
    let mut details = payout.details().clone();
    details.money = build::money("90", "JPY");
    payout = drive::apply(&*port, &payout.edit(details, build::client()).unwrap()).await;
    expected.push((EventType::Edited, payout.money()));

    let events = all(&*port).await;
    let amounts: Vec<_> = events
        .iter()
        .map(|event| (event.event_type, told(event).money))
        .collect();
    assert_eq!(amounts, expected);
}

/// A late outcome, a refused edit, an attempt without a definite answer, a further claim and a further acceptance are
/// in the trail and not in the feed.
pub async fn evidence_and_repetitions_are_left_out(Pair { port, .. }: Repository) {
    let lost = drive::claimed(&*port).await;
    let id = lost.payout().id();
    drive::settled(&*port, lost.clone(), build::postponed(Duration::ZERO)).await;
    for _ in 0..2 {
        let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
        drive::settled(&*port, claim, build::accepted("ref-2", Duration::ZERO)).await;
    }
    port.record_evidence(id, crate::payout::Evidence::EditRefused, &build::client())
        .await
        .unwrap();
    let claim = drive::claim_when_due(&*port, id, Duration::ZERO).await;
    drive::settle(&*port, lost, build::completed("ref-3")).await;
    // Taken over: the claim before becomes a row of the trail.
    let taken_over = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    assert!(taken_over.payout().fence() > claim.payout().fence());
    let paid = drive::settled(&*port, taken_over, build::completed("ref-2")).await;

    let events = all(&*port).await;
    assert_eq!(
        types_of(&events, id),
        [
            EventType::Created,
            EventType::Processing,
            EventType::Accepted,
            EventType::Completed
        ]
    );
    assert_eq!(told(events.last().unwrap()).version, paid.version());
}

/// A payout of which nothing was sent is pending again, and its next claim is shown again.
pub async fn a_release_and_the_next_claim_are_told(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    drive::settled(&*port, claim, build::released(Duration::ZERO)).await;
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    drive::settled(&*port, claim, build::completed("ref-4")).await;
    assert_eq!(
        types_of(&all(&*port).await, id),
        [
            EventType::Created,
            EventType::Processing,
            EventType::Pending,
            EventType::Processing,
            EventType::Completed
        ]
    );
}

/// The events of a deleted payout stay, and its deletion is one of them.
pub async fn a_deleted_payouts_events_stay(Pair { port, .. }: Repository) {
    let payout = drive::stored(&*port).await;
    let id = payout.id();
    drive::apply(&*port, &payout.delete(build::client()).unwrap()).await;
    assert_eq!(
        types_of(&all(&*port).await, id),
        [EventType::Created, EventType::Deleted]
    );
}

/// An imported payout has one event, with the state that it had in the other service.
pub async fn an_import_is_told(Pair { port, .. }: Repository) {
    let now = port.now().await.unwrap();
    let foreign = build::foreign(Standing::Cancelled, now - TimeDelta::days(3));
    port.import(std::slice::from_ref(&foreign)).await.unwrap();
    let events = all(&*port).await;
    assert_eq!(types_of(&events, foreign.id), [EventType::Imported]);
    assert_eq!(
        (told(&events[0]).status, told(&events[0]).version),
        (Status::Cancelled, 1)
    );
}
