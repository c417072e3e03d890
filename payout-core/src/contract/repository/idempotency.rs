//! Cases for idempotency: a key has one answer, which is replayed.

use std::sync::Arc;
use std::time::Duration;

use crate::access::ApiKeyId;
use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::payout::Resolution;
use crate::ports::{Filter, Insertion, PayoutRepository, RepositoryError};

type Repository = Pair<dyn PayoutRepository>;

/// Of two payouts with one key in a batch the first is stored, and so are the others of the batch.
pub async fn the_same_key_twice_in_a_batch_is_won_by_the_first(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let batch = [
        build::new_payout(),
        build::keyed(&key),
        build::keyed(&key),
        build::new_payout(),
    ];
    let answers = port.insert(&batch).await.unwrap();
    let stored: Vec<bool> = answers
        .iter()
        .map(|answer| matches!(answer, Insertion::Stored(_)))
        .collect();
    assert_eq!(stored, [true, true, false, true]);
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout.id(), batch[1].id);
    assert_eq!(port.find(batch[2].id).await.unwrap(), None);
}

/// A payout whose key has a record is not written, not even in part. The record of the first payout stays.
pub async fn a_payout_under_a_taken_key_is_not_written(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let first = drive::store(&*port, build::keyed(&key)).await;
    let record = port.find_answer(&key).await.unwrap();
    let second = build::keyed(&key);
    assert_eq!(
        port.insert(std::slice::from_ref(&second)).await.unwrap(),
        [Insertion::KeyTaken]
    );
    assert_eq!(port.find(second.id).await.unwrap(), None);
    assert!(!drive::has_trail(&*port, second.id).await);
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 1);
    assert_eq!(port.find_answer(&key).await.unwrap(), record);
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(10, LONG_LEASE)).await,
        [first.id()]
    );
}

/// If sixty-four callers use one key, one payout is stored, and every other caller learns that the key is taken.
pub async fn sixty_four_callers_racing_for_a_key_store_one_payout(Pair { port, peer }: Repository) {
    let key = build::fresh_key();
    let racers = (0..64).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let new = build::keyed(&key);
        async move { repository.insert(&[new]).await.unwrap().remove(0) }
    });
    let mut winners = Vec::new();
    for answer in drive::race(racers).await {
        if let Insertion::Stored(payout) = answer {
            winners.push(payout);
        }
    }
    let [winner] = &winners[..] else {
        panic!("{} callers won one key", winners.len())
    };
    assert_eq!(port.find_answer(&key).await.unwrap().unwrap().payout, *winner);
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 1);
}

/// The answer of a key is the payout as first returned: it shows no later edit, settlement or deletion.
pub async fn an_answer_is_replayed_as_it_was_given(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let new = build::keyed(&key);
    let first = drive::store(&*port, new.clone()).await;
    let assert_replayed = async |when: &str| {
        let answer = port
            .find_answer(&key)
            .await
            .unwrap()
            .expect("the key has an answer");
        assert_eq!(answer.payout, first, "{when}");
        assert_eq!(answer.fingerprint, new.request.as_ref().unwrap().fingerprint);
    };
    assert_replayed("at once").await;

    let mut edit = first.details().clone();
    edit.money = build::money("99", "JPY");
    drive::apply(&*port, &first.clone().edit(edit, build::client()).unwrap()).await;
    assert_replayed("after an edit").await;

    let claim = drive::claim_when_due(&*port, first.id(), LONG_LEASE).await;
    assert_replayed("after a claim").await;
    let under_review = drive::settled(&*port, claim, build::review()).await;
    let resolved = under_review
        .resolve(Resolution::Completed, build::operator("seen at the bank"))
        .unwrap();
    let completed = drive::apply(&*port, &resolved).await;
    assert_replayed("after it was completed").await;
    drive::apply(&*port, &build::deletion(&completed)).await;
    assert_replayed("after its deletion").await;
    assert_eq!(port.find_answer(&build::fresh_key()).await.unwrap(), None);
}

