//! Cases for steps with all payouts of a batch.

use super::{Batching, Made};
use crate::contract::{Pair, build, drive};
use crate::payout::{Change, EventKind, Status};
use crate::ports::MemberRetry;

type Repository = Pair<dyn Batching>;

/// A cancellation ends what is pending, each payout with its event, and leaves what a worker has claimed.
pub async fn only_pending_payouts_of_a_batch_are_cancelled(Pair { port, .. }: Repository) {
    let (made, other) = (Made::of(5), Made::of(1));
    let batch = made.stored(&*port).await;
    let ids = made.ids();
    let claim = port
        .claim(&build::only(&ids[..1], build::LONG_LEASE))
        .await
        .unwrap();
    assert_eq!(claim.won.len(), 0, "a hint does not overtake the queue");
    let claimed = drive::claim_ids(&*port, &build::sweep(2, build::LONG_LEASE)).await;
    assert_eq!(claimed.len(), 2);
    other.stored(&*port).await;
    let single = drive::stored(&*port).await;
    let caller = build::operator("wrong file");
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 2);
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 1);
    assert_eq!(port.cancel_members(&batch, &caller, 2).await.unwrap(), 0);
    for id in ids {
        let payout = drive::found(&*port, id).await;
        if claimed.contains(&id) {
            assert_eq!(payout.status(), Status::Processing);
            continue;
        }
        assert_eq!(
            (payout.status(), payout.parts().due_at),
            (Status::Cancelled, None)
        );
        assert_eq!(payout.version(), 2);
        let events = drive::trail(&*port, id).await;
        let last = events.last().unwrap();
        assert_eq!(
            (last.kind, last.status),
            (EventKind::Cancelled, Status::Cancelled)
        );
        assert_eq!(
            (&last.actor, last.detail.as_deref()),
            (&caller.actor, Some("wrong file"))
        );
    }
    assert_eq!(
        drive::found(&*port, other.ids()[0]).await.status(),
        Status::Pending
    );
    assert_eq!(drive::found(&*port, single.id()).await.status(), Status::Pending);
}

/// A cancelled payout of a batch is never claimed.
pub async fn a_cancelled_batch_is_not_claimed(Pair { port, .. }: Repository) {
    let made = Made::of(3);
    let batch = made.stored(&*port).await;
    port.cancel_members(&batch, &build::client(), 10).await.unwrap();
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(10, build::LONG_LEASE)).await,
        []
    );
}

/// A payout of a batch that is edited while others cancel the batch ends in one of the two.
pub async fn a_cancellation_and_a_claim_exclude_each_other(Pair { port, peer }: Repository) {
    let made = Made::of(40);
    let batch = made.stored(&*port).await;
    let (request, caller) = (build::sweep(25, build::LONG_LEASE), build::client());
    let (claimed, cancelled) =
        futures::join!(port.claim(&request), peer.cancel_members(&batch, &caller, 1_000));
    let (claimed, cancelled) = (claimed.unwrap().won.len(), cancelled.unwrap());
    let rest = port.cancel_members(&batch, &caller, 1_000).await.unwrap();
    assert_eq!(claimed as u64 + cancelled + rest, 40);
}

/// Stores a batch of 10 USD payouts that all fail, and returns it with the retries of them.
async fn failed(port: &dyn Batching, count: usize) -> (crate::batch::Batch, Vec<Change>) {
    let made = Made::from((0..count).map(|_| build::amounting_to("10", "USD")).collect());
    let batch = made.stored(port).await;
    for claim in port
        .claim(&build::sweep(100, build::LONG_LEASE))
        .await
        .unwrap()
        .won
    {
        drive::settled(port, claim, build::failed()).await;
    }
    let now = port.now().await.unwrap();
    let caller = build::operator("again");
    let mut retries = Vec::new();
    for id in made.ids() {
        let failed = drive::found(port, id).await;
        retries.push(failed.retry(now, caller.clone()).unwrap());
    }
    (batch, retries)
}

