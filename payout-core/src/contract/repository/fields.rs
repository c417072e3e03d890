//! Cases for the fields of a payout beside its payment: metadata, schedule, batch, and the actor that created it.

use std::time::Duration;

use uuid::Uuid;

use crate::batch::{BatchId, BatchPlace};
use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{
    Actor, Caller, EventKind, ExternalId, Metadata, MetadataEntry, NewPayout, PaymentDetails, Payout,
    PayoutId, StatementText, Status,
};
use crate::ports::{Count, Deleted, Filter, ListQuery, Order, PayoutRepository, Position, Settled};
use crate::stored_recipient::RecipientId;

type Repository = Pair<dyn PayoutRepository>;

const HOUR: Duration = Duration::from_secs(3_600);

fn team(name: &str) -> Metadata {
    Metadata::new([("team", name), ("note", "1")]).unwrap()
}

fn entry(name: &str, value: &str) -> MetadataEntry {
    MetadataEntry::new(name, value).unwrap()
}

/// The answer to a create with every field is replayed as it was given.
pub async fn an_answer_with_every_field_is_replayed(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let new = build::under(
        &key,
        build::of_details(PaymentDetails {
            external_id: ExternalId::new(&build::unique("salary")).ok(),
            metadata: team("blue"),
            recipient_id: Some(build::fresh_recipient_id()),
            statement_text: StatementText::new("Salary 11/2026").ok(),
            scheduled_at: Some(port.now().await.unwrap() + HOUR),
            ..build::details()
        }),
    );
    let stored = drive::store(&*port, new).await;
    assert_eq!(stored.parts().created_by, Some(Actor::new("client")));
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout, stored);
    drive::apply(&*port, &stored.clone().annotate(team("red"), build::client())).await;
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout, stored, "whatever has changed since");
}

async fn in_every_state(port: &dyn PayoutRepository) -> Vec<Payout> {
    let cancelled = drive::stored(port).await.cancel(build::client()).unwrap();
    let scheduled = port.now().await.unwrap() + HOUR;
    let claim = drive::claimed(port).await;
    vec![
        drive::stored(port).await,
        drive::store(port, build::scheduled(scheduled)).await,
        drive::apply(port, &cancelled).await,
        drive::claimed(port).await.payout().clone(),
        drive::under_review(port).await,
        drive::declined(port).await,
        drive::settled(port, claim, build::completed("ref-1")).await,
    ]
}

/// The metadata are replaced in every state, with an event; nothing else of the payout changes but its version, and no
/// worker notices.
pub async fn metadata_may_change_in_every_state(Pair { port, .. }: Repository) {
    for before in in_every_state(&*port).await {
        for metadata in [team("blue"), team("red"), Metadata::default()] {
            let before = drive::found(&*port, before.id()).await;
            let change = before.clone().annotate(metadata.clone(), build::operator("why"));
            let after = drive::apply(&*port, &change).await;
            assert_eq!(after, change.made_at(after.parts().updated_at));
            assert_eq!(drive::found(&*port, before.id()).await, after);
            assert_eq!(after.details().metadata, metadata);
            let mut expected = before.parts().clone();
            expected.details.metadata = metadata;
            expected.version += 1;
            expected.updated_at = after.parts().updated_at;
            assert_eq!(*after.parts(), expected, "{}", before.status());
            let trail = drive::trail(&*port, before.id()).await;
            let event = trail.last().unwrap();
            assert_eq!((event.kind, event.status), (EventKind::Edited, before.status()));
            assert_eq!(event.detail.as_deref(), Some("why"));
        }
    }
}

