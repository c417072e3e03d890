//! Daily totals, as far as they depend on the database's clock and locks.

use std::time::Duration;

use payout_core::contract::build;
use payout_core::ports::{Insertion, PayoutRepository};
use sqlx::PgPool;

use crate::database::Database;

async fn move_days(pool: &PgPool, by: i32) {
    sqlx::query("UPDATE daily_totals SET day = day + $1")
        .bind(by)
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_day_begins_with_nothing_and_a_clock_that_went_back_begins_none() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let api_key = build::fresh_api_key();
    let fits = async || {
        let new = build::charged("60", "USD", "100", api_key);
        matches!(
            repository.insert(&[new]).await.unwrap()[..],
            [Insertion::Stored(_)]
        )
    };
    assert!(fits().await);
    // As if the charge had been made yesterday.
    move_days(&pool, -1).await;
    assert!(fits().await);
    assert!(!fits().await);
    // As if the clock had been a day ahead and was set back since.
    move_days(&pool, 1).await;
    assert!(!fits().await);
    let days = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM daily_totals WHERE day > current_date")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(
        days, 1,
        "there is one row for each key and currency, day after day"
    );
}

/// Checks that a write which waited past midnight is dated, and charged, on the new day.
#[tokio::test]
async fn a_write_that_waited_past_midnight_is_of_the_new_day() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let api_key = build::fresh_api_key();
    let new = || build::charged("60", "USD", "100", api_key);
    repository.insert(&[new()]).await.unwrap();
    // The session that holds the row began after midnight; the insert that waits for it began before.
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("UPDATE daily_totals SET day = day + 1, total = 0")
        .execute(&mut *holder)
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let (repository, new) = (database.repository(), new());
        async move {
            let answers = repository.insert(std::slice::from_ref(&new)).await.unwrap();
            let stored = matches!(answers[..], [Insertion::Stored(_)]);
            (stored, repository.find(new.id).await.unwrap().unwrap())
        }
    });
    until_somebody_waits(&pool).await;
    let let_go = sqlx::query_scalar::<_, payout_core::Timestamp>("SELECT clock_timestamp()")
        .fetch_one(&pool)
        .await
        .unwrap();
    holder.commit().await.unwrap();
    let (stored, payout) = waiting.await.unwrap();
    assert!(stored);
    assert!(
        payout.parts().created_at > let_go,
        "its time is from after the wait, and so its day"
    );
}

/// Checks that a key which another session takes charges nothing, so that a payout refused beside it fits after all.
#[tokio::test]
async fn what_a_key_that_was_just_taken_leaves_is_for_the_rest_of_the_batch() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let (api_key, key) = (build::fresh_api_key(), build::fresh_key());
    let of = |amount| build::charged(amount, "USD", "100", api_key);
    let batch = [build::under(&key, of("60")), of("50"), of("50")];
    let mut other = pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot)
        VALUES ($1, now(), gen_random_uuid(), decode(repeat('00', 32), 'hex'), '')",
    )
    .bind(key.as_str())
    .execute(&mut *other)
    .await
    .unwrap();
    let waiting = tokio::spawn(async move { repository.insert(&batch).await.unwrap() });
    until_somebody_waits(&pool).await;
    other.commit().await.unwrap();
    let answers = waiting.await.unwrap();
    assert!(
        matches!(
            answers[..],
            [Insertion::KeyTaken, Insertion::Stored(_), Insertion::Stored(_)]
        ),
        "{answers:?}"
    );
}

async fn until_somebody_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    payout_core::contract::drive::eventually("somebody waits for a lock", async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn a_batch_that_dies_half_way_leaves_its_day_to_others() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let (api_key, key) = (build::fresh_api_key(), build::fresh_key());
    let of = |amount| build::charged(amount, "USD", "100", api_key);
    let mut other = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE payouts")
        .execute(&mut *other)
        .await
        .unwrap();
    let batch = [build::under(&key, of("100"))];
    let dying = tokio::spawn({
        let repository = database.repository();
        async move { repository.insert(&batch).await }
    });
    until_somebody_waits(&pool).await;
    dying.abort();
    other.commit().await.unwrap();
    let answers = repository.insert(&[of("100")]).await.unwrap();
    assert!(matches!(answers[..], [Insertion::Stored(_)]), "{answers:?}");
    assert_eq!(repository.find_answer(&key).await.unwrap(), None);
}
