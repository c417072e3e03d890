//! Cases for approvals: what requires them is seen by no worker before they are given, and only as it was approved.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::access::KeyOwner;
use crate::approval::{ApprovalDigest, ApprovalReason, ApproverError};
use crate::attempt::Verdict;
use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{Actor, Caller, Change, EventKind, Payout, PayoutId, Status, StepError};
use crate::ports::{ClaimRequest, Filter, ListQuery, Order, PayoutRepository, Position, RepositoryError};
use crate::provider::{ProviderName, WaitReason};

type Repository = Pair<dyn PayoutRepository>;

/// Returns a caller who owns a key.
fn person(name: &str) -> Caller {
    let caller = Caller::named(name).with_api_key(build::fresh_api_key());
    caller.with_owner(Some(KeyOwner::new(name).unwrap()))
}

fn provider(name: &str) -> ProviderName {
    ProviderName::new(name).unwrap()
}

async fn held(port: &dyn PayoutRepository, required: u8) -> Payout {
    drive::store(port, build::held(required, &person("creator"))).await
}

async fn approved(port: &dyn PayoutRepository, payout: Payout, by: &str) -> Payout {
    drive::apply(port, &payout.approve(person(by)).unwrap()).await
}

async fn claims(port: &dyn PayoutRepository, id: PayoutId) -> usize {
    let claimed = port.claim(&build::only(&[id], LONG_LEASE)).await.unwrap();
    claimed.won.len() + claimed.unreadable.len()
}

