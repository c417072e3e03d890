//! Cases for the leases of actions.

use super::{held, new_action, page, started, worker};
use crate::bulk::{BulkEnd, BulkResult};
use crate::contract::{Pair, build, drive};
use crate::ports::{BulkActionRepository, BulkOutcomeQuery, HeldBulkAction};

type Actions = Pair<dyn BulkActionRepository>;

const ALL: BulkOutcomeQuery = BulkOutcomeQuery {
    after: 0,
    refused_only: false,
    limit: 100,
};

/// While a lease lasts, no other worker gets the action, not even one of many that ask at the same time.
pub async fn one_worker_at_a_time_holds_an_action(Pair { port, peer }: Actions) {
    started(&*port).await;
    for _ in 0..4 {
        let racers = (0..8).map(|number| {
            let port = if number % 2 == 0 {
                port.clone()
            } else {
                peer.clone()
            };
            async move { port.lease_bulk(&worker(number), build::LONG_LEASE).await.unwrap() }
        });
        let mut held: Vec<HeldBulkAction> = drive::race(racers).await.into_iter().flatten().collect();
        assert_eq!(held.len(), 1, "one of them has it");
        let held = held.remove(0);
        let other = worker(9);
        assert_eq!(peer.lease_bulk(&other, build::LONG_LEASE).await.unwrap(), None);
        port.release_bulk(held.lease).await.unwrap();
        let again = peer.lease_bulk(&other, build::LONG_LEASE).await.unwrap().unwrap();
        assert_eq!(again.lease.id, held.lease.id);
        assert!(again.lease.fence > held.lease.fence);
        port.release_bulk(again.lease).await.unwrap();
    }
}

/// Several actions take turns.
pub async fn actions_take_turns(Pair { port, .. }: Actions) {
    for number in 1..=3 {
        port.start_bulk(&new_action(number)).await.unwrap();
    }
    let mut turns = Vec::new();
    for _ in 0..6 {
        let held = held(&*port, build::LONG_LEASE).await;
        turns.push(held.lease.id);
        port.release_bulk(held.lease).await.unwrap();
        // Turns are told apart by the time of the lease.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(turns[..3], turns[3..]);
    assert!(turns[0] != turns[1] && turns[1] != turns[2] && turns[0] != turns[2]);
}

/// After a lease has ended, another worker goes on with what was planned. What the first one writes then changes
/// nothing.
pub async fn a_holder_that_lost_its_lease_writes_nothing(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let lost = held(&*port, build::SHORT_LEASE).await;
    let planned = port.plan_bulk(lost.lease, &page(&[1, 2])).await.unwrap().unwrap();
    let taken = drive::eventually("the lease ends", async || {
        peer.lease_bulk(&worker(2), build::LONG_LEASE).await.unwrap()
    })
    .await;
    assert!(taken.lease.fence > lost.lease.fence);
    assert_eq!(taken.unsettled, planned);
    let results = [(1, BulkResult::Changed), (2, BulkResult::Changed)];
    assert_eq!(port.settle_bulk(lost.lease, &results).await.unwrap(), None);
    assert_eq!(port.plan_bulk(lost.lease, &page(&[1])).await.unwrap(), None);
    assert!(!port.end_bulk(lost.lease, &BulkEnd::Finished).await.unwrap());
    port.release_bulk(lost.lease).await.unwrap();
    assert_eq!(
        port.lease_bulk(&worker(1), build::LONG_LEASE).await.unwrap(),
        None
    );
    assert_eq!(port.bulk_action(id).await.unwrap(), Some(taken.action));
    assert_eq!(port.bulk_outcomes(id, ALL).await.unwrap(), planned);
    // Nor does it plan once everything has an outcome.
    peer.settle_bulk(taken.lease, &results).await.unwrap();
    assert_eq!(port.plan_bulk(lost.lease, &page(&[1])).await.unwrap(), None);
    assert_eq!(port.bulk_outcomes(id, ALL).await.unwrap().len(), 2);
}

/// The payouts of a stopped action that were planned still get an outcome.
pub async fn what_was_planned_before_the_stop_is_settled(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let first = held(&*port, build::LONG_LEASE).await;
    port.plan_bulk(first.lease, &page(&[1, 2])).await.unwrap();
    port.stop_bulk(id, "ada stopped it.").await.unwrap();
    port.release_bulk(first.lease).await.unwrap();
    let second = held(&*peer, build::LONG_LEASE).await;
    assert_eq!(second.unsettled.len(), 2);
    assert!(!second.action.state.is_running());
    let results = [(1, BulkResult::Changed), (2, BulkResult::refused("Stopped."))];
    let settled = peer.settle_bulk(second.lease, &results).await.unwrap().unwrap();
    assert_eq!((settled.changed, settled.refused), (1, 1));
    assert_eq!(
        port.lease_bulk(&worker(1), build::LONG_LEASE).await.unwrap(),
        None
    );
}
