//! Cases for the life of an action, from its confirmation to its end.

use super::{held, new_action, page, started, worker};
use crate::bulk::{BulkAction, BulkActionId, BulkEnd, BulkResult, BulkStarter, BulkState, NewBulkAction};
use crate::contract::{Pair, build};
use crate::ports::{BulkActionRepository, System};

type Actions = Pair<dyn BulkActionRepository>;

/// Every process reads an action back with all its parts.
pub async fn an_action_reads_back_with_all_its_parts(Pair { port, peer }: Actions) {
    let new = new_action(1);
    let started = port.start_bulk(&new).await.unwrap();
    assert_eq!(started, new.stored_at(started.created_at));
    assert_eq!(peer.bulk_action(new.id).await.unwrap(), Some(started));
    let unknown = BulkActionId::generate(super::at(9), &System::default());
    assert_eq!(port.bulk_action(unknown).await.unwrap(), None);
    let bare = NewBulkAction {
        reason: None,
        starter: BulkStarter {
            api_key: None,
            ..new.starter
        },
        ..new_action(2)
    };
    let started = port.start_bulk(&bare).await.unwrap();
    assert_eq!(started, bare.stored_at(started.created_at));
}

/// A confirmation that is sent twice starts one action, as it was confirmed first.
pub async fn an_action_is_started_once(Pair { port, peer }: Actions) {
    let new = new_action(1);
    let first = port.start_bulk(&new).await.unwrap();
    let other = NewBulkAction {
        matched: 9,
        ..new.clone()
    };
    assert_eq!(peer.start_bulk(&other).await.unwrap(), first);
    assert_eq!(port.bulk_actions(None, 10).await.unwrap(), [first]);
}

/// Actions are listed newest first, in pages.
pub async fn actions_are_listed_newest_first(Pair { port, .. }: Actions) {
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(port.start_bulk(&new_action(number)).await.unwrap().id);
    }
    let listed = async |before, limit| -> Vec<BulkActionId> {
        let actions: Vec<BulkAction> = port.bulk_actions(before, limit).await.unwrap();
        actions.iter().map(|action| action.id).collect()
    };
    assert_eq!(listed(None, 2).await, [ids[2], ids[1]]);
    assert_eq!(listed(Some(ids[1]), 2).await, [ids[0]]);
    assert_eq!(listed(Some(ids[0]), 2).await, []);
}

/// A stopped action goes on nowhere, and keeps the first reason.
pub async fn a_stopped_action_stays_stopped(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let stopped = peer.stop_bulk(id, "ada stopped it.").await.unwrap().unwrap();
    let BulkState::Stopped { why, .. } = &stopped.state else {
        panic!("{:?}", stopped.state);
    };
    assert_eq!(why, "ada stopped it.");
    assert_eq!(port.stop_bulk(id, "Again.").await.unwrap(), Some(stopped));
    assert_eq!(
        port.lease_bulk(&worker(1), build::LONG_LEASE).await.unwrap(),
        None
    );
    let unknown = BulkActionId::generate(super::at(9), &System::default());
    assert_eq!(port.stop_bulk(unknown, "Why not.").await.unwrap(), None);
}

/// The holder of an action ends it.
pub async fn an_action_ends_by_its_holder(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let holder = held(&*port, build::LONG_LEASE).await;
    assert!(port.end_bulk(holder.lease, &BulkEnd::Finished).await.unwrap());
    let finished = peer.bulk_action(id).await.unwrap().unwrap();
    assert!(matches!(finished.state, BulkState::Finished { .. }));
    assert_eq!(
        peer.lease_bulk(&worker(2), build::LONG_LEASE).await.unwrap(),
        None
    );
    // It is over: nobody stops it any more.
    assert_eq!(port.stop_bulk(id, "Too late.").await.unwrap(), Some(finished));
}

/// An action that a person stopped keeps that reason when its holder ends it.
pub async fn a_person_stops_what_a_worker_holds(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let holder = held(&*port, build::LONG_LEASE).await;
    let planned = port.plan_bulk(holder.lease, &page(&[1])).await.unwrap();
    assert_eq!(planned.unwrap().len(), 1);
    let stopped = peer.stop_bulk(id, "ada stopped it.").await.unwrap().unwrap();
    assert!(!stopped.state.is_running());
    // Only what was planned before still gets an outcome.
    let results = [(1, BulkResult::Changed)];
    let settled = port.settle_bulk(holder.lease, &results).await.unwrap().unwrap();
    assert_eq!((settled.state.clone(), settled.changed), (stopped.state, 1));
    assert_eq!(port.plan_bulk(holder.lease, &page(&[1])).await.unwrap(), None);
    let end = BulkEnd::Stopped("The key was revoked.".to_owned());
    assert!(port.end_bulk(holder.lease, &end).await.unwrap());
    assert_eq!(port.bulk_action(id).await.unwrap(), Some(settled));
}