/// A change with a key keeps its answer, even after the payout has changed again.
pub async fn a_change_with_a_key_stores_its_own_answer(Pair { port, .. }: Repository) {
    let (key, fingerprint) = (build::fresh_key(), Fingerprint::from([7; 32]));
    let failed = drive::declined(&*port).await;
    let now = port.now().await.unwrap();
    let retry = failed.retry(now, build::operator("funds arrived")).unwrap();
    let request = IdempotentRequest {
        key: key.clone(),
        fingerprint,
    };
    let retried = port.apply(&retry, Some(&request)).await.unwrap();
    assert_eq!(retried.generation(), 1);

    let claim = drive::claim_when_due(&*port, retried.id(), LONG_LEASE).await;
    drive::settled(&*port, claim, build::completed("ref-2")).await;
    let answer = port
        .find_answer(&key)
        .await
        .unwrap()
        .expect("the key has an answer");
    assert_eq!((answer.payout, answer.fingerprint), (retried, fingerprint));
}

/// A key that a create has used is taken for changes as well: the change writes nothing.
pub async fn a_change_under_a_taken_key_changes_nothing(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    drive::store(&*port, build::keyed(&key)).await;
    let record = port.find_answer(&key).await.unwrap();
    let other = drive::declined(&*port).await;
    let witness = drive::Witness::of(&*port, other.id()).await;
    let retry = other.retry(port.now().await.unwrap(), build::client()).unwrap();
    let request = IdempotentRequest {
        key: key.clone(),
        fingerprint: Fingerprint::from([7; 32]),
    };
    let refused = port.apply(&retry, Some(&request)).await;
    assert!(matches!(refused, Err(RepositoryError::KeyTaken)), "{refused:?}");
    witness.assert_untouched(&*port).await;
    assert_eq!(port.find_answer(&key).await.unwrap(), record);
}

/// Only records of the given age are deleted, and at most as many as requested. The key is free again, and its payout
/// stays.
pub async fn answers_are_forgotten_by_age(Pair { port, .. }: Repository) {
    const AGE: Duration = Duration::from_millis(200);
    let keys: Vec<_> = (0..5).map(|_| build::fresh_key()).collect();
    for key in &keys {
        drive::store(&*port, build::keyed(key)).await;
    }
    assert_eq!(
        port.forget_answers(Duration::from_secs(3600), 100).await.unwrap(),
        0
    );
    tokio::time::sleep(AGE * 2).await;
    let young = build::fresh_key();
    drive::store(&*port, build::keyed(&young)).await;
    assert_eq!(
        port.forget_answers(AGE, 2).await.unwrap(),
        2,
        "no more than asked"
    );
    assert_eq!(port.forget_answers(AGE, 100).await.unwrap(), 3);
    for key in &keys {
        assert_eq!(port.find_answer(key).await.unwrap(), None);
    }
    assert!(
        port.find_answer(&young).await.unwrap().is_some(),
        "a record was forgotten before its age"
    );
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 6);
    drive::store(&*port, build::keyed(&keys[0])).await;
}

/// An idempotency key, of the largest length, that two API keys use makes two payouts with two answers.
pub async fn one_key_of_two_api_keys_is_two(Pair { port, .. }: Repository) {
    let key = IdempotencyKey::new(&"k".repeat(255)).unwrap();
    let owner = || Some(ApiKeyId::from(build::fresh_id().as_uuid()));
    for owner in [owner(), owner()] {
        let key = ScopedKey::new(owner, &key);
        assert_eq!(port.find_answer(&key).await.unwrap(), None);
        let payout = drive::store(&*port, build::keyed(&key)).await;
        let answer = port.find_answer(&key).await.unwrap().unwrap();
        assert_eq!(answer.payout, payout);
        let again = port.insert(&[build::keyed(&key)]).await.unwrap();
        assert_eq!(again, [Insertion::KeyTaken]);
    }
}