/// A claim that was made before the metadata changed is settled like any other, and the next claim sends the same
/// payment.
pub async fn new_metadata_do_not_disturb_a_worker(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let payout = drive::found(&*port, id).await;
    drive::apply(&*port, &payout.annotate(team("blue"), build::client())).await;
    let settled = drive::settle_all(&*port, &[claim.settle(build::completed("ref-1"))]).await;
    assert_eq!(settled, [Settled::Applied]);
    let after = drive::found(&*port, id).await;
    assert_eq!(after.status(), Status::Completed);
    assert_eq!(after.details().metadata, team("blue"));
    let kinds: Vec<EventKind> = drive::trail(&*port, id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    let expected = [
        EventKind::Created,
        EventKind::Claimed,
        EventKind::Edited,
        EventKind::Completed,
    ];
    assert_eq!(kinds, expected);

    let pending = drive::stored(&*port).await;
    drive::apply(&*port, &pending.clone().annotate(team("red"), build::client())).await;
    let claim = drive::claim_when_due(&*port, pending.id(), LONG_LEASE).await;
    assert_eq!(claim.payout().details().metadata, team("red"));
    assert_eq!(claim.payout().details().as_sent(), pending.details().as_sent());
}

/// A new schedule changes the time at which a pending payout is due, by the repository's clock; any other edit keeps it.
pub async fn a_new_schedule_changes_the_time_at_which_a_payout_is_due(Pair { port, .. }: Repository) {
    let now = port.now().await.unwrap();
    let edit = async |payout: Payout, at: Option<crate::Timestamp>| {
        let details = PaymentDetails {
            scheduled_at: at,
            ..payout.details().clone()
        };
        let change = payout.edit(details, build::client()).unwrap();
        let after = drive::apply(&*port, &change).await;
        assert_eq!(drive::found(&*port, after.id()).await, after);
        assert_eq!(after.details().scheduled_at, at);
        after
    };
    let later = edit(drive::stored(&*port).await, Some(now + HOUR)).await;
    assert_eq!(later.parts().due_at, Some(now + HOUR));
    let claims = port.claim(&build::only(&[later.id()], LONG_LEASE)).await.unwrap();
    assert!(claims.won.is_empty(), "not before its time");
    let even_later = edit(later, Some(now + 2 * HOUR)).await;
    assert_eq!(even_later.parts().due_at, Some(now + 2 * HOUR));
    let other = PaymentDetails {
        money: build::money("1", "USD"),
        ..even_later.details().clone()
    };
    let other = drive::apply(&*port, &even_later.edit(other, build::client()).unwrap()).await;
    assert_eq!(
        other.parts().due_at,
        Some(now + 2 * HOUR),
        "an edit of the amount"
    );
    let past = edit(other, Some(now - HOUR)).await;
    assert_eq!(past.parts().due_at, Some(past.parts().updated_at), "at once");
    drive::claim_when_due(&*port, past.id(), LONG_LEASE).await;

    let scheduled = drive::store(&*port, build::scheduled(now + HOUR)).await;
    let at_once = edit(scheduled, None).await;
    assert_eq!(at_once.parts().due_at, Some(at_once.parts().updated_at));
    drive::claim_when_due(&*port, at_once.id(), LONG_LEASE).await;
}

/// Stores payouts that differ in every field of this file, oldest first, and deletes some of them.
async fn store_a_mixture(port: &dyn PayoutRepository, batch: BatchId) -> Vec<(Payout, bool)> {
    let now = port.now().await.unwrap();
    let mut stored = Vec::new();
    for n in 0..24_u32 {
        let mut new: NewPayout = build::new_payout();
        if n % 3 == 0 {
            new.details.metadata = team(if n % 2 == 0 { "blue" } else { "red" });
        }
        if n % 4 == 0 {
            new.details.external_id = ExternalId::new(&build::unique("salary")).ok();
        }
        if n % 2 == 0 {
            // In another order than they are stored, and some at the same time.
            new.details.scheduled_at = Some(now + HOUR * (n * 7 % 10));
        }
        if n % 5 < 2 {
            new.batch = Some(BatchPlace {
                id: batch,
                ..build::place_in_batch()
            });
        }
        if n % 4 < 2 {
            // An id for each of two stored recipients.
            new.details.recipient_id = Some(RecipientId::from(Uuid::from_u128((n % 4) as u128 + 1)));
        }
        new.caller = Caller::named(if n % 3 == 1 { "payroll" } else { "shop" });
        let payout = drive::store(port, new).await;
        let deleted = n % 7 == 6;
        if deleted {
            drive::apply(port, &build::deletion(&payout)).await;
        }
        stored.push((payout, deleted));
    }
    stored
}

/// Evaluates a filter independently of the repository.
fn matches(filter: &Filter, payout: &Payout, is_deleted: bool) -> bool {
    let (parts, details) = (payout.parts(), payout.details());
    let is_shown = match filter.deleted {
        Deleted::Without => !is_deleted,
        Deleted::Only => is_deleted,
        Deleted::With => true,
    };
    is_shown
        && (filter.external_id.is_none() || filter.external_id == details.external_id)
        && filter
            .metadata
            .iter()
            .all(|entry| details.metadata.get(entry.name()) == Some(entry.value()))
        && (filter.created_by.is_none() || filter.created_by == parts.created_by)
        && (filter.batch.is_none() || filter.batch == parts.batch)
        && (filter.recipient_id.is_none() || filter.recipient_id == details.recipient_id)
        && (filter.scheduled_after.is_none() || details.scheduled_at >= filter.scheduled_after)
        && filter
            .scheduled_before
            .is_none_or(|before| details.scheduled_at.is_some_and(|at| at < before))
        && (filter.statuses.is_empty() || filter.statuses.contains(&payout.status()))
}

fn filters(stored: &[(Payout, bool)], batch: BatchId) -> Vec<Filter> {
    let of_schedule = |n: usize| stored[n].0.details().scheduled_at;
    let mut filters = vec![Filter::default()];
    let add = |filters: &mut Vec<Filter>, edit: &dyn Fn(&mut Filter)| {
        let mut filter = Filter::default();
        edit(&mut filter);
        filters.push(filter);
    };
    add(&mut filters, &|filter| {
        filter.external_id = stored[8].0.details().external_id.clone()
    });
    add(&mut filters, &|filter| {
        filter.external_id = ExternalId::new("nobody's").ok()
    });
    add(&mut filters, &|filter| {
        filter.metadata = vec![entry("team", "blue")]
    });
    add(&mut filters, &|filter| {
        filter.metadata = vec![entry("team", "red"), entry("note", "1")];
    });
    add(&mut filters, &|filter| {
        filter.metadata = vec![entry("team", "red"), entry("team", "blue")];
    });
    add(&mut filters, &|filter| {
        filter.metadata = vec![entry("team", "Blue")]
    });
    add(&mut filters, &|filter| {
        filter.metadata = vec![entry("note", "blue")]
    });
    add(&mut filters, &|filter| {
        filter.created_by = Some(Actor::new("payroll"))
    });
    add(&mut filters, &|filter| filter.batch = Some(batch));
    add(&mut filters, &|filter| {
        filter.batch = Some(BatchId::from(build::fresh_id().as_uuid()))
    });
    add(&mut filters, &|filter| {
        filter.recipient_id = Some(RecipientId::from(Uuid::from_u128(1)))
    });
    add(&mut filters, &|filter| {
        filter.recipient_id = Some(RecipientId::from(Uuid::from_u128(2)));
        filter.batch = Some(batch);
        filter.statuses = vec![Status::Pending];
    });
    add(&mut filters, &|filter| {
        filter.recipient_id = Some(build::fresh_recipient_id())
    });
    add(&mut filters, &|filter| filter.scheduled_after = of_schedule(8));
    add(&mut filters, &|filter| filter.scheduled_before = of_schedule(8));
    add(&mut filters, &|filter| {
        filter.batch = Some(batch);
        filter.metadata = vec![entry("note", "1")];
        filter.created_by = Some(Actor::new("shop"));
        filter.statuses = vec![Status::Pending];
        filter.scheduled_after = of_schedule(0);
    });
    let mut all = Vec::new();
    for deleted in [Deleted::Without, Deleted::Only, Deleted::With] {
        all.extend(filters.iter().map(|filter| Filter {
            deleted,
            ..filter.clone()
        }));
    }
    all
}

/// Every filter by these fields selects exactly the payouts that match, in every order and by every kind of page, and
/// is counted.
pub async fn filters_by_these_fields_select_what_matches(Pair { port, .. }: Repository) {
    let batch = BatchId::from(build::fresh_id().as_uuid());
    let stored = store_a_mixture(&*port, batch).await;
    for filter in filters(&stored, batch) {
        let matching: Vec<&Payout> = stored
            .iter()
            .filter(|(payout, is_deleted)| matches(&filter, payout, *is_deleted))
            .map(|(payout, _)| payout)
            .collect();
        for order in [
            Order::NewestFirst,
            Order::OldestFirst,
            Order::SoonestFirst,
            Order::LatestFirst,
        ] {
            let in_order =
                |payout: &&&Payout| !order.is_by_schedule() || payout.details().scheduled_at.is_some();
            let mut expected: Vec<&Payout> = matching.iter().filter(in_order).copied().collect();
            expected.sort_by_key(|payout| {
                let at = match order.is_by_schedule() {
                    true => payout.details().scheduled_at,
                    false => Some(payout.parts().created_at),
                };
                (at, payout.id())
            });
            if order.is_descending() {
                expected.reverse();
            }
            let expected: Vec<PayoutId> = expected.into_iter().map(Payout::id).collect();
            let query = ListQuery {
                filter: filter.clone(),
                order,
                position: Position::Offset(0),
                limit: 200,
            };
            let mut lists = vec![("one page", port.list(&query).await.unwrap())];
            // Each walk is of many pages.
            if filter.deleted == Deleted::Without && order.is_descending() {
                lists.extend(drive::pages_of_two(&*port, &filter, order).await);
            }
            for (name, rows) in lists {
                let seen: Vec<PayoutId> = rows.iter().map(|row| row.place(order).id).collect();
                assert_eq!(seen, expected, "{filter:?} {order:?} by {name}");
            }
        }
        let count = matching.len() as u64;
        let exact = port.count(&filter, None).await.unwrap();
        assert_eq!(exact, Count { count, exact: true }, "{filter:?}");
        let bounded = port.count(&filter, Some(2)).await.unwrap();
        assert_eq!(
            (bounded.count, bounded.exact),
            (count.min(2), count <= 2),
            "{filter:?}"
        );
    }
}

/// A filter by metadata follows their changes.
pub async fn a_filter_by_metadata_follows_an_edit(Pair { port, .. }: Repository) {
    let found = async |name: &str| {
        let query = ListQuery {
            filter: Filter {
                metadata: vec![entry("team", name)],
                ..Filter::default()
            },
            order: Order::NewestFirst,
            position: Position::Offset(0),
            limit: 10,
        };
        let found = drive::listed(&*port, &query).await;
        found.iter().map(Payout::id).collect::<Vec<_>>()
    };
    let payout = drive::stored(&*port).await;
    let id = payout.id();
    assert_eq!(found("blue").await, []);
    let payout = drive::apply(&*port, &payout.annotate(team("blue"), build::client())).await;
    assert_eq!((found("blue").await, found("red").await), (vec![id], vec![]));
    let details = PaymentDetails {
        metadata: team("red"),
        money: build::money("2", "USD"),
        ..payout.details().clone()
    };
    let payout = drive::apply(&*port, &payout.edit(details, build::client()).unwrap()).await;
    assert_eq!((found("blue").await, found("red").await), (vec![], vec![id]));
    drive::apply(&*port, &payout.annotate(Metadata::default(), build::client())).await;
    assert_eq!(found("red").await, []);
}
