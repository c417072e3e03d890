//! Cases for the events of batches and providers.

use super::{Fed, all, page, query};
use crate::access::KeyOwner;
use crate::batch::{Batch, BatchId, BatchPlace, ContentHash, NewBatch};
use crate::contract::{Pair, build, drive};
use crate::feed::{BatchFacts, EventId, EventType, FeedPosition, PublicEvent, Subject};
use crate::payout::{Caller, Description, ExternalId, NewPayout, Payout, PayoutId};
use crate::ports::{BatchInsertion, BatchRows, FeedPage, ListedMember, MemberRetry, MembersQuery, System};
use crate::provider::ProviderName;

type Repository = Pair<dyn Fed>;

/// Stores a batch of this many payouts.
pub(super) async fn stored_batch(port: &dyn Fed, count: usize) -> Batch {
    stored_batch_of(port, vec![build::new_payout(); count]).await
}

/// Stores a batch of these payouts.
async fn stored_batch_of(port: &dyn Fed, payouts: Vec<NewPayout>) -> Batch {
    let system = System::default();
    let now = crate::ports::Clock::now(&system);
    let id = BatchId::generate(now, &system);
    let mut digest = [3; 32];
    digest[..16].copy_from_slice(id.as_uuid().as_bytes());
    let batch = NewBatch {
        id,
        external_id: Some(ExternalId::new(&build::unique("salaries")).unwrap()),
        content: ContentHash::from(digest),
        description: Description::default(),
        scheduled_at: None,
        payouts: u32::try_from(payouts.len()).unwrap(),
        left_out: 0,
        caller: build::client(),
    };
    let members = payouts.into_iter().zip(0..).map(|(new, place)| NewPayout {
        id: PayoutId::generate_in_batch(now, place, &system),
        batch: Some(BatchPlace {
            id,
            provider_key: batch.identity().provider_key(place, &new.details),
        }),
        ..new
    });
    let members: Vec<NewPayout> = members.collect();
    match port.store_batch(&batch, BatchRows::of(&members)).await.unwrap() {
        BatchInsertion::Stored(batch) => batch,
        refused @ (BatchInsertion::Known(_)
        | BatchInsertion::OverLimit(_)
        | BatchInsertion::ExternalIdTaken) => panic!("{refused:?}"),
    }
}

fn of_others(events: &[PublicEvent]) -> Vec<&PublicEvent> {
    events.iter().filter(|event| event.payout().is_none()).collect()
}

