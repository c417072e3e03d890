//! Cases for the audit trail and for the repository's clock.

use std::time::Duration;

use crate::contract::build::{self, LONG_LEASE, SHORT_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{Event, EventKind as Kind, Evidence, PayoutId, Resolution};
use crate::ports::{Deleted, EventPlace, EventQuery, PayoutRepository};

type Repository = Pair<dyn PayoutRepository>;

/// Everything that happens to a payout is in its trail, once, oldest first.
pub async fn the_trail_tells_a_whole_life_oldest_first(Pair { port, .. }: Repository) {
    let soon = Duration::from_millis(20);
    let payout = drive::stored(&*port).await;
    let id = payout.id();
    let mut edit = payout.details().clone();
    edit.money = build::money("1", "JPY");
    drive::apply(&*port, &payout.edit(edit, build::client()).unwrap()).await;
    for verdict in [
        build::released(soon),
        build::postponed(soon),
        build::accepted("ref-1", soon),
        build::failed(),
    ] {
        let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
        drive::settled(&*port, claim, verdict).await;
    }
    let failed = drive::found(&*port, id).await;
    let calls_end_at = failed.parts().calls_end_at.expect("a claim sets it");
    drive::apply(
        &*port,
        &failed.retry(calls_end_at, build::operator("again")).unwrap(),
    )
    .await;
    let stale = drive::claim_when_due(&*port, id, SHORT_LEASE).await;
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    drive::settle(&*port, stale, build::failed()).await;
    let reviewed = drive::settled(&*port, claim, build::review()).await;
    let resolved = reviewed
        .resolve(Resolution::Completed, build::operator("seen at the bank"))
        .unwrap();
    drive::apply(&*port, &resolved).await;

    let trail = drive::trail(&*port, id).await;
    let kinds: Vec<Kind> = trail.iter().map(|event| event.kind).collect();
    let expected = [
        [Kind::Created, Kind::Edited, Kind::Claimed, Kind::Released],
        [Kind::Claimed, Kind::Postponed, Kind::Claimed, Kind::Accepted],
        [Kind::Claimed, Kind::Failed, Kind::Retried, Kind::Claimed],
        [
            Kind::Claimed,
            Kind::LateOutcome,
            Kind::ReviewRequested,
            Kind::Resolved,
        ],
    ];
    assert_eq!(kinds, expected.concat());
    assert!(
        trail.is_sorted_by_key(|event| event.at),
        "times never run backwards along a trail"
    );
    let fences: Vec<u64> = trail.iter().map(|event| event.fence).collect();
    assert_eq!(fences, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 6, 5, 6, 6]);
    let generations: Vec<u32> = trail.iter().map(|event| event.generation).collect();
    assert_eq!(generations, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
}

/// The event of a creation names its caller and request, that of a claim its worker.
pub async fn an_event_names_who_did_it(Pair { port, .. }: Repository) {
    let new = build::new_payout();
    drive::store(&*port, new.clone()).await;
    let request = build::only(&[new.id], LONG_LEASE);
    port.claim(&request).await.unwrap();
    let trail = drive::trail(&*port, new.id).await;
    let [created, claimed] = &trail[..] else {
        panic!("{trail:?}")
    };
    let who = |event: &Event| (event.actor.clone(), event.request_id.clone());
    assert_eq!(who(created), (new.caller.actor, new.caller.request_id));
    assert_eq!(who(claimed), (request.worker, None));
}

/// The trail records the caller and the reason of a refused change, and of a look at the recipient. No column is written, and for a payout that does
/// not exist nothing is.
pub async fn a_refused_change_leaves_evidence_and_nothing_else(Pair { port, peer }: Repository) {
    let (pending, failed) = (drive::stored(&*port).await, drive::declined(&*port).await);
    let caller = build::operator("recipient_account");
    for (payout, evidence) in [(&pending, Evidence::EditRefused), (&failed, Evidence::Revealed)] {
        let witness = drive::Witness::of(&*port, payout.id()).await;
        peer.record_evidence(payout.id(), evidence, &caller)
            .await
            .unwrap();
        let event = witness.assert_only_events(&*port, 1).await.remove(0);
        assert_eq!(
            (event.kind, event.status, event.generation, event.fence),
            (
                evidence.kind(),
                payout.status(),
                payout.generation(),
                payout.fence()
            )
        );
        assert_eq!(
            (event.actor, event.request_id, event.detail),
            (
                caller.actor.clone(),
                caller.request_id.clone(),
                caller.reason.clone()
            )
        );
    }
    let hidden = drive::apply(&*port, &pending.delete(build::client()).unwrap()).await;
    for id in [hidden.id(), build::fresh_id()] {
        port.record_evidence(id, Evidence::Revealed, &caller)
            .await
            .unwrap();
    }
}

/// A claim's event comes before those that follow it: another claim, the late outcome of an earlier one, a
/// refused change. The trail reads the same in one part and in many.
pub async fn a_claims_event_comes_before_those_that_follow_it(Pair { port, peer }: Repository) {
    let id = drive::stored(&*port).await.id();
    let stale = drive::claim_when_due(&*port, id, SHORT_LEASE).await;
    let current = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let mut expected = vec![(Kind::Created, 0), (Kind::Claimed, 1), (Kind::Claimed, 2)];
    assert_trail(&*peer, id, &expected).await;

    let caller = build::operator("recipient_account");
    peer.record_evidence(id, Evidence::EditRefused, &caller)
        .await
        .unwrap();
    expected.push((Kind::EditRefused, 2));
    assert_trail(&*port, id, &expected).await;
    drive::settle(&*port, stale.clone(), build::failed()).await;
    expected.push((Kind::LateOutcome, 1));
    assert_trail(&*peer, id, &expected).await;
    drive::settled(&*port, current, build::postponed(Duration::ZERO)).await;
    expected.push((Kind::Postponed, 2));
    assert_trail(&*port, id, &expected).await;

    let last = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    expected.push((Kind::Claimed, 3));
    assert_trail(&*peer, id, &expected).await;
    drive::settle(&*port, stale, build::failed()).await;
    expected.push((Kind::LateOutcome, 1));
    assert_trail(&*port, id, &expected).await;
    drive::settled(&*port, last, build::completed("ref-1")).await;
    expected.push((Kind::Completed, 3));
    assert_trail(&*peer, id, &expected).await;

    let worker = build::sweep(1, LONG_LEASE).worker;
    for event in drive::trail(&*port, id).await {
        let by_a_worker = !matches!(event.kind, Kind::Created | Kind::EditRefused);
        assert_eq!(event.actor == worker, by_a_worker, "{event:?}");
    }
}

/// Asserts that the trail has these events under these fences, in one part and one by one, in the order of their times.
async fn assert_trail(repository: &dyn PayoutRepository, id: PayoutId, expected: &[(Kind, u64)]) {
    let whole = drive::trail(repository, id).await;
    let told: Vec<_> = whole.iter().map(|event| (event.kind, event.fence)).collect();
    assert_eq!(told, expected);
    assert!(whole.is_sorted_by_key(|event| event.at), "{whole:?}");
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let query = EventQuery {
            after,
            limit: 1,
            deleted: Deleted::Without,
        };
        let mut page = repository
            .events(id, query)
            .await
            .unwrap()
            .expect("it has a trail");
        assert_eq!(page.count.count, expected.len() as u64);
        read.append(&mut page.events);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, whole);
}

