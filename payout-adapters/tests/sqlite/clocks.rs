//! Times that the repository stores while the clock is set forward or back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_core::Timestamp;
use payout_core::contract::build::{self, SHORT_LEASE};
use payout_core::contract::drive;
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Insertion, PayoutRepository};

use crate::file::File;

/// Checks that `claimed_at` grows with each claim: it equals `first_submitted_at` only if no earlier claim can have
/// sent anything.
#[tokio::test]
async fn a_claim_is_later_than_the_one_before_whatever_the_clock_says() {
    let (repository, file) = File::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    // As if the clock had been an hour ahead and was set back since.
    sqlx::query(
        "UPDATE payout_states
        SET claimed_at = claimed_at + 3600000000, first_submitted_at = first_submitted_at + 3600000000",
    )
    .execute(&file.pool().await)
    .await
    .unwrap();

    let second = drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let claimed_at = second.payout().parts().claimed_at;
    assert!(claimed_at > second.payout().parts().first_submitted_at);

    drive::settled(&repository, second, build::released(Duration::ZERO)).await;
    let third = drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let parts = third.payout().parts();
    assert!(parts.claimed_at > claimed_at);
    assert_eq!(
        parts.first_submitted_at, parts.claimed_at,
        "nothing was sent before this claim"
    );
}

#[tokio::test]
async fn a_new_day_begins_with_nothing_and_a_clock_that_went_back_begins_none() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let api_key = build::fresh_api_key();
    let fits = async || {
        let new = build::charged("60", "USD", "100", api_key);
        matches!(
            repository.insert(&[new]).await.unwrap()[..],
            [Insertion::Stored(_)]
        )
    };
    let move_days = async |by: &str| {
        let moved = sqlx::query("UPDATE daily_totals SET day = date(day, ?1)").bind(by.to_owned());
        moved.execute(&pool).await.unwrap();
    };
    assert!(fits().await);
    // As if the charge had been made yesterday.
    move_days("-1 day").await;
    assert!(fits().await);
    assert!(!fits().await);
    // As if the clock had been a day ahead and was set back since.
    move_days("+1 day").await;
    assert!(!fits().await);
    // As if it had been three days ahead: such a total is ignored and does not block the key until that day.
    move_days("+2 days").await;
    assert!(fits().await);
    assert!(!fits().await);
}

/// Wall-clock time and monotonic time, both in seconds.
struct TwoClocks(AtomicI64, AtomicI64);

impl Clock for TwoClocks {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.1.load(Ordering::SeqCst).unsigned_abs())
    }
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_no_lease() {
    let file = File::missing();
    let clock = Arc::new(TwoClocks(1_000_000.into(), 0.into()));
    let repository = SqliteRepository::open_lazy(&file.url(), clock.clone()).unwrap();
    repository.migrate().await.unwrap();
    let pass = |wall, process| {
        clock.0.fetch_add(wall, Ordering::SeqCst);
        clock.1.fetch_add(process, Ordering::SeqCst);
    };
    let sweep = build::sweep(10, LEASE);
    let held = drive::stored(&repository).await.id();
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [held]);
    pass(3_610, 10);
    let later = drive::stored(&repository).await.id();
    assert_eq!(
        drive::claim_ids(&repository, &sweep).await,
        [later],
        "ten seconds of its lease have passed"
    );
    assert_eq!(
        drive::claim_ids(&repository, &build::only(&[held], LEASE)).await,
        [],
        "nor for a hint"
    );
    pass(49, 49);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, []);
    pass(1, 1);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [held]);
    pass(10, 10);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [later]);
}

/// One payout of each kind that waits for its due time.
struct Waiting {
    scheduled: PayoutId,
    fresh: PayoutId,
    leased: PayoutId,
    postponed: PayoutId,
    released: PayoutId,
}

const LEASE: Duration = Duration::from_secs(60);
const BACKOFF: Duration = Duration::from_secs(30);

