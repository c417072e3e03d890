//! The contract suites over the in-memory adapters.

#![cfg(feature = "memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::{
    MemoryApiKeys, MemoryBulkActions, MemoryConsoleSessions, MemoryRepository, MemoryWebhooks,
};
use payout_core::Timestamp;
use payout_core::contract::batches::Batching;
use payout_core::contract::exports::Exporting;
use payout_core::contract::feed::Fed;
use payout_core::contract::imports::Importing;
use payout_core::contract::providers::Routed;
use payout_core::contract::reconciliation::Reconcilable;
use payout_core::contract::stats::Counting;
use payout_core::contract::webhooks::WebhookStore;
use payout_core::contract::{build, drive};
use payout_core::payout::{NewPayout, PayoutId};
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, Clock, ConsoleSessionRepository, Insertion, JobQueue,
    PayoutRepository, RecipientRepository, System,
};

async fn make_repository() -> Arc<dyn PayoutRepository> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_books() -> Arc<dyn Reconcilable> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_batching() -> Arc<dyn Batching> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_importing() -> Arc<dyn Importing> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_exporting() -> Arc<dyn Exporting> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_counting() -> Arc<dyn Counting> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_recipients() -> Arc<dyn RecipientRepository> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_routed() -> Arc<dyn Routed> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_fed() -> Arc<dyn Fed> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_queue() -> Arc<dyn JobQueue> {
    Arc::new(MemoryQueue::default())
}

async fn make_keys() -> Arc<dyn ApiKeyRepository> {
    Arc::new(MemoryApiKeys::new(Arc::new(System::default())))
}

async fn make_sessions() -> Arc<dyn ConsoleSessionRepository> {
    Arc::new(MemoryConsoleSessions::new(Arc::new(System::default())))
}

async fn make_bulk() -> Arc<dyn BulkActionRepository> {
    Arc::new(MemoryBulkActions::new(Arc::new(System::default())))
}

async fn make_webhooks() -> Arc<dyn WebhookStore> {
    let payouts = Arc::new(MemoryRepository::new(Arc::new(System::default())));
    Arc::new(MemoryWebhooks::new(Arc::new(System::default()), payouts))
}

payout_core::repository_contract!(make_repository);
payout_core::reconciliation_contract!(make_books);
payout_core::batches_contract!(make_batching);
payout_core::import_contract!(make_importing);
payout_core::export_contract!(make_exporting);
payout_core::stats_contract!(make_counting);
payout_core::providers_contract!(make_routed);
payout_core::feed_contract!(make_fed);
payout_core::api_keys_contract!(make_keys);
payout_core::console_sessions_contract!(make_sessions);
payout_core::recipients_contract!(make_recipients);
payout_core::bulk_contract!(make_bulk);
payout_core::webhooks_contract!(make_webhooks);
payout_core::queue_contract!(make_queue);

/// A clock that shows the time to which it was set, in seconds.
struct SetClock(AtomicI64);

impl SetClock {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn repository_at(seconds: i64) -> (Arc<SetClock>, MemoryRepository) {
    let clock = Arc::new(SetClock(AtomicI64::new(seconds)));
    (clock.clone(), MemoryRepository::new(clock))
}

#[tokio::test(start_paused = true)]
async fn time_is_the_given_clocks_and_a_lease_ends_by_it() {
    let (clock, repository) = repository_at(1000);
    let payout = drive::stored(&repository).await;
    assert_eq!(payout.parts().created_at, clock.now());
    let sweep = build::sweep(10, Duration::from_secs(15));
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [payout.id()]);
    clock.set(1014);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, []);
    clock.set(1015);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [payout.id()]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_back_makes_time_stand_still() {
    let (clock, repository) = repository_at(1000);
    let before = repository.now().await.unwrap();
    clock.set(10);
    assert_eq!(repository.now().await.unwrap(), before);
    assert_eq!(drive::stored(&repository).await.parts().created_at, before);
}

/// Wall-clock time and monotonic time, both in seconds.
#[derive(Default)]
struct TwoClocks(AtomicI64, AtomicI64);

impl Clock for TwoClocks {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.1.load(Ordering::SeqCst).unsigned_abs())
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_clock_that_was_set_back_a_lease_ends_when_it_has_lasted() {
    let clock = Arc::new(TwoClocks(9_000.into(), 0.into()));
    let repository = MemoryRepository::new(clock.clone());
    let id = drive::stored(&repository).await.id();
    let sweep = build::sweep(10, Duration::from_secs(15));
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [id]);
    clock.0.store(10, Ordering::SeqCst);
    clock.1.store(14, Ordering::SeqCst);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, []);
    clock.1.store(15, Ordering::SeqCst);
    assert_eq!(drive::claim_ids(&repository, &sweep).await, [id]);
}

#[tokio::test(start_paused = true)]
async fn a_new_day_begins_with_nothing_at_midnight() {
    const MIDNIGHT: i64 = 20_000 * 24 * 60 * 60;
    let (clock, repository) = repository_at(MIDNIGHT - 1);
    let api_key = build::fresh_api_key();
    let fits = async || {
        let new = build::charged("60", "USD", "100", api_key);
        matches!(
            repository.insert(&[new]).await.unwrap()[..],
            [Insertion::Stored(_)]
        )
    };
    assert!(fits().await);
    assert!(!fits().await);
    clock.set(MIDNIGHT);
    assert!(fits().await);
    assert!(!fits().await);
}

#[tokio::test(start_paused = true)]
async fn payouts_that_fell_due_together_are_swept_in_the_same_order_every_time() {
    let batch: Vec<NewPayout> = (0..100).map(|_| build::new_payout()).collect();
    let mut orders: Vec<Vec<PayoutId>> = Vec::new();
    for _ in 0..2 {
        let (_, repository) = repository_at(1000);
        repository.insert(&batch).await.unwrap();
        orders.push(drive::claim_ids(&repository, &build::sweep(100, Duration::from_secs(15))).await);
    }
    assert_eq!(orders[0].len(), 100);
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_payouts_are_claimed_and_settled_by_index() {
    let (_, repository) = repository_at(1000);
    for _ in 0..100 {
        let batch: Vec<NewPayout> = (0..1000).map(|_| build::new_payout()).collect();
        repository.insert(&batch).await.unwrap();
    }
    let mut settled = 0;
    loop {
        let claims = repository
            .claim(&build::sweep(1000, build::LONG_LEASE))
            .await
            .unwrap()
            .won;
        if claims.is_empty() {
            break;
        }
        let batch: Vec<_> = claims
            .into_iter()
            .map(|claim| claim.settle(build::completed("ref-1")))
            .collect();
        settled += repository.settle(&batch).await.unwrap().len();
    }
    assert_eq!(settled, 100_000);
}
