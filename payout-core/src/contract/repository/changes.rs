//! Cases for changes by clients and operators: compare-and-set on the payout's version.

use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::idempotency::{Fingerprint, IdempotentRequest};
use crate::payout::{EventKind, Payout, PayoutId, Status};
use crate::ports::{
    Deleted, EventQuery, Filter, ListQuery, Order, PayoutRepository, Position, RepositoryError,
};

type Repository = Pair<dyn PayoutRepository>;

/// Stores new payouts, one in each state from which a client or an operator can take a step.
async fn one_in_each_state(repository: &dyn PayoutRepository) -> Vec<Payout> {
    let pending = drive::stored(repository).await;
    let cancelled = drive::stored(repository).await.cancel(build::client()).unwrap();
    let cancelled = drive::apply(repository, &cancelled).await;
    let claim = drive::claimed(repository).await;
    let completed = drive::settled(repository, claim, build::completed("ref-1")).await;
    vec![
        pending,
        cancelled,
        completed,
        drive::declined(repository).await,
        drive::under_review(repository).await,
    ]
}

/// Edit, cancel, retry, resolve and delete: each, from every state that allows it, writes the payout and an event with
/// the caller, the request and the reason.
pub async fn every_step_of_a_person_is_written_with_its_event(Pair { port, .. }: Repository) {
    let kinds_of_states = one_in_each_state(&*port).await.len();
    let mut taken = 0;
    for state in 0..kinds_of_states {
        for step in 0.. {
            let before = one_in_each_state(&*port).await.swap_remove(state);
            let caller = build::operator("because \"they\" said so: ünïcode");
            let now = port.now().await.unwrap();
            let mut steps = drive::steps_of_a_person(&before, now, &caller);
            if step >= steps.len() {
                break;
            }
            let change = steps.swap_remove(step);
            let trail_before = drive::trail(&*port, before.id()).await;

            let after = port.apply(&change, None).await.unwrap();
            let (updated_at, later) = (after.parts().updated_at, port.now().await.unwrap());
            assert!(
                now <= updated_at && updated_at <= later,
                "updated_at is the repository's time of the write"
            );
            assert_eq!(
                after,
                change.made_at(updated_at),
                "{:?} from {}",
                change.event,
                before.status()
            );
            taken += 1;
            if change.deleted {
                assert_eq!(port.find(before.id()).await.unwrap(), None);
                continue;
            }
            assert_eq!(drive::found(&*port, before.id()).await, after);
            let mut trail = drive::trail(&*port, before.id()).await;
            let event = trail.pop().unwrap();
            assert_eq!(trail, trail_before, "earlier events never change");
            assert_eq!(
                (event.kind, event.status, event.generation, event.fence),
                (change.event, after.status(), after.generation(), after.fence()),
            );
            assert_eq!(
                (event.actor, event.request_id, event.detail),
                (caller.actor, caller.request_id, caller.reason)
            );
            assert!(
                now <= event.at && event.at <= later,
                "an event has the repository's time"
            );
        }
    }
    assert_eq!(
        taken, 7,
        "edit, cancel, retry, two resolutions, and two deletions"
    );
}

/// A change made from an earlier version is a conflict: it writes no column, no event and no idempotency record.
pub async fn a_change_from_a_stale_version_writes_nothing(Pair { port, .. }: Repository) {
    let stale = drive::stored(&*port).await;
    let mut edit = stale.details().clone();
    edit.money = build::money("1", "JPY");
    drive::apply(&*port, &stale.clone().edit(edit, build::client()).unwrap()).await;
    let witness = drive::Witness::of(&*port, stale.id()).await;
    for change in drive::steps_of_a_person(&stale, port.now().await.unwrap(), &build::client()) {
        let request = IdempotentRequest {
            key: build::fresh_key(),
            fingerprint: Fingerprint::from([7; 32]),
        };
        let refused = port.apply(&change, Some(&request)).await;
        assert!(
            matches!(refused, Err(RepositoryError::VersionConflict)),
            "{:?}: {refused:?}",
            change.event
        );
        assert_eq!(port.find_answer(&request.key).await.unwrap(), None);
    }
    witness.assert_untouched(&*port).await;
}

/// A claim changes the version, so a change from the version before it is a conflict.
pub async fn a_change_from_before_a_claim_is_a_conflict(Pair { port, .. }: Repository) {
    let seen = drive::stored(&*port).await;
    drive::claim_when_due(&*port, seen.id(), LONG_LEASE).await;
    let witness = drive::Witness::of(&*port, seen.id()).await;
    for change in drive::steps_of_a_person(&seen, port.now().await.unwrap(), &build::client()) {
        let refused = port.apply(&change, None).await;
        assert!(
            matches!(refused, Err(RepositoryError::VersionConflict)),
            "{:?}: {refused:?}",
            change.event
        );
    }
    witness.assert_untouched(&*port).await;
}

