//! Cases for the start after a restore: every payout that may have been sent is treated as sent.

use std::time::Duration;

use chrono::TimeDelta;

use super::Reconcilable;
use crate::attempt::Policy;
use crate::attempt::Verdict;
use crate::contract::{Pair, build, drive};
use crate::payout::{Actor, Caller, EventKind, Payout, PayoutId, Status};

type Repository = Pair<dyn Reconcilable>;

fn restorer() -> Actor {
    Actor::new("restore")
}

async fn presumed(port: &dyn Reconcilable, id: PayoutId) -> Payout {
    assert_eq!(port.presume_claimed(10, &restorer()).await.unwrap(), 1);
    drive::found(port, id).await
}

/// The row and the audit trail show exactly the domain's step.
pub async fn a_presumed_claim_is_the_domains_step(repository: Repository) {
    let port = &*repository.port;
    let before = drive::stored(port).await;
    let after = presumed(port, before.id()).await;
    let expected = before.clone().presume_claimed(after.parts().updated_at).unwrap();
    assert_eq!(after, expected);
    assert_eq!(after.status(), Status::Processing);
    assert_eq!(after.parts().first_submitted_at, Some(before.parts().updated_at));
    let event = drive::trail(port, before.id()).await.pop().unwrap();
    assert_eq!(
        (event.kind, event.status),
        (EventKind::Claimed, Status::Processing)
    );
    assert_eq!((event.actor, event.fence), (restorer(), after.fence()));
}

/// The next claim is a takeover: the worker looks the key up, no client may edit or cancel the payout, and an answer
/// that nothing was sent does not release it.
pub async fn the_next_claim_looks_the_key_up(repository: Repository) {
    let port = &*repository.port;
    let payout = drive::stored(port).await;
    let presumed = presumed(port, payout.id()).await;
    assert!(presumed.clone().cancel(build::client()).is_err());
    let claim = drive::claim_when_due(port, payout.id(), build::LONG_LEASE).await;
    assert!(claim.looks_up_first() && claim.is_takeover());
    let never_sent = Err(crate::provider::ProcessorError::NeverSent {
        why: "refused".into(),
    });
    let verdict = claim.conclude(never_sent, &Policy::default(), &crate::ports::System::default());
    assert!(matches!(verdict, Verdict::Postponed { .. }), "{verdict:?}");
}

/// A released payout has been claimed before: the presumed claim is a later one.
pub async fn a_released_payout_is_presumed_claimed_again(repository: Repository) {
    let port = &*repository.port;
    let claim = drive::claimed(port).await;
    let released = build::released(Duration::ZERO);
    let before = drive::settled(port, claim, released).await;
    let after = presumed(port, before.id()).await;
    assert_eq!(
        after,
        before.clone().presume_claimed(after.parts().updated_at).unwrap()
    );
    assert!(after.parts().claimed_at > before.parts().claimed_at);
    assert_eq!(after.parts().first_submitted_at, after.parts().claimed_at);
}

/// A payout that is not due cannot have been claimed, and one that is claimed or final is recorded as such.
pub async fn only_what_is_pending_and_due_is_presumed_claimed(repository: Repository) {
    let port = &*repository.port;
    let now = port.now().await.unwrap();
    let mut later = build::new_payout();
    later.details.scheduled_at = Some(now + TimeDelta::hours(1));
    let mut untouched = vec![drive::store(port, later).await.id()];
    untouched.push(drive::claimed(port).await.payout().id());
    untouched.push(drive::declined(port).await.id());
    untouched.push(drive::under_review(port).await.id());
    let cancelled = drive::stored(port).await;
    untouched.push(
        drive::apply(port, &cancelled.cancel(build::client()).unwrap())
            .await
            .id(),
    );
    let mut witnesses = Vec::new();
    for id in untouched {
        witnesses.push(drive::Witness::of(port, id).await);
    }
    let deleted = drive::stored(port).await;
    drive::apply(port, &deleted.delete(build::client()).unwrap()).await;
    assert_eq!(port.presume_claimed(10, &restorer()).await.unwrap(), 0);
    for witness in witnesses {
        witness.assert_untouched(port).await;
    }
}

/// A payout that awaits approval may have been approved and sent since: it goes on awaiting approval, can be edited no
/// more, and is looked up once it is approved.
pub async fn what_awaits_approval_is_looked_up_once_it_is_approved(repository: Repository) {
    let port = &*repository.port;
    let person = |name: &str| Caller::named(name).with_api_key(build::fresh_api_key());
    let before = drive::store(port, build::held(1, &person("creator"))).await;
    let after = presumed(port, before.id()).await;
    let expected = before.clone().presume_claimed(after.parts().updated_at).unwrap();
    assert_eq!(after, expected);
    assert_eq!(
        (after.status(), after.parts().due_at),
        (Status::AwaitingApproval, None)
    );
    let event = drive::trail(port, before.id()).await.pop().unwrap();
    assert_eq!(
        (event.kind, event.status),
        (EventKind::Claimed, Status::AwaitingApproval)
    );
    assert_eq!(port.presume_claimed(10, &restorer()).await.unwrap(), 0);
    assert!(after.clone().edit(build::details(), build::client()).is_err());
    let approval = after.approve(person("approver")).unwrap();
    drive::apply(port, &approval).await;
    let claim = drive::claim_when_due(port, before.id(), build::LONG_LEASE).await;
    assert!(claim.looks_up_first() && claim.may_have_been_sent_before());
    assert_eq!(claim.as_approved(), Ok(()));
}

/// Repeated calls change each payout once, until there is nothing left to change.
pub async fn repeated_it_reaches_every_payout_once(repository: Repository) {
    let port = &*repository.port;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(drive::stored(port).await.id());
    }
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(port.presume_claimed(3, &restorer()).await.unwrap());
    }
    assert_eq!(counts, [3, 3, 1, 0]);
    for id in ids {
        assert_eq!(drive::found(port, id).await.fence(), 1);
    }
}
