//! Lost connections, unreachable servers, and callers that give up.

use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::payout::{Caller, NewPayout};
use payout_core::ports::{PayoutRepository, RepositoryError};
use sqlx::{PgPool, Postgres, Transaction};

use crate::database::Database;

fn is_unavailable<T>(result: &Result<T, RepositoryError>) -> bool {
    matches!(result, Err(RepositoryError::Unavailable(_)))
}

/// Terminates every connection but its own, as a restart of the server would.
async fn kill_all(pool: &PgPool) {
    let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(kill).execute(pool).await.unwrap();
}

/// Opens all connections that the repository may have.
async fn warm_up(repository: &PostgresRepository) {
    let reads: Vec<_> = (0..32)
        .map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move { repository.now().await })
        })
        .collect();
    for read in reads {
        read.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn reads_do_not_notice_that_every_connection_was_killed() {
    let (repository, database) = Database::migrated().await;
    let id = drive::store(&repository, build::new_payout()).await.id();
    let killer = database.pool().await;
    for _ in 0..3 {
        warm_up(&repository).await;
        kill_all(&killer).await;
        let reads: Vec<_> = (0..32)
            .map(|_| {
                let repository = repository.clone();
                tokio::spawn(async move { repository.find(id).await })
            })
            .collect();
        for read in reads {
            assert!(read.await.unwrap().unwrap().is_some());
        }
        drive::store(&repository, build::new_payout()).await;
    }
}

#[tokio::test]
async fn after_a_kill_at_most_one_write_for_each_one_under_way_fails() {
    let (repository, database) = Database::migrated().await;
    let killer = database.pool().await;
    warm_up(&repository).await;
    kill_all(&killer).await;
    // One after the other: the first write that meets a dead connection makes the repository test the others.
    let mut failed = 0;
    for _ in 0..20 {
        let result = repository.insert(&[build::new_payout()]).await;
        if is_unavailable(&result) {
            failed += 1;
        } else {
            result.unwrap();
        }
    }
    assert!(failed <= 1, "{failed} writes failed");
}

#[tokio::test]
async fn a_write_finds_a_connection_that_died_while_idle() {
    let (repository, database) = Database::migrated().await;
    let killer = database.pool().await;
    warm_up(&repository).await;
    kill_all(&killer).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    drive::store(&repository, build::new_payout()).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_no_error_until_it_is_needed() {
    let options = PostgresOptions {
        acquire_timeout: Duration::from_millis(300),
        ..PostgresOptions::default()
    };
    let repository =
        PostgresRepository::connect_lazy("postgres://postgres@127.0.0.1:1/none", &options).unwrap();
    assert!(is_unavailable(&repository.now().await));
    assert!(is_unavailable(&repository.schema_is_current().await));
    assert!(is_unavailable(&repository.migrate().await));
    assert!(is_unavailable(&repository.insert(&[build::new_payout()]).await));
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@{}/none", silent.local_addr().unwrap());
    let options = PostgresOptions {
        acquire_timeout: Duration::from_millis(300),
        ..PostgresOptions::default()
    };
    let repository = PostgresRepository::connect_lazy(&url, &options).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), repository.now()).await;
    assert!(is_unavailable(&answer.expect("an answer in time")));
}

#[tokio::test]
async fn the_url_is_not_quoted_when_it_is_refused() {
    let error = PostgresRepository::connect_lazy("postgres://user:secret@:bad/", &PostgresOptions::default());
    let error = error.unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)));
    assert!(!format!("{error:?}").contains("secret"));
}

/// Opens another session that is writing the idempotency key of this payout.
async fn hold_key(pool: &PgPool, new: &NewPayout) -> Transaction<'static, Postgres> {
    let mut holder = pool.begin().await.unwrap();
    let key = new.request.as_ref().unwrap().key.as_str();
    sqlx::query(
        "INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot)
        VALUES ($1, now(), gen_random_uuid(), decode(repeat('00', 32), 'hex'), '')",
    )
    .bind(key)
    .execute(&mut *holder)
    .await
    .unwrap();
    holder
}

#[tokio::test]
async fn a_statement_that_takes_too_long_may_be_repeated() {
    let (_, database) = Database::migrated().await;
    let options = PostgresOptions {
        statement_timeout: Duration::from_millis(200),
        ..PostgresOptions::default()
    };
    let repository = database.repository_with(&options);
    let new = [build::keyed(&build::fresh_key())];
    let holder = hold_key(&database.pool().await, &new[0]).await;
    let given_up = repository.insert(&new).await;
    assert!(
        matches!(given_up, Err(RepositoryError::Locked { .. })),
        "{given_up:?}"
    );
    holder.rollback().await.unwrap();
    repository.insert(&new).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_nothing_behind() {
    let (_, database) = Database::migrated().await;
    let options = PostgresOptions {
        max_connections: 1,
        ..PostgresOptions::default()
    };
    let repository = database.repository_with(&options);
    repository.now().await.unwrap();
    let pool = database.pool().await;
    let new = [build::keyed(&build::fresh_key())];
    let holder = hold_key(&pool, &new[0]).await;
    let given_up = tokio::time::timeout(Duration::from_millis(100), repository.insert(&new));
    assert!(given_up.await.is_err());
    // The only connection is free again at once, although the server still waits for the key.
    repository.now().await.unwrap();
    holder.rollback().await.unwrap();
    repository.insert(&new).await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(),
        0
    );
}

#[tokio::test]
async fn a_change_that_lost_its_row_to_a_lock_is_decided_once_the_lock_is_gone() {
    let (repository, database) = Database::migrated().await;
    let payout = drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    let mut holder = pool.begin().await.unwrap();
    let bump = sqlx::query("UPDATE payout_states SET version = version + 1 WHERE id = $1");
    bump.bind(payout.id().as_uuid())
        .execute(&mut *holder)
        .await
        .unwrap();
    let cancel = payout.cancel(Caller::named("client")).unwrap();
    let waiting = tokio::spawn({
        let repository = repository.clone();
        async move { repository.apply(&cancel, None).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    holder.commit().await.unwrap();
    assert!(matches!(
        waiting.await.unwrap(),
        Err(RepositoryError::VersionConflict)
    ));
}
