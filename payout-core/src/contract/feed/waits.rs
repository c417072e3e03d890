//! Cases for the events of payouts that wait: for approval, and for their dates.

use chrono::TimeDelta;

use super::{Fed, all, all_by, page, query, told};
use crate::Timestamp;
use crate::access::KeyOwner;
use crate::contract::{Pair, build, drive};
use crate::feed::{EventType, FeedPosition, PublicEvent};
use crate::payout::{Caller, NewPayout, PayoutId, Status};

type Repository = Pair<dyn Fed>;

fn person(name: &str) -> Caller {
    Caller::named(name).with_owner(Some(KeyOwner::new(name).unwrap()))
}

fn scheduled(new: NewPayout, at: Timestamp) -> NewPayout {
    let mut new = new;
    new.details.scheduled_at = Some(at);
    new
}

/// Returns the types of a payout's events with their versions.
fn versions_of(events: &[PublicEvent], id: PayoutId) -> Vec<(EventType, u64)> {
    let own = events.iter().filter(|event| event.payout_id() == Some(id));
    own.map(|event| (event.event_type, told(event).version)).collect()
}

/// A creation, an edit and a retry that require approval are each followed by an event that says so, with the same
/// version. An approval that is not the last is not.
pub async fn what_awaits_approval_is_told_right_after_the_change(Pair { port, .. }: Repository) {
    let held = drive::store(&*port, build::held(2, &person("ada"))).await;
    let id = held.id();
    let once = drive::apply(&*port, &held.approve(person("bob")).unwrap()).await;
    let mut details = once.details().clone();
    details.money = build::money("77", "EUR");
    let edited = drive::apply(&*port, &once.edit(details, person("ada")).unwrap()).await;
    assert_eq!(edited.status(), Status::AwaitingApproval);
    let once = drive::apply(&*port, &edited.approve(person("bob")).unwrap()).await;
    let approved = drive::apply(&*port, &once.approve(person("cyd")).unwrap()).await;
    assert_eq!(approved.status(), Status::Pending);
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    let failed = drive::settled(&*port, claim, build::failed()).await;
    let now = port.now().await.unwrap() + TimeDelta::days(1);
    let retried = drive::apply(&*port, &failed.retry(now, person("ada")).unwrap()).await;
    assert_eq!(retried.status(), Status::AwaitingApproval);

    let events = all(&*port).await;
    assert_eq!(
        versions_of(&events, id),
        [
            (EventType::Created, 1),
            (EventType::AwaitingApproval, 1),
            (EventType::Approved, 2),
            (EventType::Edited, 3),
            (EventType::AwaitingApproval, 3),
            (EventType::Approved, 4),
            (EventType::Approved, 5),
            (EventType::Processing, 6),
            (EventType::Failed, 7),
            (EventType::Retried, 8),
            (EventType::AwaitingApproval, 8),
        ]
    );
    let waits = events
        .iter()
        .find(|event| event.event_type == EventType::AwaitingApproval);
    let waits = waits.unwrap();
    assert_eq!(waits.actor, person("ada").actor);
    assert_eq!(waits.reason, None);
    let expected = format!("evt_{}_1_awaiting_approval", id.as_uuid().as_simple());
    assert_eq!(waits.id.to_string(), expected);
}

/// A date ahead is reported after a creation, an edit and the last approval, while the payout is pending. A date that is
/// over is not reported.
pub async fn a_date_ahead_is_told_right_after_the_change(Pair { port, .. }: Repository) {
    let now = port.now().await.unwrap();
    let (first, second) = (now + TimeDelta::days(2), now + TimeDelta::days(3));
    let payout = drive::store(&*port, scheduled(build::new_payout(), first)).await;
    let mut details = payout.details().clone();
    details.scheduled_at = Some(second);
    let edited = drive::apply(&*port, &payout.clone().edit(details, build::client()).unwrap()).await;
    let mut details = edited.details().clone();
    details.scheduled_at = None;
    drive::apply(&*port, &edited.edit(details, build::client()).unwrap()).await;
    let held = scheduled(build::held(1, &person("ada")), first);
    let held = drive::store(&*port, held).await;
    drive::apply(&*port, &held.clone().approve(person("bob")).unwrap()).await;
    let past = scheduled(build::new_payout(), now - TimeDelta::hours(1));
    let past = drive::store(&*port, past).await;

    let events = all(&*port).await;
    let dated = |id: PayoutId| -> Vec<_> {
        let own = events.iter().filter(|event| event.payout_id() == Some(id));
        own.map(|event| (event.event_type, told(event).scheduled_at))
            .collect()
    };
    // Stores keep microseconds.
    let whole = |at: Timestamp| Timestamp::from_timestamp_micros(at.timestamp_micros());
    assert_eq!(
        dated(payout.id()),
        [
            (EventType::Created, None),
            (EventType::Scheduled, whole(first)),
            (EventType::Edited, None),
            (EventType::Scheduled, whole(second)),
            (EventType::Edited, None),
        ]
    );
    assert_eq!(
        dated(held.id()),
        [
            (EventType::Created, None),
            (EventType::AwaitingApproval, None),
            (EventType::Approved, None),
            (EventType::Scheduled, whole(first)),
        ]
    );
    assert_eq!(dated(past.id()), [(EventType::Created, None)]);
}

/// Pages of every size show both events of a change, each once. A reader that has read the first gets the second, and the
/// end of the feed lies behind both, whether a reader's types let them through or not.
pub async fn a_page_may_end_between_both_events_of_a_change(Pair { port, peer }: Repository) {
    let ids = [
        drive::store(&*port, build::held(1, &person("ada"))).await.id(),
        drive::stored(&*port).await.id(),
    ];
    let edited = drive::store(&*port, build::held(1, &person("ada"))).await;
    let details = edited.details().clone();
    drive::apply(&*port, &edited.edit(details, person("ada")).unwrap()).await;
    let events = all(&*port).await;
    assert_eq!(events.len(), 2 + 1 + 4, "{events:?}");
    assert_eq!(versions_of(&events, ids[1]), [(EventType::Created, 1)]);
    for limit in [1, 2, 3, 1000] {
        let again = all_by(&*peer, limit).await;
        assert_eq!(again[..events.len()], events, "by {limit}");
    }
    // The last change tells two events.
    let last = drive::store(&*port, build::held(1, &person("ada"))).await.id();
    let end = drive::eventually("the last change is shown", async || {
        let page = page(&*port, &query(FeedPosition::START, &[], 1000)).await;
        let shown = page.events.last().and_then(PublicEvent::payout_id);
        (shown == Some(last)).then_some(page.next)
    })
    .await;
    assert!(end.is_second);
    assert_eq!(port.end().await.unwrap(), end);
    for types in [&[][..], &[EventType::AwaitingApproval], &[EventType::Completed]] {
        let mut following = query(FeedPosition::START, types, 1);
        let mut shown = 0;
        loop {
            let page = page(&*peer, &following).await;
            shown += page.events.len();
            following.after = page.next;
            if page.is_last {
                break;
            }
        }
        assert_eq!(following.after, end, "{types:?}");
        let is_asked_for = |event: &&PublicEvent| types.is_empty() || types.contains(&event.event_type);
        let before = events.iter().filter(is_asked_for).count();
        assert!(shown >= before, "{types:?}: {shown} of {before}");
    }
}