/// The trails of two payouts do not mix, and a payout that was never stored has none.
pub async fn a_trail_is_one_payouts_own(Pair { port, .. }: Repository) {
    let first = drive::declined(&*port).await;
    let second = drive::stored(&*port).await;
    assert_eq!(
        drive::kinds(&*port, first.id()).await,
        [Kind::Created, Kind::Claimed, Kind::Failed]
    );
    assert_eq!(drive::kinds(&*port, second.id()).await, [Kind::Created]);
    assert!(!drive::has_trail(&*port, build::fresh_id()).await);
}

/// A trail is read page by page: each page begins where the previous one ended, even if events are added meanwhile.
pub async fn a_trail_is_read_part_by_part(Pair { port, .. }: Repository) {
    let payout = drive::stored(&*port).await;
    let other = drive::stored(&*port).await;
    let id = payout.id();
    for _ in 0..3 {
        let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
        drive::settled(&*port, claim, build::postponed(Duration::from_millis(5))).await;
        let claim = drive::claim_when_due(&*port, other.id(), LONG_LEASE).await;
        drive::settled(&*port, claim, build::postponed(Duration::from_millis(5))).await;
    }
    let whole = drive::trail(&*port, id).await;
    assert_eq!(whole.len(), 7);
    let (mut read, mut after, mut parts) = (Vec::new(), None, 0);
    loop {
        let query = EventQuery {
            after,
            limit: 3,
            deleted: Deleted::Without,
        };
        let mut page = port.events(id, query).await.unwrap().expect("it has a trail");
        assert!(page.events.len() <= 3);
        assert!(page.count.exact);
        if parts == 0 {
            assert_eq!(page.count.count, 7);
            // An event that is added meanwhile comes last.
            let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
            drive::settled(&*port, claim, build::postponed(Duration::from_millis(5))).await;
        }
        parts += 1;
        read.append(&mut page.events);
        assert!(page.next > after || page.next.is_none());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((parts, read.len()), (3, 9));
    assert_eq!(read[..7], whole[..]);
    // A page that ends with the newest event says so, and no event follows it.
    let query = EventQuery {
        after: None,
        limit: 9,
        deleted: Deleted::Without,
    };
    let page = port.events(id, query).await.unwrap().expect("it has a trail");
    assert_eq!((page.events.len(), page.next), (9, None));
    let query = EventQuery {
        after: Some(EventPlace(u64::MAX)),
        limit: 9,
        deleted: Deleted::Without,
    };
    let page = port.events(id, query).await.unwrap().expect("it has a trail");
    assert_eq!((page.events.len(), page.next, page.count.count), (0, None, 9));
}

/// The repository's clock is the same through both handles and does not run backwards.
pub async fn time_does_not_run_backwards(Pair { port, peer }: Repository) {
    let mut last = port.now().await.unwrap();
    for _ in 0..50 {
        for repository in [&port, &peer] {
            let now = repository.now().await.unwrap();
            assert!(last <= now, "{last} was followed by {now}");
            last = now;
        }
    }
    drive::eventually("time passes", async || {
        (port.now().await.unwrap() > last).then_some(())
    })
    .await;
}
