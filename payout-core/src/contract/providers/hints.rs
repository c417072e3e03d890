//! Cases for hints that a provider's notification gives.

use std::time::Duration;

use super::{Routed, completed_of, new_of, provider, sweep_of};
use crate::contract::{Pair, build, drive};
use crate::payout::{NewPayout, Payout, PayoutId};
use crate::provider::PaymentName;

type Repositories = Pair<dyn Routed>;

const LATER: Duration = Duration::from_secs(600);

/// Stores a payout that the provider has accepted and that is polled later.
async fn accepted_of(port: &dyn Routed, name: &str) -> Payout {
    drive::store(port, new_of(name)).await;
    let claim = port.claim(&sweep_of(name)).await.unwrap().won.remove(0);
    drive::settled(port, claim, build::accepted(&build::unique("ref"), LATER)).await
}

fn reference_of(payout: &Payout) -> PaymentName {
    PaymentName::Reference(payout.parts().provider_reference.clone().unwrap())
}

async fn hint(port: &dyn Routed, name: &str, payments: &[PaymentName]) -> Vec<PayoutId> {
    port.hint_payments(Some(provider(name)), payments).await.unwrap()
}

/// A notification brings the poll of an accepted payment forward, whatever name it uses.
pub async fn a_notification_brings_a_poll_forward(Pair { port, .. }: Repositories) {
    let payouts = [
        accepted_of(&*port, "one").await,
        accepted_of(&*port, "one").await,
        accepted_of(&*port, "one").await,
    ];
    let names = [
        reference_of(&payouts[0]),
        PaymentName::Payout(payouts[1].id()),
        PaymentName::Key(format!("{}:0", payouts[2].id())),
    ];
    let mut hinted = hint(&*port, "one", &names).await;
    hinted.sort_unstable();
    let mut ids: Vec<PayoutId> = payouts.iter().map(Payout::id).collect();
    ids.sort_unstable();
    assert_eq!(hinted, ids);
    assert_eq!(port.claim(&sweep_of("one")).await.unwrap().won.len(), 3);
    let now = drive::found(&*port, ids[0]).await;
    assert_eq!(now.parts().claims, 2, "only the time of the poll had changed");
}

/// A notification brings the recheck of a completed payment forward.
pub async fn a_notification_brings_a_recheck_forward(Pair { port, .. }: Repositories) {
    let payout = completed_of(&*port, "one", LATER).await;
    assert_eq!(hint(&*port, "one", &[reference_of(&payout)]).await, [payout.id()]);
    let lease = Duration::from_secs(60);
    let claimed = drive::eventually("the recheck is due", async || {
        let claimed = port
            .claim_rechecks(Some(provider("one")), 10, lease)
            .await
            .unwrap();
        (!claimed.is_empty()).then_some(claimed)
    })
    .await;
    assert_eq!(
        (claimed[0].id(), claimed[0].version()),
        (payout.id(), payout.version())
    );
}

/// A notification that names a payment by its key finds it also where the client sent an idempotency key: the key does
/// not begin with the payout's id then.
pub async fn a_notification_finds_a_payment_by_the_key_of_its_request(Pair { port, .. }: Repositories) {
    let requested = NewPayout {
        provider: Some(provider("one")),
        ..build::keyed(&build::fresh_key())
    };
    drive::store(&*port, requested).await;
    let claim = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    let key = claim.key();
    let payout = drive::settled(&*port, claim, build::accepted(&build::unique("ref"), LATER)).await;
    assert!(!key.as_str().starts_with(&payout.id().to_string()), "{key}");
    let names = [PaymentName::Key(key.as_str().to_owned())];
    assert_eq!(hint(&*port, "two", &names).await, []);
    assert_eq!(hint(&*port, "one", &names).await, [payout.id()]);
    let due = port.claim(&sweep_of("one")).await.unwrap().won.remove(0);
    assert_eq!(due.payout().id(), payout.id());
}

/// A payout that a worker holds is left to it: its lease does not end early.
pub async fn a_payout_that_a_worker_holds_is_left_to_it(Pair { port, .. }: Repositories) {
    let payout = accepted_of(&*port, "one").await;
    hint(&*port, "one", &[reference_of(&payout)]).await;
    let held = port.claim(&sweep_of("one")).await.unwrap().won;
    assert_eq!(held.len(), 1);
    let names = [reference_of(&payout), PaymentName::Payout(payout.id())];
    assert_eq!(hint(&*port, "one", &names).await, []);
    assert_eq!(port.claim(&sweep_of("one")).await.unwrap().won, []);
}

/// A name of another provider, of a payout that was never sent, or of none, changes nothing.
pub async fn a_name_that_matches_nothing_changes_nothing(Pair { port, .. }: Repositories) {
    let accepted = accepted_of(&*port, "one").await;
    let names = [reference_of(&accepted), PaymentName::Payout(accepted.id())];
    assert_eq!(hint(&*port, "two", &names).await, []);
    assert_eq!(port.hint_payments(None, &names).await.unwrap(), []);
    let pending = drive::store(&*port, new_of("one")).await;
    let unknown = [
        PaymentName::Payout(pending.id()),
        PaymentName::Payout(build::fresh_id()),
        PaymentName::Key("not a key".to_owned()),
        PaymentName::Reference(build::reference("never seen")),
    ];
    assert_eq!(hint(&*port, "one", &unknown).await, []);
    assert_eq!(drive::found(&*port, pending.id()).await, pending);
    assert_eq!(drive::found(&*port, accepted.id()).await, accepted);
}
