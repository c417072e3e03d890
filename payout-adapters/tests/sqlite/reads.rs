//! Costly reads: they end in time, and payments never wait for them.

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::ReadLimits;
use payout_adapters::storage::sqlite::{SqliteOptions, SqliteRepository};
use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::ports::{Deleted, EventQuery, Filter, PayoutRepository, RepositoryError, System};
use sqlx::SqlitePool;
use tokio::time::timeout;

use crate::file::File;

const QUERY: EventQuery = EventQuery {
    after: None,
    limit: 10,
    deleted: Deleted::Without,
};

/// Copies the payouts many times, so that a scan of all of them takes a while.
async fn multiply(pool: &SqlitePool, times: u32) {
    let details = "created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description, \
        created_by";
    let states = "created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status";
    let copy = format!(
        "INSERT INTO payout_details (id, {details})
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})
        SELECT randomblob(16), {details} FROM payout_details, n;
        INSERT INTO payout_states (id, {states})
        SELECT payout_details.id, {states}
        FROM (SELECT {states} FROM payout_states LIMIT 1), payout_details
        WHERE payout_details.id NOT IN (SELECT id FROM payout_states)"
    )
    .replace(
        "SELECT payout_details.id, created_at",
        "SELECT payout_details.id, payout_details.created_at",
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(copy))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_read_that_takes_too_long_ends_and_what_pays_does_not_wait_for_it() {
    let (repository, file) = File::migrated().await;
    let id = drive::store(&repository, build::new_payout()).await.id();
    multiply(&file.pool().await, 200_000).await;
    let with = |timeout| {
        let options = SqliteOptions {
            reads: ReadLimits {
                connections: 1,
                timeout,
                ..ReadLimits::default()
            },
            ..SqliteOptions::default()
        };
        SqliteRepository::open_lazy_with(&file.url(), Arc::new(System::default()), &options).unwrap()
    };
    let bounded = with(Duration::from_millis(20));
    let rare = Filter {
        currency: Some("JPY".parse().unwrap()),
        ..Filter::default()
    };
    let counting: Vec<_> = (0..8)
        .map(|_| {
            let (repository, rare) = (bounded.clone(), rare.clone());
            tokio::spawn(async move { repository.count(&rare, None).await })
        })
        .collect();
    let others = async {
        for _ in 0..8 {
            assert!(bounded.find(id).await.unwrap().is_some());
            bounded.now().await.unwrap();
        }
        drive::store(&bounded, build::new_payout()).await;
    };
    timeout(Duration::from_secs(5), others)
        .await
        .expect("they wait for nobody");
    for count in counting {
        let count = count.await.unwrap();
        assert!(matches!(count, Err(RepositoryError::Overloaded(_))), "{count:?}");
    }
    // With enough time, the count succeeds.
    let patient = with(Duration::from_secs(60));
    assert_eq!(patient.count(&rare, None).await.unwrap().count, 0);
    // A connection whose read was interrupted can read again.
    drive::eventually("there is a turn", async || {
        bounded.events(id, QUERY).await.ok().map(drop)
    })
    .await;
}
