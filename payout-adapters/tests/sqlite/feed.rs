//! The event feed of a file that earlier versions of the program write too.

use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::feed::{EventType, FeedPosition, PublicEvent};
use payout_core::payout::PayoutId;
use payout_core::ports::{EventFeed, FeedPage, FeedQuery, PayoutRepository, ProviderRepository};
use payout_core::provider::ProviderName;

use crate::file::File;

async fn read(feed: &dyn EventFeed, after: FeedPosition) -> FeedPage {
    let query = FeedQuery {
        after,
        types: Vec::new(),
        limit: 1000,
    };
    feed.after(&query).await.unwrap()
}

fn payouts(page: &FeedPage) -> Vec<PayoutId> {
    page.events.iter().filter_map(PublicEvent::payout_id).collect()
}

/// Creations of an earlier version, which gives them no place, come after what was read before.
#[tokio::test]
async fn a_creation_without_a_place_gets_one() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let first = drive::stored(&repository).await;
    let position = read(&repository, FeedPosition::START).await.next;
    for number in 1..=3 {
        let create = "INSERT INTO payout_details (
                id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
                created_by
            ) VALUES (?1, 1, '1.00', 'EUR', 'account', 'Name', 'name', '', 'earlier')";
        let id = uuid::Uuid::from_u128(100 - number);
        sqlx::query(create).bind(id).execute(&pool).await.unwrap();
    }
    let news = read(&repository, position).await;
    let expected: Vec<PayoutId> = (1..=3)
        .map(|number| uuid::Uuid::from_u128(100 - number).into())
        .collect();
    assert_eq!(payouts(&news), expected, "in the order in which they were stored");
    drive::apply(&repository, &first.cancel(build::client()).unwrap()).await;
    let page = read(&repository, news.next).await;
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.events[0].event_type, EventType::Cancelled);
}

/// A creation of an earlier version comes after the events of other subjects too, which it knows nothing of.
#[tokio::test]
async fn a_creation_without_a_place_comes_after_the_events_of_others() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let name = ProviderName::new("acme").unwrap();
    repository.pause_provider(&name, &build::client()).await.unwrap();
    repository.resume_provider(&name, &build::client()).await.unwrap();
    let before = read(&repository, FeedPosition::START).await;
    assert_eq!(before.events.len(), 2);
    let create = "INSERT INTO payout_details (
            id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
            created_by
        ) VALUES (?1, 1, '1.00', 'EUR', 'account', 'Name', 'name', '', 'earlier')";
    let id = uuid::Uuid::from_u128(7);
    sqlx::query(create).bind(id).execute(&pool).await.unwrap();
    assert_eq!(
        payouts(&read(&repository, before.next).await),
        [PayoutId::from(id)]
    );
    for changed in [
        "UPDATE feed_events SET reason = 'x'",
        "DELETE FROM feed_events",
        "INSERT OR REPLACE INTO feed_events SELECT * FROM feed_events",
    ] {
        let refused = sqlx::raw_sql(changed).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

/// Rows from before the feed have no place and no version. They come first, in their own order.
#[tokio::test]
async fn rows_from_before_the_feed_are_shown_before_all_others() {
    let (repository, file) = File::migrated().await;
    let claim = drive::claimed(&repository).await;
    let old = claim.payout().id();
    let failed = drive::settled(&repository, claim, build::failed()).await;
    let pool = file.pool().await;
    sqlx::raw_sql(
        "DROP TRIGGER payout_details_refuse_move; DROP TRIGGER payout_events_refuse_update;
        UPDATE payout_details SET feed_after = 0, feed_number = 0; UPDATE payout_events SET version = NULL",
    )
    .execute(&pool)
    .await
    .unwrap();
    let now = repository.now().await.unwrap();
    let retried = drive::apply(&repository, &failed.retry(now, build::client()).unwrap()).await;
    let last = drive::stored(&repository).await.id();
    let told: Vec<_> = read(&repository, FeedPosition::START)
        .await
        .events
        .iter()
        .map(|event| {
            let told = event.payout().unwrap();
            (told.id, event.event_type, told.version)
        })
        .collect();
    assert_eq!(
        told,
        [
            (old, EventType::Created, 1),
            (old, EventType::Processing, 2),
            (old, EventType::Failed, 3),
            (old, EventType::Retried, retried.version()),
            (last, EventType::Created, 1),
        ]
    );
}
