//! Rows that another session locks for as long as it likes, such as psql with an open transaction.

use std::time::Duration;

use payout_core::attempt::Settlement;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::payout::Status;
use payout_core::ports::{Insertion, LockedPart, PayoutRepository, RepositoryError, Settled};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::Database;

/// The time limit for a call that must not wait for any lock.
const AT_ONCE: Duration = Duration::from_millis(400);
/// The time limit for a call that waits for a lock and then gives up.
const SOON: Duration = Duration::from_secs(2);

async fn holding(pool: &PgPool, id: Uuid) -> Transaction<'static, Postgres> {
    let mut session = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM payout_states WHERE id = $1 FOR UPDATE")
        .bind(id)
        .execute(&mut *session)
        .await
        .unwrap();
    session
}

fn is_locked<T>(result: &Result<T, RepositoryError>, by: LockedPart) -> bool {
    matches!(result, Err(RepositoryError::Locked { part, .. }) if *part == by)
}

#[tokio::test]
async fn a_locked_payout_holds_up_no_settlement_of_another() {
    let (repository, database) = Database::migrated().await;
    let mut settlements: Vec<Settlement> = Vec::new();
    for n in 0..5 {
        let claim = drive::claimed(&repository).await;
        settlements.push(claim.settle(build::completed(&format!("ref-{n}"))));
    }
    let session = holding(&database.pool().await, settlements[1].id.as_uuid()).await;
    let settled = timeout(AT_ONCE, repository.settle(&settlements)).await;
    let settled = settled.expect("it waits for nobody").unwrap();
    for (n, answer) in settled.iter().enumerate() {
        let expected = if n == 1 { Settled::Locked } else { Settled::Applied };
        assert_eq!(*answer, expected, "{n}");
        let status = drive::found(&repository, settlements[n].id).await.status();
        assert_eq!(status == Status::Completed, n != 1);
    }
    session.rollback().await.unwrap();
    assert_eq!(
        repository.settle(&settlements[1..2]).await.unwrap(),
        [Settled::Applied]
    );
    assert_eq!(drive::trail(&repository, settlements[1].id).await.len(), 3);
}

#[tokio::test]
async fn a_payout_that_was_never_stored_is_refused_beside_those_that_are_settled() {
    let (repository, _database) = Database::migrated().await;
    let known = drive::claimed(&repository)
        .await
        .settle(build::completed("ref-1"));
    let unknown = Settlement {
        id: build::fresh_id(),
        ..known.clone()
    };
    let refused = repository.settle(&[unknown, known.clone()]).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
    // The settlement that was written beside the refused one is recognised as a repetition.
    assert_eq!(repository.settle(&[known]).await.unwrap(), [Settled::Applied]);
}

#[tokio::test]
async fn a_locked_payout_holds_up_no_claim_and_a_change_of_it_gives_up_soon() {
    let (repository, database) = Database::migrated().await;
    let (held, free) = (drive::stored(&repository).await, drive::stored(&repository).await);
    let session = holding(&database.pool().await, held.id().as_uuid()).await;
    let change = held.cancel(build::client()).unwrap();
    let changed = timeout(SOON, repository.apply(&change, None)).await;
    assert!(is_locked(&changed.expect("it gives up"), LockedPart::Row));
    let claims = timeout(AT_ONCE, repository.claim(&build::sweep(10, LONG_LEASE))).await;
    let claims = claims.expect("it waits for nobody").unwrap();
    assert_eq!(claims.won.len(), 1);
    assert_eq!(claims.won[0].payout().id(), free.id());
    session.rollback().await.unwrap();
    drive::apply(&repository, &change).await;
}

#[tokio::test]
async fn a_change_waits_for_a_lock_that_is_soon_over() {
    let (repository, database) = Database::migrated().await;
    let payout = drive::stored(&repository).await;
    let session = holding(&database.pool().await, payout.id().as_uuid()).await;
    let change = payout.cancel(build::client()).unwrap();
    let changing = tokio::spawn({
        let repository = repository.clone();
        async move { repository.apply(&change, None).await }
    });
    tokio::time::sleep(Duration::from_millis(60)).await;
    session.rollback().await.unwrap();
    assert_eq!(changing.await.unwrap().unwrap().status(), Status::Cancelled);
}

#[tokio::test]
async fn a_key_that_another_session_is_writing_is_given_up_soon_and_nothing_is_written() {
    let (repository, database) = Database::migrated().await;
    let new = build::keyed(&build::fresh_key());
    let key = new.request.as_ref().unwrap().key.as_str().to_owned();
    let mut session = database.pool().await.begin().await.unwrap();
    write_key(&mut session, &key).await;
    let batch = [new.clone(), build::new_payout()];
    let inserted = timeout(SOON, repository.insert(&batch)).await;
    assert!(is_locked(&inserted.expect("it gives up"), LockedPart::Row));
    for new in &batch {
        assert_eq!(repository.find(new.id).await.unwrap(), None);
    }
    session.rollback().await.unwrap();
    let inserted = repository.insert(&batch).await.unwrap();
    assert!(inserted.iter().all(|one| matches!(one, Insertion::Stored(_))));
}

async fn write_key(session: &mut PgConnection, key: &str) {
    sqlx::query(
        "INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot)
        VALUES ($1, now(), gen_random_uuid(), decode(repeat('00', 32), 'hex'), '')",
    )
    .bind(key)
    .execute(session)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_total_that_another_session_holds_is_given_up_soon_and_said_to_be_one() {
    let (repository, database) = Database::migrated().await;
    let api_key = build::fresh_api_key();
    let charged = || build::charged("1", "USD", "1000", api_key);
    repository.insert(&[charged()]).await.unwrap();
    let mut session = database.pool().await.begin().await.unwrap();
    sqlx::query("SELECT FROM daily_totals FOR UPDATE")
        .execute(&mut *session)
        .await
        .unwrap();
    let inserted = timeout(SOON, repository.insert(&[charged()])).await;
    assert!(is_locked(&inserted.expect("it gives up"), LockedPart::DailyTotal));
    let uncharged = timeout(AT_ONCE, repository.insert(&[build::new_payout()])).await;
    uncharged.expect("it waits for nobody").unwrap();
    session.rollback().await.unwrap();
    repository.insert(&[charged()]).await.unwrap();
}
