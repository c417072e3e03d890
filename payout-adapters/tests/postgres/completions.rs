//! Completions of batches under transactions that overlap.

use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use payout_core::attempt::Verdict;
use payout_core::batch::{BatchId, BatchPlace, ContentHash, NewBatch};
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::feed::{EventType, FeedPosition, PublicEvent};
use payout_core::payout::{Actor, Description, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    BatchInsertion, BatchRepository, BatchRows, EventFeed, FeedQuery, PayoutRepository,
};

use crate::costs::Table;
use crate::database::Database;
use crate::feed::wait_for_lock;

/// Batches that were completed long ago.
const COMPLETED: &str = "
    INSERT INTO payout_batches (id, content, description, payouts, left_out, created_at, created_by, is_open)
    SELECT gen_random_uuid(), sha256(n::text::bytea), '', 1, 0, now() - n * interval '1 hour', 'client', false
    FROM generate_series(1, 5000) AS n";

/// Stores a batch of this many payouts, and returns their ids.
async fn stored_batch(repository: &PostgresRepository, count: u32) -> Vec<PayoutId> {
    let id = BatchId::from(build::fresh_id().as_uuid());
    let mut digest = [5; 32];
    digest[..16].copy_from_slice(id.as_uuid().as_bytes());
    let batch = NewBatch {
        id,
        external_id: None,
        content: ContentHash::from(digest),
        description: Description::default(),
        scheduled_at: None,
        payouts: count,
        left_out: 0,
        caller: build::client(),
    };
    let members: Vec<NewPayout> = (0..u64::from(count))
        .map(|place| {
            let new = build::new_payout();
            let provider_key = batch.identity().provider_key(place, &new.details);
            NewPayout {
                batch: Some(BatchPlace { id, provider_key }),
                ..new
            }
        })
        .collect();
    let rows = BatchRows::of(&members);
    let stored = repository.store_batch(&batch, rows).await.unwrap();
    assert!(matches!(stored, BatchInsertion::Stored(_)), "{stored:?}");
    members.iter().map(|member| member.id).collect()
}

/// Stores a batch of one payout, which is settled.
async fn batch_of_one(repository: &PostgresRepository, verdict: Verdict) -> Payout {
    let ids = stored_batch(repository, 1).await;
    let claims = repository.claim(&build::sweep(10, LONG_LEASE)).await.unwrap().won;
    let claim = claims.into_iter().find(|claim| claim.payout().id() == ids[0]);
    drive::settled(repository, claim.unwrap(), verdict).await
}

async fn complete(repository: &PostgresRepository) -> u64 {
    let worker = Actor::new("worker-1");
    repository.complete_batches(&worker, 10).await.unwrap()
}

/// Settles a payout that was retried.
async fn settle_again(repository: &PostgresRepository, id: PayoutId) {
    let claim = drive::claim_when_due(repository, id, LONG_LEASE).await;
    drive::settled(repository, claim, build::completed("ref")).await;
}

async fn types(repository: &PostgresRepository) -> Vec<EventType> {
    let query = FeedQuery {
        after: FeedPosition::START,
        types: Vec::new(),
        limit: 1000,
    };
    let page = repository.after(&query).await.unwrap();
    page.events
        .iter()
        .map(|event: &PublicEvent| event.event_type)
        .collect()
}

/// A retry has not committed yet: its batch is not told to be completed meanwhile, since nobody could see that it is open
/// again.
#[tokio::test]
async fn a_batch_is_not_completed_under_a_retry_that_has_not_committed() {
    let (repository, database) = Database::migrated().await;
    let payout = batch_of_one(&repository, build::failed()).await;
    let pool = database.pool().await;
    let mut session = pool.begin().await.unwrap();
    let retry = "UPDATE payout_states
        SET status = 'pending', generation = 1, claims = 0, version = version + 1, due_at = now(), failure_code = NULL,
            failure_message = NULL, failure_reason = NULL, first_submitted_at = NULL
        WHERE id = $1";
    let retried = sqlx::query(retry).bind(payout.id().as_uuid());
    retried.execute(&mut *session).await.unwrap();
    assert_eq!(complete(&repository).await, 0);
    session.commit().await.unwrap();
    assert_eq!(complete(&repository).await, 0);
    settle_again(&repository, payout.id()).await;
    assert_eq!(complete(&repository).await, 1);
}

/// A completion has not committed yet: a retry waits for it, and opens the batch again.
#[tokio::test]
async fn a_retry_waits_for_a_completion_that_has_not_committed() {
    let (repository, database) = Database::migrated().await;
    let payout = batch_of_one(&repository, build::failed()).await;
    let pool = database.pool().await;
    let mut session = pool.begin().await.unwrap();
    for step in [
        "SELECT FROM payout_batches FOR UPDATE",
        "UPDATE payout_batches SET is_open = false",
    ] {
        sqlx::query(step).execute(&mut *session).await.unwrap();
    }
    let now = repository.now().await.unwrap();
    let change = payout.clone().retry(now, build::client()).unwrap();
    let patient = database.repository_with(&PostgresOptions {
        lock_timeout: Duration::from_secs(4),
        ..PostgresOptions::default()
    });
    let (retried, ()) = tokio::join!(patient.apply(&change, None), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        session.commit().await.unwrap();
    });
    retried.unwrap();
    settle_again(&repository, payout.id()).await;
    assert_eq!(complete(&repository).await, 1);
}

/// A payment comes back within the transaction that tells the completion: the return has the greater number of a
/// transaction, and the completion comes after it all the same.
#[tokio::test]
async fn a_completion_comes_after_every_event_that_it_could_see() {
    let (repository, database) = Database::migrated().await;
    let payout = batch_of_one(&repository, build::completed("ref")).await;
    let pool = database.pool().await;
    wait_for_lock(&pool, "AFTER UPDATE ON payout_batches").await;
    let mut session = pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_xact_lock(7)");
    lock.execute(&mut *session).await.unwrap();
    let now = repository.now().await.unwrap();
    let returned = payout.mark_returned(now, build::client()).unwrap();
    let (completed, ()) = tokio::join!(complete(&repository), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drive::apply(&repository, &returned).await;
        session.commit().await.unwrap();
    });
    assert_eq!(completed, 1);
    let last = drive::eventually("all is shown", async || {
        let types = types(&repository).await;
        types.contains(&EventType::BatchCompleted).then_some(types)
    });
    let last = last.await.split_off(4);
    assert_eq!(last, [EventType::Returned, EventType::BatchCompleted]);
}

/// A look at the batches reads a few rows for each that is open, however many payouts they have and there are.
#[tokio::test]
async fn a_look_at_open_batches_reads_a_few_rows_of_each() {
    let table = Table::with_many_rows().await;
    for statement in [COMPLETED, "VACUUM ANALYZE payout_batches"] {
        sqlx::raw_sql(statement).execute(&table.pool).await.unwrap();
    }
    let repository = table.repository();
    for _ in 0..3 {
        stored_batch(&repository, 1_500).await;
    }
    repository.close().await;
    let look = async |repository: &PostgresRepository, _| {
        assert_eq!(complete(repository).await, 0);
    };
    table.costs("a look at three open batches", 30, look).await;
}