/// Retries of a batch are those of its payouts: each has its event, and the payout is due at once in a new generation. A
/// payout that changed since it was read is left out.
pub async fn retries_of_a_batch_are_those_of_its_payouts(Pair { port, peer }: Repository) {
    let (batch, retries) = failed(&*port, 3).await;
    drive::apply(&*port, &retries[1]).await;
    let results = port.retry_members(&batch, &retries).await.unwrap();
    assert_eq!(
        results,
        [MemberRetry::Written, MemberRetry::Missed, MemberRetry::Written]
    );
    for change in &retries {
        let payout = drive::found(&*peer, change.after.id()).await;
        assert_eq!(payout, change.made_at(payout.parts().updated_at));
        assert_eq!((payout.status(), payout.generation()), (Status::Pending, 1));
        let events = drive::trail(&*peer, payout.id()).await;
        let retried: Vec<_> = events
            .iter()
            .filter(|event| event.kind == EventKind::Retried)
            .collect();
        assert_eq!(retried.len(), 1);
        assert_eq!(
            (retried[0].actor.as_str(), retried[0].detail.as_deref()),
            ("operator", Some("again"))
        );
    }
    let claimed = drive::claim_ids(&*port, &build::sweep(10, build::LONG_LEASE)).await;
    assert_eq!(claimed.len(), 3);
    assert_eq!(port.retry_members(&batch, &[]).await.unwrap(), []);
}

/// A retry within a batch of a payment that was made again meanwhile is held for approval, and the others are made.
pub async fn a_retry_of_a_batch_that_was_paid_anew_is_held(Pair { port, .. }: Repository) {
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let (batch, retries) = failed(&*port, 2).await;
    let mut anew = build::looking_for_duplicates(day, build::amounting_to("10", "USD"));
    anew.details = retries[1].after.details().clone();
    let anew = drive::store(&*port, anew).await;
    let retries: Vec<Change> = retries
        .into_iter()
        .map(|retry| retry.looking_for_duplicates(day))
        .collect();
    let results = port.retry_members(&batch, &retries).await.unwrap();
    assert_eq!(results, [MemberRetry::Written, MemberRetry::Written]);
    let retried = drive::found(&*port, retries[0].after.id()).await;
    assert_eq!(retried.status(), Status::Pending);
    let held = drive::found(&*port, retries[1].after.id()).await;
    assert_eq!(held.status(), Status::AwaitingApproval);
    let approval = held.parts().approval.as_deref().unwrap();
    assert_eq!(approval.duplicate_of(), Some(anew.id()));
}

/// A retry is charged to the daily limit. Payouts that exceed what is left of it stay as they are, and the others are
/// retried.
pub async fn retries_of_a_batch_stay_within_the_daily_limit(Pair { port, .. }: Repository) {
    let (batch, mut retries) = failed(&*port, 4).await;
    let key = build::fresh_api_key();
    let limits = build::limits(&[("USD", None, Some("25"))]);
    for change in &mut retries {
        change.charge = limits.of_retry(change.after.money(), Some(key)).unwrap();
    }
    let results = port.retry_members(&batch, &retries).await.unwrap();
    assert!(
        matches!(
            results[..],
            [
                MemberRetry::Written,
                MemberRetry::Written,
                MemberRetry::OverLimit(_),
                MemberRetry::OverLimit(_),
            ]
        ),
        "{results:?}"
    );
    for (change, status) in
        retries
            .iter()
            .zip([Status::Pending, Status::Pending, Status::Failed, Status::Failed])
    {
        assert_eq!(drive::found(&*port, change.after.id()).await.status(), status);
    }
    // 5 are left.
    let more = port
        .insert(&[build::charged("6", "USD", "25", key)])
        .await
        .unwrap();
    assert!(
        matches!(more[..], [crate::ports::Insertion::OverLimit(_)]),
        "{more:?}"
    );
    drive::store(&*port, build::charged("5", "USD", "25", key)).await;
}

/// Two people retry a batch at the same time: each payout is retried once.
pub async fn two_people_who_retry_a_batch_retry_each_payout_once(Pair { port, peer }: Repository) {
    let (batch, retries) = failed(&*port, 30).await;
    let (one, other) = futures::join!(
        port.retry_members(&batch, &retries),
        peer.retry_members(&batch, &retries)
    );
    let results = [one.unwrap(), other.unwrap()].concat();
    let written = results.iter().filter(|result| **result == MemberRetry::Written);
    let rest = port.retry_members(&batch, &retries).await.unwrap();
    let late = rest.iter().filter(|result| **result == MemberRetry::Written);
    assert_eq!(written.count() + late.count(), 30);
    for change in &retries {
        assert_eq!(drive::found(&*port, change.after.id()).await.generation(), 1);
    }
}
