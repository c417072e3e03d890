//! Cases for the pages of an action and its outcomes.

use super::{held, page, started};
use crate::bulk::{BulkOutcome, BulkResult};
use crate::contract::{Pair, build};
use crate::ports::{BulkActionRepository, BulkOutcomeQuery};

type Actions = Pair<dyn BulkActionRepository>;

const ALL: BulkOutcomeQuery = BulkOutcomeQuery {
    after: 0,
    refused_only: false,
    limit: 100,
};

fn numbers(outcomes: &[BulkOutcome]) -> Vec<u64> {
    outcomes.iter().map(|outcome| outcome.number).collect()
}

/// A page is planned with the position behind it, and numbered on.
pub async fn a_page_is_planned_with_its_place(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let first = page(&[3, 0, 7]);
    let holder = held(&*port, build::LONG_LEASE).await;
    let planned = port.plan_bulk(holder.lease, &first).await.unwrap().unwrap();
    assert_eq!(numbers(&planned), [1, 2, 3]);
    let payouts: Vec<_> = planned.iter().map(|outcome| outcome.planned).collect();
    assert_eq!(payouts, first.payouts);
    let action = peer.bulk_action(id).await.unwrap().unwrap();
    assert_eq!((action.place, action.planned), (Some(first.place), 3));
    let results: Vec<_> = planned
        .iter()
        .map(|outcome| (outcome.number, BulkResult::Changed))
        .collect();
    port.settle_bulk(holder.lease, &results).await.unwrap();
    let holder = held(&*peer, build::LONG_LEASE).await;
    assert_eq!(
        (holder.unsettled.len(), holder.action.place),
        (0, Some(first.place))
    );
    let second = page(&[1]);
    let planned = peer.plan_bulk(holder.lease, &second).await.unwrap().unwrap();
    assert_eq!(numbers(&planned), [4]);
}

/// While a planned payout has no outcome, nothing further is planned.
pub async fn nothing_is_planned_beside_what_is_unsettled(Pair { port, .. }: Actions) {
    let id = started(&*port).await.id;
    let holder = held(&*port, build::LONG_LEASE).await;
    let planned = port
        .plan_bulk(holder.lease, &page(&[1, 2]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(port.plan_bulk(holder.lease, &page(&[3])).await.unwrap(), None);
    port.settle_bulk(holder.lease, &[(2, BulkResult::Changed)])
        .await
        .unwrap();
    let holder = held(&*port, build::LONG_LEASE).await;
    assert_eq!(holder.unsettled, planned[..1]);
    assert_eq!(port.plan_bulk(holder.lease, &page(&[3])).await.unwrap(), None);
    assert_eq!(port.bulk_outcomes(id, ALL).await.unwrap().len(), 2);
}

/// An outcome is stored and counted once, and the lease ends with it.
pub async fn an_outcome_is_counted_once(Pair { port, peer }: Actions) {
    let id = started(&*port).await.id;
    let holder = held(&*port, build::LONG_LEASE).await;
    port.plan_bulk(holder.lease, &page(&[1, 2, 3])).await.unwrap();
    let results = [
        (1, BulkResult::Changed),
        (3, BulkResult::refused("There is • no such payout.")),
    ];
    let settled = port.settle_bulk(holder.lease, &results).await.unwrap().unwrap();
    assert_eq!((settled.changed, settled.refused, settled.unsettled()), (1, 1, 1));
    // Another result of the same payout changes nothing.
    let again = [(1, BulkResult::refused("No.")), (2, BulkResult::Changed)];
    let settled = port.settle_bulk(holder.lease, &again).await.unwrap().unwrap();
    assert_eq!((settled.changed, settled.refused, settled.unsettled()), (2, 1, 0));
    let stored: Vec<BulkResult> = peer
        .bulk_outcomes(id, ALL)
        .await
        .unwrap()
        .into_iter()
        .map(|outcome| outcome.result)
        .collect();
    assert_eq!(
        stored,
        [
            BulkResult::Changed,
            BulkResult::Changed,
            BulkResult::refused("There is • no such payout.")
        ]
    );
    assert!(held(&*peer, build::LONG_LEASE).await.lease.fence > holder.lease.fence);
}

/// Outcomes are read in pages, all of them or only those of payouts that were not changed.
pub async fn outcomes_are_read_in_pages(Pair { port, .. }: Actions) {
    let id = started(&*port).await.id;
    let holder = held(&*port, build::LONG_LEASE).await;
    port.plan_bulk(holder.lease, &page(&[1; 6])).await.unwrap();
    let results: Vec<(u64, BulkResult)> = (1..=5)
        .map(|number| match number % 2 {
            0 => (number, BulkResult::Changed),
            _ => (number, BulkResult::refused("Odd.")),
        })
        .collect();
    port.settle_bulk(holder.lease, &results).await.unwrap();
    let read = async |after, refused_only, limit| {
        let query = BulkOutcomeQuery {
            after,
            refused_only,
            limit,
        };
        numbers(&port.bulk_outcomes(id, query).await.unwrap())
    };
    assert_eq!(read(0, false, 4).await, [1, 2, 3, 4]);
    assert_eq!(read(4, false, 4).await, [5, 6]);
    assert_eq!(read(0, true, 2).await, [1, 3]);
    assert_eq!(read(3, true, 2).await, [5]);
}