/// A batch is reported once, after its payouts, whose events name it. Its cancellation is reported after those of its
/// payouts, with the number of payouts that it was made to.
pub async fn a_batch_is_told_with_what_is_done_to_it(Pair { port, .. }: Repository) {
    let single = drive::stored(&*port).await.id();
    let batch = stored_batch(&*port, 3).await;
    let caller = build::operator("wrong file");
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 2);
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 1);
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 0);

    let events = all(&*port).await;
    let types: Vec<EventType> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(
        types,
        [
            EventType::Created,
            EventType::Created,
            EventType::Created,
            EventType::Created,
            EventType::BatchCreated,
            EventType::Cancelled,
            EventType::Cancelled,
            EventType::BatchCancelled,
            EventType::Cancelled,
            EventType::BatchCancelled,
        ]
    );
    for event in &events {
        let is_single = event.payout_id() == Some(single);
        assert_eq!(event.batch_id(), (!is_single).then_some(batch.id), "{event:?}");
    }
    let facts = BatchFacts::from(&batch);
    let others = of_others(&events);
    let subjects: Vec<_> = others.iter().map(|event| event.subject.clone()).collect();
    let changed = |count| BatchFacts {
        changed: Some(count),
        ..facts.clone()
    };
    assert_eq!(
        subjects,
        [facts.clone(), changed(2), changed(1)].map(Subject::Batch)
    );
    assert_eq!(
        (&others[0].actor, others[0].reason.as_deref()),
        (&build::client().actor, build::client().reason.as_deref())
    );
    assert_eq!(
        (&others[1].actor, others[1].reason.as_deref()),
        (&caller.actor, Some("wrong file"))
    );
    let mut ids: Vec<EventId> = others.iter().map(|event| event.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

/// An approval of payouts of a batch is reported once, after those of the payouts, with the number that was approved. What
/// approves none is not reported.
pub async fn an_approved_batch_is_told(Pair { port, peer }: Repository) {
    let person = |name: &str| Caller::named(name).with_owner(Some(KeyOwner::new(name).unwrap()));
    let batch = stored_batch_of(&*port, vec![build::held(1, &person("ada")); 3]).await;
    let caller = person("bob").because("Checked.");
    let mut approvals = Vec::new();
    for payout in members(&*port, &batch).await {
        approvals.push(payout.approve(caller.clone()).unwrap());
    }
    let late = approvals.split_off(2);
    assert_eq!(port.approve_members(&batch, &approvals).await.unwrap().len(), 2);
    assert_eq!(peer.approve_members(&batch, &approvals).await.unwrap(), []);
    assert_eq!(peer.approve_members(&batch, &late).await.unwrap().len(), 1);
    is_told_after_its_payouts(
        &*port,
        &batch,
        EventType::BatchApproved,
        EventType::Approved,
        &caller,
    )
    .await;
}

/// A retry of payouts of a batch is reported once, after those of the payouts, with the number that was retried. What
/// retries none is not reported.
pub async fn a_retried_batch_is_told(Pair { port, peer }: Repository) {
    let batch = stored_batch(&*port, 3).await;
    for claim in port
        .claim(&build::sweep(10, build::LONG_LEASE))
        .await
        .unwrap()
        .won
    {
        drive::settled(&*port, claim, build::failed()).await;
    }
    let now = port.now().await.unwrap();
    let caller = build::operator("Their bank is open again.");
    let mut retries = Vec::new();
    for payout in members(&*port, &batch).await {
        retries.push(payout.retry(now, caller.clone()).unwrap());
    }
    let late = retries.split_off(2);
    let written = [MemberRetry::Written, MemberRetry::Written];
    assert_eq!(port.retry_members(&batch, &retries).await.unwrap(), written);
    let missed = [MemberRetry::Missed, MemberRetry::Missed];
    assert_eq!(peer.retry_members(&batch, &retries).await.unwrap(), missed);
    assert_eq!(
        peer.retry_members(&batch, &late).await.unwrap(),
        [MemberRetry::Written]
    );
    is_told_after_its_payouts(
        &*port,
        &batch,
        EventType::BatchRetried,
        EventType::Retried,
        &caller,
    )
    .await;
}

async fn members(port: &dyn Fed, batch: &Batch) -> Vec<Payout> {
    let query = MembersQuery {
        statuses: Vec::new(),
        approvable_by: None,
        after: None,
        limit: 100,
    };
    let members = port.batch_members(batch, &query).await.unwrap().into_iter();
    let payouts = members.map(|member| match member {
        ListedMember::Payout(payout) => payout,
        ListedMember::Unreadable(id) => panic!("{id} can be read"),
    });
    payouts.collect()
}

/// Checks that a step with two payouts of a batch and then with a third was told so.
async fn is_told_after_its_payouts(
    port: &dyn Fed,
    batch: &Batch,
    of_batch: EventType,
    of_payout: EventType,
    caller: &Caller,
) {
    let events = all(port).await;
    let told: Vec<&PublicEvent> = events
        .iter()
        .filter(|event| [of_batch, of_payout].contains(&event.event_type))
        .collect();
    let types: Vec<EventType> = told.iter().map(|event| event.event_type).collect();
    assert_eq!(types, [of_payout, of_payout, of_batch, of_payout, of_batch]);
    for (place, count) in [(2, 2), (4, 1)] {
        let facts = BatchFacts {
            changed: Some(count),
            ..batch.into()
        };
        assert_eq!(told[place].subject, Subject::Batch(facts));
        assert_eq!(
            (&told[place].actor, &told[place].reason),
            (&caller.actor, &caller.reason)
        );
    }
}

/// The rejection of a batch is reported once, with the number of payouts that it was made to.
pub async fn a_rejected_batch_is_told(Pair { port, .. }: Repository) {
    let creator = Caller::named("ada").with_owner(Some(KeyOwner::new("ada").unwrap()));
    let batch = stored_batch_of(&*port, vec![build::held(1, &creator); 2]).await;
    let caller = build::operator("wrong file");
    assert_eq!(port.reject_members(&batch, &caller, 10).await.unwrap(), 2);
    assert_eq!(port.reject_members(&batch, &caller, 10).await.unwrap(), 0);
    let events = all(&*port).await;
    let others: Vec<_> = of_others(&events)
        .iter()
        .map(|event| (event.event_type, event.subject.clone()))
        .collect();
    let facts = BatchFacts::from(&batch);
    let rejected = BatchFacts {
        changed: Some(2),
        ..facts.clone()
    };
    assert_eq!(
        others,
        [
            (EventType::BatchCreated, Subject::Batch(facts)),
            (EventType::BatchRejected, Subject::Batch(rejected)),
        ]
    );
}

/// A batch that is not stored is not reported.
pub async fn a_batch_that_is_known_is_not_told_again(Pair { port, peer }: Repository) {
    let batch = stored_batch(&*port, 1).await;
    let again = NewBatch {
        id: BatchId::from(build::fresh_id().as_uuid()),
        external_id: batch.external_id.clone(),
        content: batch.content,
        description: Description::default(),
        scheduled_at: None,
        payouts: 1,
        left_out: 0,
        caller: build::client(),
    };
    let known = peer
        .store_batch(&again, BatchRows::of(&[build::new_payout()]))
        .await;
    assert!(matches!(known, Ok(BatchInsertion::Known(_))), "{known:?}");
    let events = all(&*port).await;
    assert_eq!(of_others(&events).len(), 1);
}

/// A pause and its end are reported; a pause of a paused provider and a resumption of another are not.
pub async fn a_pause_and_its_end_are_told_once(Pair { port, peer }: Repository) {
    let name = ProviderName::new("acme").unwrap();
    let caller = build::operator("Their bank is closed.");
    peer.resume_provider(&name, &caller).await.unwrap();
    for _ in 0..2 {
        port.pause_provider(&name, &caller).await.unwrap();
    }
    for _ in 0..2 {
        peer.resume_provider(&name, &build::client()).await.unwrap();
    }
    port.pause_provider(&name, &caller).await.unwrap();
    let events = all(&*port).await;
    let told: Vec<_> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(
        told,
        [
            EventType::ProviderPaused,
            EventType::ProviderResumed,
            EventType::ProviderPaused
        ]
    );
    assert!(
        events
            .iter()
            .all(|event| event.subject == Subject::Provider(name.clone()))
    );
    assert_eq!(events[0].reason.as_deref(), Some("Their bank is closed."));
    assert_eq!(events[0].actor, caller.actor);
    assert_eq!(events[1].actor, build::client().actor);
    assert!(events[0].at <= events[1].at);
}

/// Events of other subjects have their places among those of payouts: pages of every size and a filter show each once,
/// and a reader at the end gets the next.
pub async fn events_of_others_have_their_places_in_the_feed(Pair { port, peer }: Repository) {
    let name = ProviderName::new("acme").unwrap();
    drive::declined(&*port).await;
    for _ in 0..2 {
        port.pause_provider(&name, &build::client()).await.unwrap();
        drive::stored(&*port).await;
        port.resume_provider(&name, &build::client()).await.unwrap();
        stored_batch(&*port, 2).await;
    }
    let events = all(&*port).await;
    assert_eq!(events.len(), 3 + 2 * (1 + 1 + 1 + 3));
    for limit in [1, 2, 1000] {
        let again = super::all_by(&*peer, limit).await;
        assert_eq!(again[..events.len()], events, "by {limit}");
    }
    let types = [EventType::ProviderPaused, EventType::BatchCreated];
    let few = page(&*port, &query(FeedPosition::START, &types, FeedPage::LONGEST)).await;
    let expected: Vec<_> = events
        .iter()
        .filter(|event| types.contains(&event.event_type))
        .cloned()
        .collect();
    assert_eq!(few.events, expected);

    port.pause_provider(&name, &build::client()).await.unwrap();
    let end = drive::eventually("the pause is shown", async || {
        let page = page(&*peer, &query(few.next, &types, 10)).await;
        (page.events.len() == 1).then_some(page.next)
    })
    .await;
    assert_eq!(port.end().await.unwrap(), end);
    let nothing = page(&*peer, &query(end, &[], 10)).await;
    assert_eq!((nothing.events, nothing.next), (vec![], end));
}
