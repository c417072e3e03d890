//! The first API key, and idempotency records written without an API key.

use std::time::Duration;

use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::idempotency::{Fingerprint, IdempotentRequest, ScopedKey};
use payout_core::ports::{ApiKeyRepository, Insertion, PayoutRepository, RepositoryError};

use crate::database::Database;

#[tokio::test]
async fn once_there_is_an_api_key_nothing_is_recorded_without_one() {
    let (repository, _database) = Database::migrated().await;
    let failed = drive::declined(&repository).await;
    let owner = ApiKeyRepository::insert(&repository, &build::new_key("till"))
        .await
        .unwrap();
    let (key, other) = (build::fresh_key(), build::fresh_key());
    let charged = build::under(&other, build::charged("1", "USD", "100", owner.id));
    // The last payout exceeds the daily limit, so that the batch is decided again for as long as it might still fit.
    let beyond = build::charged("101", "USD", "100", owner.id);
    for batch in [
        vec![build::keyed(&key), build::new_payout()],
        vec![charged, build::new_payout(), beyond],
    ] {
        let answers = PayoutRepository::insert(&repository, &batch).await.unwrap();
        assert_eq!(answers[0], Insertion::KeyTaken);
        assert!(matches!(answers[1], Insertion::Stored(_)));
    }
    let retry = failed
        .retry(repository.now().await.unwrap(), build::client())
        .unwrap();
    let request = IdempotentRequest {
        key: build::fresh_key(),
        fingerprint: Fingerprint::from([7; 32]),
    };
    let refused = repository.apply(&retry, Some(&request)).await;
    assert!(matches!(refused, Err(RepositoryError::KeyTaken)), "{refused:?}");
    let scoped = ScopedKey::new(Some(owner.id), &build::fresh_client_key());
    drive::store(&repository, build::keyed(&scoped)).await;
    let scoped = ScopedKey::new(Some(owner.id), &build::fresh_client_key());
    let charged = build::charged("1", "USD", "100", owner.id);
    drive::store(&repository, build::under(&scoped, charged)).await;
}

#[tokio::test]
async fn the_first_api_key_waits_for_what_is_being_recorded() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let mut recording = pool.begin().await.unwrap();
    sqlx::query("DELETE FROM idempotency_keys")
        .execute(&mut *recording)
        .await
        .unwrap();
    let new = build::new_key("shop");
    let mut made = tokio::spawn(async move { ApiKeyRepository::insert(&repository, &new).await });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut made).await;
    assert!(early.is_err(), "it came before what was being recorded");
    recording.commit().await.unwrap();
    made.await.unwrap().unwrap();
}
