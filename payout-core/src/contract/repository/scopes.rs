//! Cases for the scopes of idempotency records and for the prefix of the provider's keys.

use std::time::Duration;

use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::payout::{NewPayout, ProviderKey};
use crate::ports::{Insertion, PayoutRepository, RepositoryError};

type Repository = Pair<dyn PayoutRepository>;

/// Makes two forms of a key: without an API key, and in the scope of one.
fn both(key: &IdempotencyKey) -> [ScopedKey; 2] {
    [None, Some(build::fresh_api_key())].map(|owner| ScopedKey::new(owner, key))
}

fn is_stored(answers: &[Insertion]) -> Vec<bool> {
    answers
        .iter()
        .map(|answer| matches!(answer, Insertion::Stored(_)))
        .collect()
}

/// A record without an API key, from before the first API key was made, answers every API key: the payout is not made
/// again, with or without a daily limit.
pub async fn a_record_of_no_api_key_answers_every_one(Pair { port, .. }: Repository) {
    let key = build::fresh_client_key();
    let [open, scoped] = both(&key);
    let first = drive::store(&*port, build::keyed(&open)).await;
    let other = build::new_payout();
    let answers = port.insert(&[build::keyed(&scoped), other]).await.unwrap();
    assert_eq!(is_stored(&answers), [false, true]);
    let api_key = build::fresh_api_key();
    let charged = build::charged("1", "USD", "100", api_key);
    let charged = build::under(&ScopedKey::new(Some(api_key), &key), charged);
    assert_eq!(port.insert(&[charged]).await.unwrap(), [Insertion::KeyTaken]);
    for key in [&open, &scoped] {
        let answer = port.find_answer(key).await.unwrap().expect("an answer");
        assert_eq!(answer.payout, first);
    }
    let longer = IdempotencyKey::new(&format!("{}x", key.as_str())).unwrap();
    let another = ScopedKey::new(Some(build::fresh_api_key()), &longer);
    assert_eq!(port.find_answer(&another).await.unwrap(), None);
    drive::store(&*port, build::keyed(&another)).await;
}

/// A record without an API key also blocks a change under that key.
pub async fn a_record_of_no_api_key_stands_in_the_way_of_a_change(Pair { port, .. }: Repository) {
    let [open, scoped] = both(&build::fresh_client_key());
    let first = drive::store(&*port, build::keyed(&open)).await;
    let failed = drive::declined(&*port).await;
    let retry = failed.retry(port.now().await.unwrap(), build::client()).unwrap();
    let request = IdempotentRequest {
        key: scoped.clone(),
        fingerprint: Fingerprint::from([7; 32]),
    };
    let refused = port.apply(&retry, Some(&request)).await;
    assert!(matches!(refused, Err(RepositoryError::KeyTaken)), "{refused:?}");
    let answer = port.find_answer(&scoped).await.unwrap().expect("an answer");
    assert_eq!(answer.payout, first);
}

/// If a batch has a key in both forms, the form without an API key takes the key for those after it.
pub async fn of_both_forms_of_a_key_in_a_batch_the_first_is_stored(Pair { port, .. }: Repository) {
    let keys = both(&build::fresh_client_key());
    let batch: Vec<NewPayout> = keys.iter().map(build::keyed).collect();
    let answers = port.insert(&batch).await.unwrap();
    assert_eq!(is_stored(&answers), [true, false]);
    let [charged, scoped] = [build::fresh_api_key(), build::fresh_api_key()];
    let key = build::fresh_client_key();
    let batch = [
        build::under(
            &ScopedKey::new(None, &key),
            build::charged("1", "USD", "100", charged),
        ),
        build::keyed(&ScopedKey::new(Some(scoped), &key)),
        build::keyed(&build::fresh_key()),
    ];
    let answers = port.insert(&batch).await.unwrap();
    assert_eq!(is_stored(&answers), [true, false, true]);
}

/// An answer in the key's own scope takes precedence over one without a scope.
pub async fn ones_own_answer_comes_first(Pair { port, .. }: Repository) {
    let [open, scoped] = both(&build::fresh_client_key());
    let own = drive::store(&*port, build::keyed(&scoped)).await;
    let everybodys = drive::store(&*port, build::keyed(&open)).await;
    let found = port.find_answer(&scoped).await.unwrap().expect("an answer");
    assert_eq!(found.payout, own);
    let found = port.find_answer(&open).await.unwrap().expect("an answer");
    assert_eq!(found.payout, everybodys);
}

/// The provider's keys of a payout with an idempotency key derive from its request, and never change. Those of a payout
/// without one begin with its id.
pub async fn the_providers_key_is_that_of_the_request(Pair { port, .. }: Repository) {
    let new = build::keyed(&build::fresh_key());
    let expected = new.request.as_ref().map(ProviderKey::of);
    let stored = drive::store(&*port, new).await;
    assert_eq!(stored.parts().provider_key, expected);
    let mut edit = stored.details().clone();
    edit.money = build::money("99", "USD");
    let edited = drive::apply(&*port, &stored.edit(edit, build::client()).unwrap()).await;
    assert_eq!(edited.parts().provider_key, expected, "an edit keeps it");
    let claim = drive::claim_when_due(&*port, edited.id(), LONG_LEASE).await;
    assert_eq!(
        claim.key().as_str(),
        format!("{}:0", expected.expect("it has a key"))
    );
    let failed = drive::settled(&*port, claim, build::failed()).await;
    let retry = failed.retry(port.now().await.unwrap(), build::client()).unwrap();
    let retried = drive::apply(&*port, &retry).await;
    let claim = drive::claim_when_due(&*port, retried.id(), LONG_LEASE).await;
    assert_eq!(
        claim.key().as_str(),
        format!("{}:1", expected.expect("it has a key"))
    );

    let plain = drive::stored(&*port).await;
    assert_eq!(plain.parts().provider_key, None);
    let claim = drive::claim_when_due(&*port, plain.id(), LONG_LEASE).await;
    assert_eq!(claim.key().as_str(), format!("{}:0", plain.id()));
}

/// A request that is repeated after its record was deleted is another payment, also for the provider: its keys begin
/// with the payout's id, whatever became of the first.
pub async fn what_is_asked_for_again_after_its_record_was_forgotten_is_another_payment(
    Pair { port, .. }: Repository,
) {
    const AGE: Duration = Duration::from_millis(50);
    let (key, other) = (build::fresh_key(), build::fresh_key());
    let new = build::keyed(&key);
    let again = || NewPayout {
        id: build::fresh_id(),
        ..new.clone()
    };
    let first = drive::store(&*port, new.clone()).await;
    assert_eq!(first.parts().provider_key, new.provider_key());
    drive::apply(&*port, &first.delete(build::client()).unwrap()).await;
    for time in ["second", "third"] {
        tokio::time::sleep(AGE * 2).await;
        assert_eq!(
            port.forget_answers(AGE, 100).await.unwrap(),
            if time == "second" { 1 } else { 2 }
        );
        let beside = build::keyed(&other);
        let answers = port.insert(&[again(), beside.clone()]).await.unwrap();
        let [Insertion::Stored(again), Insertion::Stored(beside_it)] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(again.parts().provider_key, None, "the {time} time");
        assert_eq!(drive::found(&*port, again.id()).await, *again);
        assert_eq!(beside_it.parts().provider_key, beside.provider_key());
    }
    let mut changed = again();
    changed.details.money = build::money("11.50", "USD");
    let changed = build::under(&build::fresh_key(), changed);
    let stored = drive::store(&*port, changed.clone()).await;
    assert_eq!(stored.parts().provider_key, changed.provider_key());
}
