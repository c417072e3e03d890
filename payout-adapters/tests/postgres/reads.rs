//! Costly reads: they are bounded, and payments never wait for them.

use std::time::Duration;

use payout_adapters::ReadLimits;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::payout::PayoutId;
use payout_core::ports::{ApiKeyRepository, Deleted, EventQuery, Filter, PayoutRepository, RepositoryError};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::database::Database;

const QUERY: EventQuery = EventQuery {
    after: None,
    limit: 10,
    deleted: Deleted::Without,
};

/// Opens another session that blocks reads of events, and no other reads.
async fn blocking_trails(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut session = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE payout_events IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *session)
        .await
        .unwrap();
    session
}

fn read_trails(repository: &PostgresRepository, id: PayoutId, times: usize) -> Vec<JoinHandle<bool>> {
    (0..times)
        .map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move {
                matches!(
                    repository.events(id, QUERY).await,
                    Err(RepositoryError::Overloaded(_))
                )
            })
        })
        .collect()
}

#[tokio::test]
async fn what_pays_waits_for_no_costly_read_and_the_thirty_third_is_refused() {
    let (repository, database) = Database::migrated().await;
    let id = drive::store(&repository, build::new_payout()).await.id();
    // One connection for everything but costly reads: if costly reads used it too, nothing else could proceed.
    let repository = database.repository_with(&PostgresOptions {
        max_connections: 1,
        ..PostgresOptions::default()
    });
    repository.now().await.unwrap();
    repository.events(id, QUERY).await.unwrap();
    let session = blocking_trails(&database.pool().await).await;
    let mut reads = read_trails(&repository, id, 32);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let others = async {
        assert!(repository.find(id).await.unwrap().is_some());
        repository.now().await.unwrap();
        repository.find_answer(&build::fresh_key()).await.unwrap();
        repository.key_set_version().await.unwrap();
        repository
            .claim(&build::only(&[], Duration::from_secs(1)))
            .await
            .unwrap();
        let too_many = repository.events(id, QUERY).await;
        assert!(
            matches!(too_many, Err(RepositoryError::Overloaded(_))),
            "{too_many:?}"
        );
    };
    timeout(Duration::from_millis(300), others)
        .await
        .expect("nothing waits for those that read");
    session.rollback().await.unwrap();
    for read in reads.drain(..) {
        assert!(!read.await.unwrap(), "those before were let in");
    }
    assert!(repository.events(id, QUERY).await.unwrap().is_some());
}

#[tokio::test]
async fn a_read_that_takes_too_long_ends_and_says_so() {
    let (repository, database) = Database::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    // Makes every read of a payout slow.
    for statement in [
        "CREATE FUNCTION slowly() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.5) IS NOT NULL'",
        "ALTER TABLE payout_details RENAME TO payout_details_kept",
        "CREATE VIEW payout_details AS SELECT * FROM payout_details_kept WHERE slowly()",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let repository = database.repository_with(&PostgresOptions {
        reads: ReadLimits {
            connections: 1,
            timeout: Duration::from_millis(200),
            ..ReadLimits::default()
        },
        ..PostgresOptions::default()
    });
    let all = Filter::default();
    let counted = timeout(Duration::from_secs(2), repository.count(&all, None));
    let counted = counted.await.expect("it ends");
    assert!(
        matches!(counted, Err(RepositoryError::Overloaded(_))),
        "{counted:?}"
    );
}
