//! Cases for claims: which payouts can be claimed, and which columns a claim writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::contract::build::{self, LONG_LEASE, SHORT_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{Payout, PayoutId, PayoutParts, Status};
use crate::ports::{ClaimRequest, PayoutRepository};

type Repository = Pair<dyn PayoutRepository>;

/// A claim returns the row as it is afterwards. It sets every column that a claim sets, and changes no other.
pub async fn a_claim_sets_its_columns(Pair { port, .. }: Repository) {
    let before = drive::stored(&*port).await;
    let request = ClaimRequest {
        calls_end_after: Duration::from_secs(800),
        ..build::only(&[before.id()], LONG_LEASE)
    };
    let earliest = port.now().await.unwrap();
    let claim = port
        .claim(&request)
        .await
        .unwrap()
        .won
        .pop()
        .expect("a due payout is claimed");
    let latest = port.now().await.unwrap();

    let parts = claim.payout().parts();
    let claimed_at = parts.claimed_at.expect("a claim has its time");
    assert!(
        earliest <= claimed_at && claimed_at <= latest,
        "claimed_at is the repository's time of the claim"
    );
    let expected = PayoutParts {
        status: Status::Processing,
        fence: 1,
        claims: 1,
        version: 2,
        first_submitted_at: Some(claimed_at),
        claimed_at: Some(claimed_at),
        calls_end_at: Some(claimed_at + request.calls_end_after),
        due_at: Some(claimed_at + LONG_LEASE),
        updated_at: claimed_at,
        ..before.parts().clone()
    };
    assert_eq!(*parts, expected);
    assert_eq!(drive::found(&*port, before.id()).await, *claim.payout());
}

/// A claim, by id or by sweep, takes no payout that is scheduled, final, under review, deleted or leased.
pub async fn only_what_is_due_is_claimed(Pair { port, .. }: Repository) {
    let mut scheduled = build::new_payout();
    scheduled.details.scheduled_at = Some(port.now().await.unwrap() + Duration::from_secs(3600));
    let scheduled = drive::store(&*port, scheduled).await.id();
    let leased = drive::claimed(&*port).await.payout().id();
    let claim = drive::claimed(&*port).await;
    let completed = drive::settled(&*port, claim, build::completed("ref-1"))
        .await
        .id();
    let claim = drive::claimed(&*port).await;
    let postponed = drive::settled(&*port, claim, build::postponed(LONG_LEASE))
        .await
        .id();
    let claim = drive::claimed(&*port).await;
    let released = drive::settled(&*port, claim, build::released(LONG_LEASE))
        .await
        .id();
    let failed = drive::declined(&*port).await.id();
    let review = drive::under_review(&*port).await.id();
    let cancel = drive::stored(&*port).await.cancel(build::client()).unwrap();
    let cancelled = drive::apply(&*port, &cancel).await.id();
    let delete = drive::stored(&*port).await.delete(build::client()).unwrap();
    let deleted = drive::apply(&*port, &delete).await.id();

    let kept = [
        scheduled, leased, completed, postponed, released, failed, review, cancelled,
    ];
    let due = drive::stored(&*port).await.id();
    let mut ids = kept.to_vec();
    ids.extend([deleted, build::fresh_id(), due]);
    let mut witnesses = Vec::new();
    for id in kept {
        witnesses.push(drive::Witness::of(&*port, id).await);
    }
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&ids, LONG_LEASE)).await,
        [due]
    );
    assert_eq!(drive::claim_ids(&*port, &build::only(&ids, LONG_LEASE)).await, []);
    let due = drive::stored(&*port).await.id();
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(100, LONG_LEASE)).await,
        [due]
    );
    assert_eq!(drive::claim_ids(&*port, &build::sweep(100, LONG_LEASE)).await, []);
    for witness in witnesses {
        witness.assert_untouched(&*port).await;
    }
}

/// A claim by ids takes exactly these payouts, and takes an id that occurs twice once.
pub async fn a_claim_by_ids_takes_only_these(Pair { port, .. }: Repository) {
    let [other, first, second] = [
        drive::stored(&*port).await,
        drive::stored(&*port).await,
        drive::stored(&*port).await,
    ];
    let request = build::only(&[second.id(), first.id(), second.id(), first.id()], LONG_LEASE);
    let claimed = drive::claim_ids(&*port, &request).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(
        HashSet::from_iter(claimed),
        HashSet::from([first.id(), second.id()])
    );
    assert_eq!(
        drive::found(&*port, second.id()).await.fence(),
        1,
        "named twice, claimed once"
    );
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&[], LONG_LEASE)).await,
        [],
        "no ids are not all ids"
    );
    assert_eq!(drive::found(&*port, other.id()).await, other);
}

/// A claim takes at most its limit and leaves the rest to others.
pub async fn a_claim_takes_no_more_than_its_limit(Pair { port, .. }: Repository) {
    let batch: Vec<_> = (0..10).map(|_| build::new_payout()).collect();
    port.insert(&batch).await.unwrap();
    let ids: Vec<PayoutId> = batch.iter().map(|new| new.id).collect();
    assert_eq!(drive::claim_ids(&*port, &build::sweep(0, LONG_LEASE)).await, []);
    let mut claimed = drive::claim_ids(&*port, &build::sweep(3, LONG_LEASE)).await;
    assert_eq!(claimed.len(), 3);
    let by_ids = drive::claim_ids(
        &*port,
        &ClaimRequest {
            limit: 4,
            ..build::only(&ids, LONG_LEASE)
        },
    )
    .await;
    assert_eq!(by_ids.len(), 4);
    claimed.extend(by_ids);
    claimed.extend(drive::claim_ids(&*port, &build::sweep(100, LONG_LEASE)).await);
    assert_eq!(claimed.len(), 10);
    assert_eq!(HashSet::<PayoutId>::from_iter(claimed), HashSet::from_iter(ids));
}

