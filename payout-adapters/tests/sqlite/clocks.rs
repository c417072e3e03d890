//! Times that the database gives, when its clock does not keep still.

use std::time::Duration;

use payout_core::contract::build::{self, SHORT_LEASE};
use payout_core::contract::drive;
use payout_core::ports::{Insertion, PayoutRepository};

use crate::file::File;

/// Whether the two times are equal tells whether an earlier claim may have sent something.
#[tokio::test]
async fn a_claim_is_later_than_the_one_before_whatever_the_clock_says() {
    let (repository, file) = File::migrated().await;
    let id = drive::stored(&repository).await.id();
    drive::claim_when_due(&repository, id, SHORT_LEASE).await;
    // As if the clock had been an hour ahead, and was set back since.
    sqlx::query(
        "UPDATE payouts
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
    // As if that had been yesterday.
    move_days("-1 day").await;
    assert!(fits().await);
    assert!(!fits().await);
    // As if the clock had been a day ahead, and was set back since.
    move_days("+1 day").await;
    assert!(!fits().await);
}
