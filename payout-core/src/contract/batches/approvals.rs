//! Cases for approvals and rejections of all payouts of a batch.

use super::{Batching, Made};
use crate::access::KeyOwner;
use crate::approval::ApprovalDigest;
use crate::batch::{Batch, BatchApprovals};
use crate::contract::{Pair, build, drive};
use crate::payout::{Caller, Change, EventKind, Payout, PayoutId, Status};
use crate::ports::{ListedMember, MembersQuery, RepositoryError};

type Repository = Pair<dyn Batching>;

/// Returns a caller who owns a key.
pub(super) fn person(name: &str) -> Caller {
    let caller = Caller::named(name).with_api_key(build::fresh_api_key());
    caller.with_owner(Some(KeyOwner::new(name).unwrap()))
}

/// Stores a batch whose payouts require these numbers of approvals.
pub(super) async fn held(port: &dyn Batching, required: &[u8]) -> (Batch, Vec<PayoutId>) {
    let payouts = required
        .iter()
        .map(|required| build::held(*required, &person("creator")));
    let made = Made::from(payouts.collect());
    (made.stored(port).await, made.ids())
}

async fn approvable(port: &dyn Batching, batch: &Batch, caller: &Caller) -> Vec<Payout> {
    let query = MembersQuery {
        statuses: vec![Status::AwaitingApproval],
        approvable_by: Some(caller.person()),
        after: None,
        limit: 500,
    };
    let members = port.batch_members(batch, &query).await.unwrap().into_iter();
    let payouts = members.map(|member| match member {
        ListedMember::Payout(payout) => payout,
        ListedMember::Unreadable(id) => panic!("{id} can be read"),
    });
    payouts.collect()
}

pub(super) async fn approvals(port: &dyn Batching, batch: &Batch, caller: &Caller) -> Vec<Change> {
    let payouts = approvable(port, batch, caller).await.into_iter();
    payouts
        .map(|payout| payout.approve(caller.clone()).unwrap())
        .collect()
}

/// Approvals of a batch are those of its payouts: each has its event, and the last that is required makes the payout
/// pending, due in the queue of its batch, and bound to what was approved.
pub async fn approvals_of_a_batch_are_those_of_its_payouts(Pair { port, peer }: Repository) {
    let (batch, ids) = held(&*port, &[1, 2, 1]).await;
    let caller = person("one").because("Checked.").in_request("request-7");
    let changes = approvals(&*port, &batch, &caller).await;
    assert_eq!(changes.len(), 3);
    let mut written = port.approve_members(&batch, &changes).await.unwrap();
    written.sort_unstable();
    assert_eq!(written, ids);
    for (id, change) in ids.iter().zip(&changes) {
        let payout = drive::found(&*peer, *id).await;
        let expected = change.made_at(payout.parts().updated_at);
        assert_eq!(payout.parts().approval, expected.parts().approval);
        assert_eq!(
            (payout.status(), payout.version(), payout.parts().due_at),
            (expected.status(), expected.version(), expected.parts().due_at)
        );
        let events = drive::trail(&*port, *id).await;
        let last = events.last().unwrap();
        assert_eq!((events.len(), last.kind), (2, EventKind::Approved));
        assert_eq!(last.status, payout.status());
        assert_eq!(
            (
                last.actor.as_str(),
                last.detail.as_deref(),
                last.request_id.as_deref()
            ),
            ("one", Some("Checked."), Some("request-7"))
        );
    }
    let half = drive::found(&*port, ids[1]).await;
    assert_eq!(
        (half.status(), half.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    let claims = port
        .claim(&build::sweep(10, build::LONG_LEASE))
        .await
        .unwrap()
        .won;
    assert_eq!(claims.len(), 2);
    assert!(claims.iter().all(|claim| claim.as_approved() == Ok(())));
    let changes = approvals(&*port, &batch, &person("two")).await;
    assert_eq!(port.approve_members(&batch, &changes).await.unwrap(), [ids[1]]);
    let whole = drive::found(&*port, ids[1]).await;
    let approval = whole.parts().approval.as_deref().unwrap();
    let given: Vec<_> = approval.given.iter().map(|given| given.by.as_str()).collect();
    assert_eq!(given, ["one", "two"]);
    assert_eq!(approval.digest, Some(ApprovalDigest::of(whole.parts())));
    let claims = port
        .claim(&build::sweep(10, build::LONG_LEASE))
        .await
        .unwrap()
        .won;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].as_approved(), Ok(()));
}

/// A scheduled payout of a batch that was approved is due at its schedule.
pub async fn an_approved_payout_of_a_batch_waits_for_its_schedule(Pair { port, .. }: Repository) {
    let at = port.now().await.unwrap() + chrono::TimeDelta::hours(1);
    let mut new = build::held(1, &person("creator"));
    new.details.scheduled_at = Some(at);
    let made = Made::from(vec![new]);
    let batch = made.stored(&*port).await;
    let changes = approvals(&*port, &batch, &person("one")).await;
    port.approve_members(&batch, &changes).await.unwrap();
    let payout = drive::found(&*port, made.ids()[0]).await;
    assert_eq!(
        (payout.status(), payout.parts().due_at),
        (Status::Pending, payout.details().scheduled_at)
    );
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(10, build::LONG_LEASE)).await,
        []
    );
}

