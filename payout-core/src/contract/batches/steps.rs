//! Cases for steps with all payouts of a batch.

use super::{Batching, Made};
use crate::contract::{Pair, build, drive};
use crate::payout::{EventKind, Status};

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
