//! Cases for rechecks of completed payments.

use std::time::Duration;

use super::{Routed, completed_of, provider};
use crate::attempt::{Recheck, RecheckFinding};
use crate::contract::{Pair, build, drive};
use crate::payout::{Actor, EventKind, Failure, Payout, Status};
use crate::provider::{DeclineCode, PaymentReturn};

type Repositories = Pair<dyn Routed>;

const LEASE: Duration = Duration::from_secs(60);

fn worker() -> Actor {
    Actor::new("rechecker")
}

fn found(payout: &Payout, finding: RecheckFinding) -> Recheck {
    Recheck {
        id: payout.id(),
        generation: payout.generation(),
        finding,
    }
}

fn came_back() -> PaymentReturn {
    PaymentReturn {
        reference: None,
        reason: Failure::new("R02", "Account closed").because(DeclineCode::AccountClosed),
        at: None,
        amount: Some("10.00".parse().unwrap()),
    }
}

/// Claims the rechecks of a provider once there are any.
async fn claim(port: &dyn Routed, name: &str) -> Vec<Payout> {
    drive::eventually("a recheck is due", async || {
        let claimed = port
            .claim_rechecks(Some(provider(name)), 10, LEASE)
            .await
            .unwrap();
        (!claimed.is_empty()).then_some(claimed)
    })
    .await
}

/// A completed payment is claimed for its recheck once it is due, by one worker for the duration of a lease.
pub async fn a_due_recheck_is_claimed_once_in_its_lease(Pair { port, peer }: Repositories) {
    let payout = completed_of(&*port, "one", Duration::ZERO).await;
    let claimed = claim(&*port, "one").await;
    assert_eq!(claimed.iter().map(Payout::id).collect::<Vec<_>>(), [payout.id()]);
    assert_eq!(claimed[0].version(), payout.version());
    let again = peer
        .claim_rechecks(Some(provider("one")), 10, LEASE)
        .await
        .unwrap();
    assert_eq!(again, []);
}

/// A recheck is claimed neither before its time nor for another provider, and not for payouts without one.
pub async fn a_recheck_waits_for_its_time_and_its_provider(Pair { port, .. }: Repositories) {
    completed_of(&*port, "one", Duration::from_secs(600)).await;
    completed_of(&*port, "two", Duration::ZERO).await;
    for name in [Some(provider("one")), Some(provider("other")), None] {
        assert_eq!(port.claim_rechecks(name, 10, LEASE).await.unwrap(), []);
    }
    assert_eq!(claim(&*port, "two").await.len(), 1);
}

/// A payment that stands is looked at again later, and nothing else of it changes.
pub async fn a_payment_that_stands_keeps_its_version_and_its_events(Pair { port, .. }: Repositories) {
    let before = completed_of(&*port, "one", Duration::ZERO).await;
    let events = drive::trail(&*port, before.id()).await;
    let claimed = claim(&*port, "one").await.remove(0);
    let again = RecheckFinding::Again { after: LEASE };
    assert_eq!(
        port.settle_rechecks(&[found(&claimed, again)], &worker())
            .await
            .unwrap(),
        [true]
    );
    let after = drive::found(&*port, before.id()).await;
    assert_eq!(
        (after.version(), after.status()),
        (before.version(), Status::Completed)
    );
    assert!(after.parts().recheck_at.is_some());
    assert_eq!(drive::trail(&*port, before.id()).await, events);

    let over = found(&claimed, RecheckFinding::Over);
    assert_eq!(port.settle_rechecks(&[over], &worker()).await.unwrap(), [true]);
    assert_eq!(drive::found(&*port, before.id()).await.parts().recheck_at, None);
}

/// A payment that came back is returned, with its reason, its event, and a version more.
pub async fn a_payment_that_came_back_is_returned(Pair { port, .. }: Repositories) {
    let before = completed_of(&*port, "one", Duration::ZERO).await;
    let claimed = claim(&*port, "one").await.remove(0);
    let returned = found(&claimed, RecheckFinding::Returned(came_back()));
    assert_eq!(
        port.settle_rechecks(std::slice::from_ref(&returned), &worker())
            .await
            .unwrap(),
        [true]
    );
    let after = drive::found(&*port, before.id()).await;
    assert_eq!(
        after,
        claimed.recheck(&returned, after.parts().updated_at).unwrap()
    );
    assert_eq!(
        after.parts().failure.as_ref().unwrap().reason(),
        Some(DeclineCode::AccountClosed)
    );
    let last = drive::trail(&*port, before.id()).await.pop().unwrap();
    assert_eq!((last.kind, last.status), (EventKind::Returned, Status::Returned));
    assert_eq!((last.actor, last.detail.as_deref()), (worker(), Some("R02")));
    // Written again, it changes nothing more.
    assert_eq!(
        port.settle_rechecks(&[returned], &worker()).await.unwrap(),
        [false]
    );
    assert_eq!(drive::found(&*port, before.id()).await, after);
}

/// A finding about an earlier generation changes nothing.
pub async fn a_finding_of_an_earlier_generation_changes_nothing(Pair { port, .. }: Repositories) {
    let completed = completed_of(&*port, "one", Duration::ZERO).await;
    let claimed = claim(&*port, "one").await.remove(0);
    let returned = found(&claimed, RecheckFinding::Returned(came_back()));
    port.settle_rechecks(std::slice::from_ref(&returned), &worker())
        .await
        .unwrap();
    let payout = drive::found(&*port, completed.id()).await;
    let now = port.now().await.unwrap();
    let retried = drive::apply(&*port, &payout.retry(now, build::client()).unwrap()).await;
    assert_eq!((retried.status(), retried.generation()), (Status::Pending, 1));
    assert_eq!(retried.parts().returned_at, None);
    assert_eq!(
        port.settle_rechecks(&[returned], &worker()).await.unwrap(),
        [false]
    );
    assert_eq!(drive::found(&*port, retried.id()).await, retried);
}

/// A person may record that a completed payment came back; it is not rechecked any more.
pub async fn a_person_marks_a_payment_as_returned(Pair { port, .. }: Repositories) {
    let completed = completed_of(&*port, "one", Duration::ZERO).await;
    let now = port.now().await.unwrap();
    let change = completed
        .mark_returned(now, build::operator("The bank says so."))
        .unwrap();
    let returned = drive::apply(&*port, &change).await;
    assert_eq!(returned.status(), Status::Returned);
    assert_eq!(
        port.claim_rechecks(Some(provider("one")), 10, LEASE)
            .await
            .unwrap(),
        []
    );
    let last = drive::trail(&*port, returned.id()).await.pop().unwrap();
    assert_eq!(last.detail.as_deref(), Some("The bank says so."));
}