/// A payout that requires approval is stored with what it requires, and is due for nobody.
pub async fn a_held_payout_is_read_as_it_was_stored_and_is_not_due(Pair { port, .. }: Repository) {
    let new = build::held(2, &person("creator"));
    let stored = drive::store(&*port, new.clone()).await;
    assert_eq!(
        (stored.status(), stored.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    let approval = stored.parts().approval.as_deref().unwrap();
    assert_eq!((approval.required, approval.round), (2, 0));
    assert_eq!(approval.creator, Some(person("creator").person()));
    assert_eq!(approval.reasons, [ApprovalReason::Amount]);
    assert_eq!(drive::found(&*port, stored.id()).await, stored);
    assert_eq!(claims(&*port, stored.id()).await, 0);
    let swept = port.claim(&build::sweep(100, LONG_LEASE)).await.unwrap();
    assert_eq!(swept.won.len() + swept.unreadable.len(), 0);
    let trail = drive::trail(&*port, stored.id()).await;
    let events: Vec<_> = trail.iter().map(|event| (event.kind, event.status)).collect();
    assert_eq!(events, [(EventKind::Created, Status::AwaitingApproval)]);
}

/// The creator of a payout that requires no approval is known too, in case that an edit makes it require some.
pub async fn the_creator_of_a_payout_without_approvals_is_kept(Pair { port, .. }: Repository) {
    let stored = drive::store(&*port, build::held(0, &person("creator"))).await;
    assert_eq!(stored.status(), Status::Pending);
    let edited = edited(stored.clone(), "20", &person("editor")).requiring(1);
    let after = drive::apply(&*port, &edited).await;
    assert_eq!(
        (after.status(), after.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    assert_eq!(drive::found(&*port, stored.id()).await, after);
    for (who, why) in [
        ("creator", ApproverError::Creator),
        ("editor", ApproverError::Editor),
    ] {
        assert_eq!(after.clone().approve(person(who)), Err(StepError::Approver(why)));
    }
    assert_eq!(claims(&*port, stored.id()).await, 0);
}

/// The answer to a create under an idempotency key has the approvals, whenever it is asked for again.
pub async fn an_answer_tells_that_the_payout_awaits_approval(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let new = build::under(&key, build::held(2, &person("creator")));
    let stored = drive::store(&*port, new).await;
    let payout = approved(&*port, stored.clone(), "one").await;
    approved(&*port, payout, "two").await;
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout, stored);
}

/// Each approval is written with its event. The last makes the payout pending, due, and bound to what was approved.
pub async fn the_last_approval_makes_it_pending_and_due(Pair { port, peer }: Repository) {
    let payout = held(&*port, 2).await;
    let first = approved(&*port, payout.clone(), "one").await;
    assert_eq!(
        (first.status(), first.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    assert_eq!(drive::found(&*peer, payout.id()).await, first);
    assert_eq!(claims(&*peer, payout.id()).await, 0);
    let second = approved(&*peer, first, "two").await;
    assert_eq!(second.status(), Status::Pending);
    assert_eq!(drive::found(&*port, payout.id()).await, second);
    let approval = second.parts().approval.as_deref().unwrap();
    assert_eq!(approval.digest, Some(ApprovalDigest::of(second.parts())));
    let given: Vec<_> = approval.given.iter().map(|given| given.by.as_str()).collect();
    assert_eq!(given, ["one", "two"]);
    assert!(approval.given[0].at <= approval.given[1].at);
    let claim = drive::claim_when_due(&*port, payout.id(), LONG_LEASE).await;
    assert_eq!(claim.as_approved(), Ok(()));
    let expected = [
        (EventKind::Created, Status::AwaitingApproval),
        (EventKind::Approved, Status::AwaitingApproval),
        (EventKind::Approved, Status::Pending),
        (EventKind::Claimed, Status::Processing),
    ];
    let trail = drive::trail(&*port, payout.id()).await;
    let events: Vec<_> = trail.iter().map(|event| (event.kind, event.status)).collect();
    assert_eq!(events, expected);
    let claim = drive::found(&*port, payout.id()).await;
    assert_eq!(
        claim.parts().approval,
        second.parts().approval,
        "a claim changes nothing of it"
    );
}

/// Two approvals from the same version are one approval and a conflict.
pub async fn of_two_approvals_of_one_version_one_is_written(Pair { port, peer }: Repository) {
    let payout = held(&*port, 2).await;
    let changes = ["one", "two"].map(|by| payout.clone().approve(person(by)).unwrap());
    drive::apply(&*port, &changes[0]).await;
    let late = peer.apply(&changes[1], None).await;
    assert!(matches!(late, Err(RepositoryError::VersionConflict)), "{late:?}");
    let found = drive::found(&*port, payout.id()).await;
    assert_eq!(found.parts().approval.as_deref().unwrap().given.len(), 1);
    let again = found.approve(person("one"));
    assert_eq!(again, Err(StepError::Approver(ApproverError::Twice)));
}

/// A rejected payout is cancelled, with the reason in the trail, and can be approved no more.
pub async fn a_rejected_payout_is_cancelled(Pair { port, .. }: Repository) {
    let payout = held(&*port, 1).await;
    let change = payout.reject(person("one").because("Paid in cash.")).unwrap();
    let rejected = drive::apply(&*port, &change).await;
    assert_eq!(
        (rejected.status(), rejected.parts().due_at),
        (Status::Cancelled, None)
    );
    assert_eq!(drive::found(&*port, rejected.id()).await, rejected);
    let event = drive::trail(&*port, rejected.id()).await.pop().unwrap();
    assert_eq!(
        (event.kind, event.status),
        (EventKind::Rejected, Status::Cancelled)
    );
    assert_eq!(event.detail.as_deref(), Some("Paid in cash."));
    assert!(matches!(
        rejected.approve(person("two")),
        Err(StepError::Illegal(_))
    ));
}

fn edited(payout: Payout, amount: &str, caller: &Caller) -> Change {
    let mut details = payout.details().clone();
    details.money = build::money(amount, "USD");
    payout.edit(details, caller.clone()).unwrap()
}

/// An edit voids every approval: a payout that was approved awaits approval again, and those who approved it before must
/// do so again.
pub async fn an_edit_voids_every_approval(Pair { port, .. }: Repository) {
    let payout = held(&*port, 1).await;
    let ready = approved(&*port, payout, "one").await;
    let change = edited(ready, "77.70", &person("editor")).requiring(1);
    let after = drive::apply(&*port, &change).await;
    assert_eq!(
        (after.status(), after.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    assert_eq!(drive::found(&*port, after.id()).await, after);
    let approval = after.parts().approval.as_deref().unwrap();
    assert_eq!(
        (approval.given.len(), approval.digest, approval.round),
        (0, None, 1)
    );
    assert_eq!(claims(&*port, after.id()).await, 0);
    assert_eq!(
        after.clone().approve(person("editor")),
        Err(StepError::Approver(ApproverError::Editor))
    );
    let again = approved(&*port, after, "one").await;
    assert_eq!(drive::found(&*port, again.id()).await, again);
    let claim = drive::claim_when_due(&*port, again.id(), LONG_LEASE).await;
    assert_eq!(claim.as_approved(), Ok(()));
}

/// An edit to an amount that requires no approval makes the payout pending and due.
pub async fn an_edit_to_what_requires_no_approval_releases_it(Pair { port, .. }: Repository) {
    let payout = held(&*port, 1).await;
    let after = drive::apply(&*port, &edited(payout, "1", &person("creator")).requiring(0)).await;
    assert_eq!(after.status(), Status::Pending);
    assert_eq!(drive::found(&*port, after.id()).await, after);
    let claim = drive::claim_when_due(&*port, after.id(), LONG_LEASE).await;
    assert_eq!(claim.as_approved(), Ok(()));
}

/// A retry requires the approvals again, from others than the person who retried.
pub async fn a_retry_awaits_approval_again(Pair { port, .. }: Repository) {
    let payout = held(&*port, 1).await;
    let ready = approved(&*port, payout, "one").await;
    let claim = drive::claim_when_due(&*port, ready.id(), LONG_LEASE).await;
    let failed = drive::settled(&*port, claim, build::failed()).await;
    let now = port.now().await.unwrap();
    let change = failed.retry(now, person("operator")).unwrap().requiring(1);
    let after = drive::apply(&*port, &change).await;
    assert_eq!(
        (after.status(), after.generation()),
        (Status::AwaitingApproval, 1)
    );
    assert_eq!(drive::found(&*port, after.id()).await, after);
    assert_eq!(claims(&*port, after.id()).await, 0);
    assert_eq!(
        after.clone().approve(person("operator")),
        Err(StepError::Approver(ApproverError::Editor))
    );
    let again = approved(&*port, after, "one").await;
    let claim = drive::claim_when_due(&*port, again.id(), LONG_LEASE).await;
    assert_eq!(claim.as_approved(), Ok(()));
}

/// An approved payout that goes to the next provider of its route, or on to a new generation by itself, is still what was
/// approved.
pub async fn an_approval_follows_what_the_worker_itself_changes(Pair { port, .. }: Repository) {
    let payout = held(&*port, 1).await;
    let ready = approved(&*port, payout, "one").await;
    let claim = drive::claim_when_due(&*port, ready.id(), LONG_LEASE).await;
    let moved = Verdict::Released {
        why: "Its provider is away.".into(),
        after: Duration::ZERO,
        waiting_for: None,
        provider: Some(provider("other")),
    };
    let moved = drive::settled(&*port, claim, moved).await;
    assert_eq!(moved.parts().provider, Some(provider("other")));
    let request = ClaimRequest {
        provider: Some(provider("other")),
        ..build::only(&[moved.id()], LONG_LEASE)
    };
    let claim = drive::eventually("it is claimed", async || {
        port.claim(&request).await.unwrap().won.pop()
    })
    .await;
    assert_eq!(claim.as_approved(), Ok(()));
    let renewed = claim.renew(
        "no funds",
        Duration::ZERO,
        WaitReason::Funds,
        &Actor::new("worker"),
    );
    drive::apply(&*port, &renewed).await;
    let claim = drive::eventually("it is claimed again", async || {
        port.claim(&request).await.unwrap().won.pop()
    })
    .await;
    assert_eq!((claim.payout().generation(), claim.as_approved()), (1, Ok(())));
}

/// A person's list of approvable payouts has those that others asked for and that the person has not approved yet.
pub async fn what_a_person_may_approve_is_listed(Pair { port, .. }: Repository) {
    let own = drive::store(&*port, build::held(2, &person("one"))).await;
    let edit = edited(held(&*port, 2).await, "20", &person("one")).requiring(2);
    let edited = drive::apply(&*port, &edit).await;
    let given = approved(&*port, held(&*port, 2).await, "one").await;
    let open = held(&*port, 2).await;
    drive::store(&*port, build::held(0, &person("creator"))).await;
    let listed = async |name: &str| {
        let filter = Filter {
            approvable_by: Some(person(name).person()),
            ..Filter::default()
        };
        let query = ListQuery {
            filter: filter.clone(),
            order: Order::OldestFirst,
            position: Position::Offset(0),
            limit: 10,
        };
        let listed = drive::listed(&*port, &query).await;
        let ids: HashSet<_> = listed.iter().map(Payout::id).collect();
        assert_eq!(port.count(&filter, None).await.unwrap().count, ids.len() as u64);
        ids
    };
    assert_eq!(listed("one").await, HashSet::from([open.id()]));
    let all = [own.id(), edited.id(), given.id(), open.id()];
    assert_eq!(listed("two").await, HashSet::from(all));
    assert_eq!(listed("creator").await, HashSet::from([own.id()]));
}

/// However many approve, reject, edit, cancel and claim at the same time: a worker gets nothing but what the required
/// number of other people have approved as it is.
pub async fn sixty_four_callers_at_once_send_nothing_that_lacks_approval(Pair { port, peer }: Repository) {
    for round in 0..4 {
        let id = held(&*port, 2).await.id();
        let racers = (0..64_u8).map(|caller| {
            let repository = Arc::clone(if caller % 2 == 0 { &port } else { &peer });
            async move {
                for _ in 0..6 {
                    if !act(&*repository, id, caller, round).await {
                        break;
                    }
                }
            }
        });
        drive::race(racers).await;
        let left = drive::found(&*port, id).await;
        if left.status() == Status::Pending {
            let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
            assert_approved(claim.payout());
        }
        assert_eq!(left, Payout::restore(left.parts().clone()).unwrap());
    }
}

/// Takes one step; returns whether to try again.
async fn act(port: &dyn PayoutRepository, id: PayoutId, caller: u8, round: u8) -> bool {
    if caller % 4 == 3 {
        let mut claimed = port.claim(&build::only(&[id], LONG_LEASE)).await.unwrap();
        assert!(claimed.unreadable.is_empty());
        if let Some(claim) = claimed.won.pop() {
            assert_eq!(claim.as_approved(), Ok(()));
            assert_approved(claim.payout());
            return false;
        }
        tokio::task::yield_now().await;
        return true;
    }
    let payout = drive::found(port, id).await;
    let who = person(&format!("person-{}", caller / 2));
    let change = match caller % 16 {
        0 | 1 | 2 | 4 | 5 | 8 | 9 | 12 => payout.approve(who),
        6 if round.is_multiple_of(2) => payout.reject(who.because("No.")).map_err(StepError::Illegal),
        10 if round == 1 => payout.cancel(who).map_err(StepError::Illegal),
        _ => {
            let mut details = payout.details().clone();
            details.money = build::money(&format!("{}.50", 10 + caller), "USD");
            payout.edit(details, who).map(|change| change.requiring(2))
        }
    };
    match change {
        Ok(change) => match port.apply(&change, None).await {
            Ok(_) => false,
            Err(RepositoryError::VersionConflict | RepositoryError::Locked { .. }) => true,
            Err(error) => panic!("{error:?}"),
        },
        Err(_) => false,
    }
}

/// Checks that a claimed payout has the approvals of the required number of people, none of whom asked for it.
pub(in crate::contract) fn assert_approved(payout: &Payout) {
    let approval = payout.parts().approval.as_deref().unwrap();
    let people: HashSet<_> = approval.given.iter().map(|given| &given.person).collect();
    assert_eq!(people.len(), usize::from(approval.required), "{approval:?}");
    assert!(
        approval
            .creator
            .as_ref()
            .is_none_or(|creator| !people.contains(creator)),
        "{approval:?}"
    );
    assert!(
        approval
            .editor
            .as_ref()
            .is_none_or(|editor| !people.contains(editor)),
        "{approval:?}"
    );
    assert_eq!(approval.digest, Some(ApprovalDigest::of(payout.parts())));
}