/// A sweep orders payouts by the time for which they have been due, not by their age.
pub async fn a_sweep_takes_the_longest_due_first(Pair { port, .. }: Repository) {
    let tick = Duration::from_millis(5);
    let claim = drive::claimed(&*port).await;
    let oldest = claim.payout().id();
    let mut ids = Vec::new();
    for _ in 0..4 {
        tokio::time::sleep(tick).await;
        ids.push(drive::stored(&*port).await.id());
    }
    tokio::time::sleep(tick).await;
    let due_at = drive::settled(&*port, claim, build::postponed(tick))
        .await
        .parts()
        .due_at;
    drive::eventually("it is due", async || {
        (Some(port.now().await.unwrap()) > due_at).then_some(())
    })
    .await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.extend(drive::claim_ids(&*port, &build::sweep(1, LONG_LEASE)).await);
    }
    ids.push(oldest);
    assert_eq!(order, ids);
}

/// If eight workers claim from two hundred payouts, each payout goes to one of them.
pub async fn concurrent_sweeps_claim_every_payout_exactly_once(Pair { port, peer }: Repository) {
    let batch: Vec<_> = (0..200).map(|_| build::new_payout()).collect();
    port.insert(&batch).await.unwrap();
    let so_far = Arc::new(AtomicUsize::new(0));
    let claimers = (0..8).map(|n| {
        let (repository, so_far) = (Arc::clone(if n % 2 == 0 { &port } else { &peer }), so_far.clone());
        async move {
            let mut claimed = Vec::new();
            // An empty result is normal while other workers hold the due payouts.
            while so_far.load(Ordering::SeqCst) < 200 {
                let won = repository.claim(&build::sweep(7, LONG_LEASE)).await.unwrap().won;
                so_far.fetch_add(won.len(), Ordering::SeqCst);
                claimed.extend(won);
                tokio::task::yield_now().await;
            }
            claimed
        }
    });
    let claims: Vec<_> = drive::race(claimers).await.into_iter().flatten().collect();
    assert_eq!(claims.len(), 200, "a payout was claimed twice");
    assert!(claims.iter().all(|claim| claim.payout().fence() == 1));
    let ids: HashSet<PayoutId> = claims.iter().map(|claim| claim.payout().id()).collect();
    assert_eq!(ids, batch.iter().map(|new| new.id).collect());
}

/// If sixteen workers claim by the same hints in different orders, each payout goes to one of them.
pub async fn concurrent_hints_claim_every_payout_exactly_once(Pair { port, peer }: Repository) {
    let batch: Vec<_> = (0..50).map(|_| build::new_payout()).collect();
    port.insert(&batch).await.unwrap();
    let ids: Vec<PayoutId> = batch.iter().map(|new| new.id).collect();
    let claimers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let mut hints = ids.clone();
        hints.rotate_left(n * 3);
        if n % 4 == 0 {
            hints.reverse();
        }
        async move { drive::claim_ids(&*repository, &build::only(&hints, LONG_LEASE)).await }
    });
    let mut claimed: Vec<PayoutId> = drive::race(claimers).await.into_iter().flatten().collect();
    // A claim skips rows that another claim has locked, so some may be left until the next sweep.
    claimed.extend(drive::claim_ids(&*port, &build::sweep(50, LONG_LEASE)).await);
    assert_eq!(claimed.len(), 50);
    assert_eq!(HashSet::<PayoutId>::from_iter(claimed), HashSet::from_iter(ids));
}

/// If a lease expires without a settlement, another worker takes over with a higher fence and the same key.
pub async fn an_expired_lease_is_taken_over(Pair { port, peer }: Repository) {
    let id = drive::stored(&*port).await.id();
    let first: Payout = drive::claim_when_due(&*port, id, SHORT_LEASE)
        .await
        .payout()
        .clone();
    assert_eq!(
        drive::claim_ids(&*peer, &build::only(&[id], LONG_LEASE)).await,
        [],
        "claimed within the lease"
    );
    let second = drive::claim_when_due(&*peer, id, LONG_LEASE).await;
    let (first, second) = (first.parts(), second.payout().parts());
    assert!(
        second.claimed_at >= first.due_at,
        "taken over before the lease's end"
    );
    assert_eq!((second.fence, second.claims, second.generation), (2, 2, 0));
    assert_eq!(second.first_submitted_at, first.first_submitted_at);
    assert_eq!(second.due_at, second.claimed_at.map(|at| at + LONG_LEASE));
}

/// Of two claims, the one whose worker may be sending for longer decides when no worker can be.
pub async fn the_quiet_time_never_moves_back(Pair { port, .. }: Repository) {
    let id = drive::stored(&*port).await.id();
    let slow = ClaimRequest {
        calls_end_after: Duration::from_secs(3600),
        ..build::only(&[id], SHORT_LEASE)
    };
    let calls_end_at = port
        .claim(&slow)
        .await
        .unwrap()
        .won
        .remove(0)
        .payout()
        .parts()
        .calls_end_at;
    let second = drive::claim_when_due(&*port, id, SHORT_LEASE).await;
    assert_eq!(second.payout().parts().calls_end_at, calls_end_at);
}
