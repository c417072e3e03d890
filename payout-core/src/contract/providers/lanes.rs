//! Cases for claims by provider, and for the ways from one provider or generation to the next.

use std::time::Duration;

use super::{Routed, new_of, provider, sweep_of};
use crate::attempt::Verdict;
use crate::contract::{Pair, build, drive};
use crate::payout::{Actor, EventKind, PayoutId, Status};
use crate::ports::{ClaimRequest, Claims};
use crate::provider::WaitReason;

type Repositories = Pair<dyn Routed>;

fn ids(claims: &Claims) -> Vec<PayoutId> {
    claims.won.iter().map(|claim| claim.payout().id()).collect()
}

/// A claim takes the payouts of its provider alone, by sweep and by id.
pub async fn a_claim_takes_the_payouts_of_its_provider_alone(Pair { port, .. }: Repositories) {
    let one = drive::store(&*port, new_of("one")).await.id();
    let two = drive::store(&*port, new_of("two")).await.id();
    let none = drive::stored(&*port).await.id();
    let by_id = ClaimRequest {
        only: Some(vec![one, two, none]),
        ..sweep_of("two")
    };
    assert_eq!(ids(&port.claim(&by_id).await.unwrap()), [two]);
    assert_eq!(ids(&port.claim(&sweep_of("three")).await.unwrap()), []);
    assert_eq!(ids(&port.claim(&sweep_of("one")).await.unwrap()), [one]);
    let rest = build::sweep(10, build::LONG_LEASE);
    assert_eq!(ids(&port.claim(&rest).await.unwrap()), [none]);
}

/// A claim of unsent payouts leaves those of which something may have been sent.
pub async fn an_unsent_claim_leaves_what_may_have_been_sent(Pair { port, .. }: Repositories) {
    let sent = drive::store(&*port, new_of("one")).await.id();
    let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    drive::settled(&*port, claim, build::postponed(Duration::ZERO)).await;
    let fresh = drive::store(&*port, new_of("one")).await.id();
    let unsent = ClaimRequest {
        unsent_only: true,
        ..sweep_of("one")
    };
    assert_eq!(ids(&port.claim(&unsent).await.unwrap()), [fresh]);
    assert_eq!(ids(&port.claim(&sweep_of("one")).await.unwrap()), [sent]);
}

/// A payout of which nothing was sent is handed to another provider.
pub async fn a_release_hands_the_payout_to_another_provider(Pair { port, .. }: Repositories) {
    let id = drive::store(&*port, new_of("one")).await.id();
    let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    let moved = Verdict::Released {
        why: "nothing was sent: connection refused".to_owned(),
        after: Duration::ZERO,
        waiting_for: None,
        provider: Some(provider("two")),
    };
    let released = drive::settled(&*port, claim, moved).await;
    assert_eq!(released.parts().provider, Some(provider("two")));
    assert_eq!(ids(&port.claim(&sweep_of("one")).await.unwrap()), []);
    assert_eq!(ids(&port.claim(&sweep_of("two")).await.unwrap()), [id]);
}

/// A refusal that has spent the key begins a new generation, under the guard of the claim's version.
pub async fn a_spent_key_begins_a_new_generation(Pair { port, .. }: Repositories) {
    let id = drive::store(&*port, new_of("one")).await.id();
    let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    let change = claim.renew(
        "no funds",
        Duration::ZERO,
        WaitReason::Funds,
        &Actor::new("worker-1"),
    );
    let renewed = drive::apply(&*port, &change).await;
    let parts = renewed.parts();
    assert_eq!(
        (renewed.status(), renewed.generation(), parts.claims),
        (Status::Pending, 1, 0)
    );
    assert_eq!(
        (parts.waiting_for, parts.first_submitted_at),
        (Some(WaitReason::Funds), None)
    );
    let last = drive::trail(&*port, id).await.pop().unwrap();
    assert_eq!(
        (last.kind, last.detail.as_deref()),
        (EventKind::KeySpent, Some("no funds"))
    );
    // Written again, or by a worker that has lost its lease, it changes nothing.
    assert!(port.apply(&change, None).await.is_err());
    assert_eq!(drive::found(&*port, id).await, renewed);
    let next = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    assert_eq!(next.key().as_str(), format!("{id}:1"));
}

/// A payout knows since when it has waited for a reason, however often it was tried; and no more once it goes on.
pub async fn a_wait_is_remembered_since_its_beginning(Pair { port, .. }: Repositories) {
    let waits = |reason| Verdict::Postponed {
        why: "not now".to_owned(),
        after: Duration::ZERO,
        uses_attempt: false,
        waiting_for: Some(reason),
    };
    drive::store(&*port, new_of("one")).await;
    let mut since = Vec::new();
    for reason in [WaitReason::Funds, WaitReason::Funds, WaitReason::ProviderLimit] {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
        let settled = drive::settled(&*port, claim, waits(reason)).await;
        assert_eq!(settled.parts().waiting_for, Some(reason));
        since.push(settled.parts().waiting_since.unwrap());
    }
    assert!(since[0] == since[1] && since[1] < since[2], "{since:?}");
    let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    let completed = drive::settled(&*port, claim, build::completed("ref")).await;
    assert_eq!(
        (completed.parts().waiting_for, completed.parts().waiting_since),
        (None, None)
    );
    assert_eq!(completed.parts().completed_at, Some(completed.parts().updated_at));
}
