//! Times that the database provides while its clock is set forward or back.

use std::time::Duration;

use payout_core::contract::build::{self, SHORT_LEASE};
use payout_core::contract::drive;
use payout_core::payout::PayoutId;
use payout_core::ports::PayoutRepository;

use crate::database::Database;

/// Checks that `claimed_at` grows with each claim: it equals `first_submitted_at` only if no earlier claim can have
/// sent anything.
#[tokio::test]
async fn a_claim_is_later_than_the_one_before_whatever_the_clock_says() {
    let (repository, database) = Database::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    // As if the clock had been an hour ahead and was set back since.
    sqlx::query(
        "UPDATE payout_states
        SET claimed_at = claimed_at + interval '1 hour', first_submitted_at = first_submitted_at + interval '1 hour'",
    )
    .execute(&database.pool().await)
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
        let (repository, database) = Database::migrated().await;
        let waiting = waiting(&repository).await;
        assert_eq!(
            repository.bring_back(10).await.unwrap(),
            0,
            "nothing is ahead yet"
        );
        let pool = database.pool().await;
        let shift = sqlx::query(
            "UPDATE payout_states SET due_at = due_at + $1, updated_at = updated_at + $1, claimed_at = claimed_at + $1,
            first_submitted_at = first_submitted_at + $1, quiet_at = quiet_at + $1 WHERE id <> $2",
        );
        shift
            .bind(sqlx::postgres::types::PgInterval::try_from(by).unwrap())
            .bind(waiting.scheduled.as_uuid())
            .execute(&pool)
            .await
            .unwrap();
        let fresh = sqlx::query("UPDATE payout_states SET created_at = due_at WHERE id = $1")
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
    let (repository, database) = Database::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, LEASE).await;
    let lengthen = sqlx::query("UPDATE payout_states SET due_at = due_at + interval '2 days' WHERE id = $1")
        .bind(id.as_uuid());
    lengthen.execute(&database.pool().await).await.unwrap();
    assert_eq!(repository.bring_back(10).await.unwrap(), 1);
    let sweep = build::sweep(10, LEASE);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [id]);
}

/// Checks that the time of the first submission is capped at the present: the provider's key window runs by the
/// provider's clock, and the submission happened by now at the latest.
#[tokio::test]
async fn the_key_window_runs_though_the_clock_was_set_back() {
    let (repository, database) = Database::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let first = sqlx::query(
        "UPDATE payout_states SET first_submitted_at = first_submitted_at + interval '2 days', claimed_at = claimed_at + interval '2 days'",
    );
    first.execute(&database.pool().await).await.unwrap();
    let second = drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    let parts = second.payout().parts();
    assert_eq!(parts.first_submitted_at, Some(parts.updated_at));
    assert!(parts.claimed_at > parts.first_submitted_at);
}