/// A change of a payout that was never stored is a conflict, and stores no payout.
pub async fn a_change_of_an_unknown_payout_is_a_conflict(Pair { port, .. }: Repository) {
    let unknown = build::new_payout().stored_at(port.now().await.unwrap());
    let refused = port
        .apply(&unknown.clone().cancel(build::client()).unwrap(), None)
        .await;
    assert!(
        matches!(refused, Err(RepositoryError::VersionConflict)),
        "{refused:?}"
    );
    assert_eq!(port.find(unknown.id()).await.unwrap(), None);
}

/// No read finds a deleted payout, no worker claims it, and no change applies to it.
pub async fn a_deleted_payout_is_hidden_from_everybody(Pair { port, .. }: Repository) {
    let stays = drive::stored(&*port).await;
    let seen = drive::stored(&*port).await;
    let id: PayoutId = seen.id();
    let deleted = drive::apply(&*port, &seen.clone().delete(build::client()).unwrap()).await;
    assert_eq!(port.find(id).await.unwrap(), None);
    assert!(!drive::has_trail(&*port, id).await);
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 1);
    let all = ListQuery {
        filter: Filter::default(),
        order: Order::NewestFirst,
        position: Position::Offset(0),
        limit: 10,
    };
    let listed = drive::listed(&*port, &all).await;
    assert_eq!(listed.iter().map(Payout::id).collect::<Vec<_>>(), [stays.id()]);
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&[id], LONG_LEASE)).await,
        []
    );
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(10, LONG_LEASE)).await,
        [stays.id()]
    );
    for version in [seen, deleted] {
        let refused = port.apply(&build::deletion(&version), None).await;
        assert!(
            matches!(refused, Err(RepositoryError::VersionConflict)),
            "{refused:?}"
        );
    }
}

/// A read that asks for a deleted payout finds it by its id, with the time of its deletion. That includes payouts that
/// were sent, which earlier releases allowed to be deleted.
pub async fn a_deleted_payout_is_found_by_whoever_asks_for_it(Pair { port, peer }: Repository) {
    assert_eq!(port.find_deleted(build::fresh_id()).await.unwrap(), None);
    for before in one_in_each_state(&*port).await {
        assert_eq!(
            port.find_deleted(before.id()).await.unwrap(),
            None,
            "it is not deleted"
        );
        if before.status() == Status::Processing {
            continue;
        }
        let hidden = drive::apply(&*port, &build::deletion(&before)).await;
        let found = peer.find_deleted(before.id()).await.unwrap().unwrap();
        assert_eq!(found.deleted_at, hidden.parts().updated_at);
        assert_eq!(found.payout, hidden);
        assert_eq!(peer.find(before.id()).await.unwrap(), None);
        let query = |deleted| EventQuery {
            after: None,
            limit: 100,
            deleted,
        };
        let both = peer.events(before.id(), query(Deleted::With)).await.unwrap();
        let trail = peer.events(before.id(), query(Deleted::Only)).await.unwrap();
        assert_eq!(both, trail);
        let trail = trail.unwrap().events;
        let kinds: Vec<EventKind> = trail.iter().map(|event| event.kind).collect();
        assert_eq!(kinds.first(), Some(&EventKind::Created), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&EventKind::Deleted), "{kinds:?}");
        assert!(!drive::has_trail(&*peer, before.id()).await);
    }
    let kept = drive::stored(&*port).await;
    for id in [kept.id(), build::fresh_id()] {
        let query = EventQuery {
            after: None,
            limit: 1,
            deleted: Deleted::Only,
        };
        assert_eq!(port.events(id, query).await.unwrap(), None);
    }
}

/// Every write, by any actor, increases the version by one; a call that writes nothing does not.
pub async fn the_version_grows_by_one_with_every_write(Pair { port, .. }: Repository) {
    let soon = std::time::Duration::from_millis(20);
    let payout = drive::stored(&*port).await;
    let id = payout.id();
    assert_eq!(payout.version(), 1);
    let mut edit = payout.details().clone();
    edit.money = build::money("1", "JPY");
    let payout = drive::apply(&*port, &payout.edit(edit, build::client()).unwrap()).await;
    assert_eq!(payout.version(), 2);
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    assert_eq!(claim.payout().version(), 3);
    assert_eq!(
        drive::settled(&*port, claim, build::postponed(soon))
            .await
            .version(),
        4
    );
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    assert_eq!(claim.payout().version(), 5);
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&[id], LONG_LEASE)).await,
        []
    );
    assert_eq!(
        drive::settled(&*port, claim, build::released(soon))
            .await
            .version(),
        6
    );
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let reviewed = drive::settled(&*port, claim, build::review()).await;
    assert_eq!(reviewed.version(), 8);
    let failed = reviewed
        .resolve(crate::payout::Resolution::Failed, build::client())
        .unwrap();
    assert_eq!(drive::apply(&*port, &failed).await.version(), 9);
}
