//! Cases for claims of batches beside each other and beside payouts without a batch.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::{Batching, Made};
use crate::contract::{Pair, build, drive};
use crate::payout::{PaymentDetails, PayoutId, Status};
use crate::ports::ClaimRequest;
use crate::provider::ProviderName;

type Repository = Pair<dyn Batching>;

async fn sweep(port: &dyn Batching, limit: u32) -> HashSet<PayoutId> {
    let claimed = drive::claim_ids(port, &build::sweep(limit, build::LONG_LEASE)).await;
    claimed.into_iter().collect()
}

/// A payout that comes after a batch of any size is claimed by the next sweep, however few slots it has.
pub async fn a_payout_is_claimed_beside_a_batch_that_waits(Pair { port, .. }: Repository) {
    let made = Made::of(5_000);
    made.stored(&*port).await;
    assert_eq!(
        sweep(&*port, 10).await.len(),
        10,
        "a batch has every slot while it is alone"
    );
    for limit in [10, 2] {
        let single = drive::stored(&*port).await.id();
        let claimed = sweep(&*port, limit).await;
        assert!(claimed.contains(&single), "{limit} slots");
        assert_eq!(claimed.len(), limit as usize, "the other slots are for the batch");
    }
    let single = drive::stored(&*port).await.id();
    let (one, other) = (sweep(&*port, 1).await, sweep(&*port, 1).await);
    assert!(
        one.contains(&single) || other.contains(&single),
        "one slot is for each in turn"
    );
}

/// Payouts without a batch and a batch have even shares of the slots.
pub async fn payouts_without_a_batch_hold_up_no_batch(Pair { port, .. }: Repository) {
    let singles: Vec<_> = (0..100).map(|_| build::new_payout()).collect();
    port.insert(&singles).await.unwrap();
    let made = Made::of(20);
    made.stored(&*port).await;
    let claimed = sweep(&*port, 10).await;
    let of_batch = made.ids().iter().filter(|id| claimed.contains(id)).count();
    assert_eq!((claimed.len(), of_batch), (10, 5));
}

/// A small batch is claimed beside a large one, and slots that it does not need go to the large one.
pub async fn a_small_batch_is_claimed_beside_a_large_one(Pair { port, .. }: Repository) {
    let (large, small) = (Made::of(3_000), Made::of(5));
    large.stored(&*port).await;
    small.stored(&*port).await;
    let claimed = sweep(&*port, 30).await;
    assert_eq!(claimed.len(), 30);
    assert!(small.ids().iter().all(|id| claimed.contains(id)));
}

/// Slots that batches do not need go to everything else.
pub async fn slots_that_no_batch_needs_are_used(Pair { port, .. }: Repository) {
    let made = Made::of(2);
    made.stored(&*port).await;
    let singles: Vec<_> = (0..20).map(|_| build::new_payout()).collect();
    port.insert(&singles).await.unwrap();
    let claimed = sweep(&*port, 20).await;
    assert_eq!(claimed.len(), 20);
    assert!(made.ids().iter().all(|id| claimed.contains(id)));
}

/// Each payout of a batch is claimed once, in the order of the rows, by two workers at once.
pub async fn every_payout_of_a_batch_is_claimed_once(Pair { port, peer }: Repository) {
    let made = Made::of(300);
    made.stored(&*port).await;
    let request = build::sweep(20, build::LONG_LEASE);
    let mut claimed = Vec::new();
    loop {
        let (one, other) = futures::join!(port.claim(&request), peer.claim(&request));
        let both = [one.unwrap().won, other.unwrap().won];
        let before = claimed.len();
        claimed.extend(both.iter().flatten().map(|claim| claim.payout().id()));
        if claimed.len() == before {
            break;
        }
    }
    let distinct: HashSet<PayoutId> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), distinct.len()), (300, 300));
    assert!(distinct.iter().all(|id| made.ids().contains(id)));
}

/// A payout of a batch that was claimed once is due like any other: its lease, its backoff, and its retry.
pub async fn a_claimed_payout_of_a_batch_is_due_like_any_other(Pair { port, .. }: Repository) {
    let made = Made::of(1);
    made.stored(&*port).await;
    let id = made.ids()[0];
    let claim = port
        .claim(&build::sweep(1, build::SHORT_LEASE))
        .await
        .unwrap()
        .won
        .remove(0);
    assert_eq!(claim.payout().id(), id);
    let again = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    assert!(again.is_takeover());
    let failed = drive::settled(&*port, again, build::failed()).await;
    let now = failed.parts().calls_end_at.unwrap() + TimeDelta::seconds(1);
    let retried = drive::apply(&*port, &failed.retry(now, build::client()).unwrap()).await;
    assert_eq!(retried.status(), Status::Pending);
    assert!(sweep(&*port, 1).await.contains(&id));
}

/// A payout of a batch is due at its schedule, may be edited until then, and may be cancelled and deleted.
pub async fn a_scheduled_batch_waits_for_its_time(Pair { port, .. }: Repository) {
    let at = port.now().await.unwrap() + TimeDelta::hours(1);
    let details = PaymentDetails {
        scheduled_at: Some(at),
        ..build::details()
    };
    let made = Made::from((0..3).map(|_| build::of_details(details.clone())).collect());
    made.stored(&*port).await;
    assert_eq!(sweep(&*port, 10).await.len(), 0);
    let ids = made.ids();
    let payout = drive::found(&*port, ids[0]).await;
    assert_eq!(payout.parts().due_at, Some(at));
    let edited = PaymentDetails {
        money: build::money("11", "USD"),
        ..payout.details().clone()
    };
    let edited = drive::apply(&*port, &payout.edit(edited, build::client()).unwrap()).await;
    assert_eq!(
        edited.parts().due_at,
        Some(at),
        "an edit of something else keeps the schedule"
    );
    let sooner = PaymentDetails {
        scheduled_at: None,
        ..edited.details().clone()
    };
    drive::apply(&*port, &edited.edit(sooner, build::client()).unwrap()).await;
    assert!(sweep(&*port, 10).await.contains(&ids[0]));
    let payout = drive::found(&*port, ids[1]).await;
    let cancelled = drive::apply(&*port, &payout.cancel(build::client()).unwrap()).await;
    assert_eq!(cancelled.parts().due_at, None);
    let payout = drive::found(&*port, ids[2]).await;
    drive::apply(&*port, &payout.delete(build::client()).unwrap()).await;
    assert_eq!(port.find(ids[2]).await.unwrap(), None);
}

/// Batches are claimed for the provider of each payout.
pub async fn a_batch_is_claimed_by_provider(Pair { port, .. }: Repository) {
    let provider = ProviderName::new("adyen-eu").unwrap();
    let mut of_provider = build::new_payout();
    of_provider.provider = Some(provider.clone());
    let made = Made::from(vec![build::new_payout(), of_provider]);
    made.stored(&*port).await;
    let request = ClaimRequest {
        provider: Some(provider),
        ..build::sweep(10, build::LONG_LEASE)
    };
    assert_eq!(drive::claim_ids(&*port, &request).await, [made.ids()[1]]);
    assert_eq!(sweep(&*port, 10).await, HashSet::from([made.ids()[0]]));
}