/// A payout that changed since it was read is left out, and so is one that is approved already: an approval that is
/// repeated changes nothing.
pub async fn a_payout_that_changed_is_not_approved_with_its_batch(Pair { port, peer }: Repository) {
    let (batch, ids) = held(&*port, &[1, 1, 1]).await;
    let caller = person("one");
    let changes = approvals(&*port, &batch, &caller).await;
    let first = drive::found(&*port, ids[0]).await;
    let mut details = first.details().clone();
    details.money = build::money("77.70", "USD");
    let edit = first.edit(details, person("editor")).unwrap().requiring(1);
    let edited = drive::apply(&*port, &edit).await;
    let second = drive::found(&*port, ids[1]).await;
    drive::apply(&*port, &second.cancel(build::client()).unwrap()).await;
    assert_eq!(peer.approve_members(&batch, &changes).await.unwrap(), [ids[2]]);
    assert_eq!(peer.approve_members(&batch, &changes).await.unwrap(), []);
    assert_eq!(drive::found(&*port, ids[0]).await, edited);
    let kinds = drive::kinds(&*port, ids[2]).await;
    assert_eq!(kinds, [EventKind::Created, EventKind::Approved]);
}

/// The store refuses the approval of the creator, whatever the caller believes, and then writes none of the part.
pub async fn the_store_refuses_a_creator_who_approves_a_batch(Pair { port, .. }: Repository) {
    let (batch, ids) = held(&*port, &[1, 1]).await;
    let mut changes = approvals(&*port, &batch, &person("one")).await;
    for change in &mut changes {
        let approval = change.approval.as_mut().unwrap();
        approval.person = person("creator").person();
    }
    let refused = port.approve_members(&batch, &changes).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
    for id in ids {
        let payout = drive::found(&*port, id).await;
        assert_eq!((payout.status(), payout.version()), (Status::AwaitingApproval, 1));
    }
}

/// People who approve a batch at the same time give no payout more approvals than it requires.
pub async fn people_who_race_for_a_batch_approve_each_payout_once(Pair { port, peer }: Repository) {
    let (batch, ids) = held(&*port, &[1; 40]).await;
    let changes = [
        approvals(&*port, &batch, &person("one")).await,
        approvals(&*peer, &batch, &person("two")).await,
    ];
    let (one, two) = futures::join!(
        port.approve_members(&batch, &changes[0]),
        peer.approve_members(&batch, &changes[1])
    );
    let (one, two) = (one.unwrap().len(), two.unwrap().len());
    // What one of the two left out since the other held it may have been given up by both.
    let rest = approvals(&*port, &batch, &person("one")).await;
    let rest = port.approve_members(&batch, &rest).await.unwrap().len();
    assert_eq!(one + two + rest, 40);
    for id in ids {
        let payout = drive::found(&*port, id).await;
        assert_eq!(payout.status(), Status::Pending);
        assert_eq!(payout.parts().approval.as_deref().unwrap().given.len(), 1);
    }
}

/// The payouts of a batch that require approval are counted as each person sees them.
pub async fn approvals_of_a_batch_are_counted_for_each_person(Pair { port, .. }: Repository) {
    let (batch, ids) = held(&*port, &[0, 1, 2, 2]).await;
    let other = held(&*port, &[1]).await;
    let counts = async |name: &str| port.batch_approvals(&batch, &person(name)).await.unwrap();
    let awaiting = BatchApprovals {
        awaiting: 3,
        ..BatchApprovals::default()
    };
    assert_eq!(counts("creator").await, BatchApprovals { own: 3, ..awaiting });
    assert_eq!(counts("creator").await.approvable(), 0);
    assert_eq!(counts("one").await, awaiting);
    assert_eq!(counts("one").await.approvable(), 3);
    let changes = approvals(&*port, &batch, &person("one")).await;
    port.approve_members(&batch, &changes).await.unwrap();
    let after = counts("one").await;
    assert_eq!((after.awaiting, after.given, after.settled_with), (2, 2, 1));
    assert_eq!(after.approvable(), 0);
    let after = counts("two").await;
    assert_eq!((after.awaiting, after.given, after.settled_without), (2, 0, 1));
    let payout = drive::found(&*port, ids[3]).await;
    drive::apply(&*port, &payout.reject(person("two")).unwrap()).await;
    let after = counts("two").await;
    assert_eq!(
        (after.awaiting, after.settled_without, after.cancelled),
        (1, 2, 1)
    );
    assert_eq!(
        port.batch_approvals(&other.0, &person("two"))
            .await
            .unwrap()
            .awaiting,
        1
    );
}

/// A rejection cancels what awaits approval, each payout with its event, and leaves the others.
pub async fn only_payouts_that_await_approval_are_rejected_with_their_batch(Pair { port, .. }: Repository) {
    let (batch, ids) = held(&*port, &[0, 1, 1, 1]).await;
    let second = drive::found(&*port, ids[1]).await;
    drive::apply(&*port, &second.approve(person("one")).unwrap()).await;
    let caller = person("two").because("Wrong file.");
    assert_eq!(port.reject_members(&batch, &caller, 1).await.unwrap(), 1);
    assert_eq!(port.reject_members(&batch, &caller, 9).await.unwrap(), 1);
    assert_eq!(port.reject_members(&batch, &caller, 9).await.unwrap(), 0);
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(drive::found(&*port, *id).await.status());
    }
    assert_eq!(
        statuses,
        [
            Status::Pending,
            Status::Pending,
            Status::Cancelled,
            Status::Cancelled
        ]
    );
    let events = drive::trail(&*port, ids[3]).await;
    let last = events.last().unwrap();
    assert_eq!(
        (last.kind, last.status, last.detail.as_deref()),
        (EventKind::Rejected, Status::Cancelled, Some("Wrong file."))
    );
}
