//! Statistics: what a clock that was set back does to the sums, and a transaction that is still running.

use chrono::TimeDelta;
use payout_core::contract::build;
use payout_core::payout::Standing;
use payout_core::ports::{PayoutImport, PayoutRepository, StatsRepository};
use payout_core::stats::{Days, Stats};

use crate::database::Database;

async fn counted(repository: &impl StatsRepository, now: payout_core::Timestamp) -> u64 {
    let rows = repository
        .stats(Days::until(now.date_naive(), 30), None)
        .await
        .unwrap();
    rows.into_iter().collect::<Stats>().total.payouts()
}

#[tokio::test]
async fn sums_begin_again_after_the_clock_was_set_back() {
    let (repository, database) = Database::migrated().await;
    let now = repository.now().await.unwrap();
    let old: Vec<_> = (0..20)
        .map(|_| build::foreign(Standing::Cancelled, now - TimeDelta::days(1)))
        .collect();
    repository.import(&old).await.unwrap();
    repository.fold_stats(100).await.unwrap();
    let pool = database.pool().await;
    sqlx::query("UPDATE payout_stats_progress SET created_at = now() + interval '1 hour'")
        .execute(&pool)
        .await
        .unwrap();
    for _ in 0..3 {
        repository.fold_stats(100).await.unwrap();
        assert_eq!(counted(&repository, now).await, 20);
    }
}

#[tokio::test]
async fn no_payout_is_reached_before_an_earlier_one_that_is_being_stored() {
    let (repository, database) = Database::migrated().await;
    let now = repository.now().await.unwrap();
    let pool = database.pool().await;
    // A transaction that began before the old payouts were created, as far as the sums can tell.
    let mut running = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO live_workers (name, seen_at) VALUES ('slow', now())")
        .execute(&mut *running)
        .await
        .unwrap();
    let reached = async || {
        repository.fold_stats(100).await.unwrap();
        let sums = sqlx::query_scalar("SELECT coalesce(sum(payouts), 0)::bigint FROM payout_stats");
        sums.fetch_one(&pool).await.unwrap()
    };
    let recent = build::foreign(Standing::Cancelled, now + TimeDelta::hours(1));
    repository.import(&[recent]).await.unwrap();
    // Make it old enough to be reached but for the running transaction.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    let before: i64 = reached().await;
    assert_eq!(before, 0, "it was created after the transaction began");
    running.rollback().await.unwrap();
    let after: i64 = reached().await;
    assert_eq!(after, 1);
    assert_eq!(counted(&repository, now).await, 1);
}