async fn waiting(repository: &dyn PayoutRepository) -> Waiting {
    let in_an_hour = repository.now().await.unwrap() + Duration::from_secs(3_600);
    let scheduled = build::scheduled(in_an_hour);
    repository.insert(std::slice::from_ref(&scheduled)).await.unwrap();
    let claimed = async || {
        let id = drive::stored(repository).await.id();
        drive::claim_when_due(repository, id, LEASE).await
    };
    let leased = claimed().await.payout().id();
    let postponed = drive::settled(repository, claimed().await, build::postponed(BACKOFF))
        .await
        .id();
    let released = drive::settled(repository, claimed().await, build::released(BACKOFF))
        .await
        .id();
    Waiting {
        scheduled: scheduled.id,
        fresh: drive::stored(repository).await.id(),
        leased,
        postponed,
        released,
    }
}

#[tokio::test]
async fn what_a_clock_that_was_ahead_has_written_waits_no_longer_than_it_was_to_wait() {
    for by in [600, 3 * 24 * 3_600].map(Duration::from_secs) {
        let (repository, file) = File::migrated().await;
        let waiting = waiting(&repository).await;
        assert_eq!(
            repository.bring_back(10).await.unwrap(),
            0,
            "nothing is ahead yet"
        );
        let pool = file.pool().await;
        let shift = sqlx::query(
            "UPDATE payout_states SET due_at = due_at + ?1, updated_at = updated_at + ?1, claimed_at = claimed_at + ?1,
            first_submitted_at = first_submitted_at + ?1, quiet_at = quiet_at + ?1 WHERE id <> ?2",
        );
        shift
            .bind(i64::try_from(by.as_micros()).unwrap())
            .bind(waiting.scheduled.as_uuid())
            .execute(&pool)
            .await
            .unwrap();
        let fresh = sqlx::query("UPDATE payout_states SET created_at = due_at WHERE id = ?1")
            .bind(waiting.fresh.as_uuid());
        fresh.execute(&pool).await.unwrap();
        let sweep = build::sweep(10, LEASE);
        assert_eq!(drive::claim_ids(&repository, &sweep).await, []);
        assert_eq!(repository.count_ahead(10).await.unwrap(), 4);

        let versions = drive::found(&repository, waiting.leased).await.version();
        assert_eq!(repository.bring_back(10).await.unwrap(), 4);
        assert_eq!(repository.bring_back(10).await.unwrap(), 0, "once is enough");
        assert_eq!(repository.count_ahead(10).await.unwrap(), 0);
        let now = repository.now().await.unwrap();
        let wait = async |id| {
            let due_at = drive::found(&repository, id).await.parts().due_at.unwrap();
            (due_at - now).num_seconds()
        };
        // The lease of the current holder is not cut short, and no scheduled payout becomes due early.
        assert!((55..=60).contains(&wait(waiting.leased).await));
        assert!((25..=30).contains(&wait(waiting.postponed).await));
        assert!((25..=30).contains(&wait(waiting.released).await));
        assert!((3_500..=3_600).contains(&wait(waiting.scheduled).await));
        assert_eq!(
            drive::found(&repository, waiting.leased).await.version(),
            versions,
            "no fact has changed"
        );
        assert_eq!(drive::claim_ids(&repository, &sweep).await, [waiting.fresh]);
    }
}

#[tokio::test]
async fn a_lease_beyond_its_last_call_is_over() {
    let (repository, file) = File::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, LEASE).await;
    let lengthen = sqlx::query("UPDATE payout_states SET due_at = due_at + 172800000000 WHERE id = ?1")
        .bind(id.as_uuid());
    lengthen.execute(&file.pool().await).await.unwrap();
    assert_eq!(repository.bring_back(10).await.unwrap(), 1);
    let sweep = build::sweep(10, LEASE);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [id]);
}

/// Checks that the time of the first submission is capped at the present: the provider's key window runs by the
/// provider's clock, and the submission happened by now at the latest.
#[tokio::test]
async fn the_key_window_runs_though_the_clock_was_set_back() {
    let (repository, file) = File::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let first = sqlx::query(
        "UPDATE payout_states SET first_submitted_at = first_submitted_at + 172800000000, claimed_at = claimed_at + 172800000000",
    );
    first.execute(&file.pool().await).await.unwrap();
    let second = drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let parts = second.payout().parts();
    assert_eq!(parts.first_submitted_at, Some(parts.updated_at));
    assert!(parts.claimed_at > parts.first_submitted_at);
}
