//! Cases for the search by a reference of others.

use crate::contract::{Pair, build, drive};
use crate::payout::PayoutId;
use crate::ports::PayoutRepository;

type Repository = Pair<dyn PayoutRepository>;

/// A payout is found by its provider's reference and key, and by the id of each request that wrote it; another text
/// finds nothing.
pub async fn a_payout_is_found_by_what_others_call_it(Pair { port, .. }: Repository) {
    let reference = build::unique("po");
    let key = build::fresh_key();
    let new = build::keyed(&key);
    let (created_in, provider_key) = (
        new.caller.request_id.clone().unwrap(),
        new.provider_key().unwrap(),
    );
    let stored = drive::store(&*port, new).await;
    drive::stored(&*port).await;
    let claim = drive::claim_when_due(&*port, stored.id(), build::LONG_LEASE).await;
    let failed = drive::settled(&*port, claim, build::accepted(&reference, build::LONG_LEASE)).await;
    assert_eq!(failed.id(), stored.id());
    let found = async |text: &str| port.find_by_reference(text, 10).await.unwrap();
    for text in [&reference, &created_in, &provider_key.to_string()] {
        assert_eq!(found(text).await, [stored.id()], "{text}");
    }
    for text in [
        "",
        "%",
        &reference[1..],
        &PayoutId::from(uuid::Uuid::nil()).to_string(),
    ] {
        assert_eq!(found(text).await, [], "{text:?}");
    }
}

/// A request that changed a payout leads to it, a request that wrote several leads to as many as are asked for, and
/// nothing leads to a deleted payout.
pub async fn requests_lead_to_what_they_wrote_until_it_is_deleted(Pair { port, .. }: Repository) {
    let caller = build::client();
    let request = caller.request_id.clone().unwrap();
    let [first, second] = [(), ()].map(|()| crate::payout::NewPayout {
        caller: caller.clone(),
        ..build::new_payout()
    });
    let first = drive::store(&*port, first).await;
    let second = drive::store(&*port, second).await;
    let mut found = port.find_by_reference(&request, 10).await.unwrap();
    found.sort();
    let mut both = [first.id(), second.id()];
    both.sort();
    assert_eq!(found, both);
    assert_eq!(port.find_by_reference(&request, 1).await.unwrap().len(), 1);

    let operator = build::operator("not needed");
    let cancel = operator.request_id.clone().unwrap();
    let cancelled = drive::apply(&*port, &first.cancel(operator).unwrap()).await;
    assert_eq!(
        port.find_by_reference(&cancel, 10).await.unwrap(),
        [cancelled.id()]
    );

    drive::apply(&*port, &build::deletion(&cancelled)).await;
    assert_eq!(port.find_by_reference(&cancel, 10).await.unwrap(), []);
    assert_eq!(port.find_by_reference(&request, 10).await.unwrap(), [second.id()]);
}
