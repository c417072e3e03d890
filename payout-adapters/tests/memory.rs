//! The contract suites over the adapters that keep everything in memory.

#![cfg(feature = "memory")]

use std::sync::Arc;

use payout_adapters::memory::{MemoryQueue, MemoryRepository};
use payout_core::ports::{JobQueue, PayoutRepository, System};

async fn make_repository() -> Arc<dyn PayoutRepository> {
    Arc::new(MemoryRepository::new(Arc::new(System::default())))
}

async fn make_queue() -> Arc<dyn JobQueue> {
    Arc::new(MemoryQueue::default())
}

payout_core::repository_contract!(make_repository);
payout_core::queue_contract!(make_queue);
