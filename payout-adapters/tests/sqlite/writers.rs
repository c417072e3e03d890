//! One writer at a time: writers that wait, writers that give up, and writers of another process.

use std::time::Duration;

use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::ports::{PayoutRepository, RepositoryError};

use crate::file::File;

#[tokio::test]
async fn commits_are_synced_to_a_log_that_readers_do_not_wait_for() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    let mut writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("DELETE FROM idempotency_keys")
        .execute(&mut *writer)
        .await
        .unwrap();
    let read = tokio::time::timeout(Duration::from_secs(2), repository.find(build::fresh_id()));
    assert_eq!(read.await.expect("no wait for the writer").unwrap(), None);
}

#[tokio::test]
async fn a_write_waits_for_another_process_and_then_may_be_repeated() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waiting = tokio::spawn({
        let repository = repository.clone();
        async move { drive::store(&repository, build::new_payout()).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    writer.rollback().await.unwrap();
    waiting.await.unwrap();

    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = repository.insert(&[build::new_payout()]).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Unavailable(_)), "{error:?}");
    writer.rollback().await.unwrap();
    drive::store(&repository, build::new_payout()).await;
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_made_whole() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let new = build::new_payout();
    let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let batch = [new.clone()];
    let given_up = tokio::time::timeout(Duration::from_millis(50), repository.insert(&batch));
    assert!(given_up.await.is_err());
    writer.rollback().await.unwrap();
    drive::eventually("the payout is there", async || {
        repository.find(new.id).await.unwrap()
    })
    .await;
    assert_eq!(drive::trail(&repository, new.id).await.len(), 1);
    drive::store(&repository, build::new_payout()).await;
}

/// Covers triggers: one that refuses leaves the transaction open; one that rolls back ends it without telling the
/// driver.
#[tokio::test]
async fn a_write_that_was_refused_half_way_holds_nobody_up() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON payout_details BEGIN SELECT RAISE({how}, 'no'); END"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))
            .execute(&pool)
            .await
            .unwrap();
        for _ in 0..2 {
            let refused = repository.insert(&[build::new_payout()]).await.unwrap_err();
            assert!(
                matches!(refused, RepositoryError::Refused(_)),
                "{how}: {refused:?}"
            );
        }
        sqlx::raw_sql("DROP TRIGGER refuse").execute(&pool).await.unwrap();
        let stored = drive::store(&repository, build::new_payout()).await;
        assert!(repository.find(stored.id()).await.unwrap().is_some(), "{how}");
    }
    let payouts: i64 = sqlx::query_scalar("SELECT count(*) FROM payouts")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(payouts, 3, "nothing of what was refused");
}
