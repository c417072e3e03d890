//! The contract suites over this project's ports, with one test per case.

use std::sync::Arc;

use own_ports::{Bank, Line, Shelf};
use payout_core::ports::{JobQueue, PayoutRepository, Processor};

async fn a_processor() -> Arc<dyn Processor> {
    Arc::new(Bank::default())
}

async fn a_queue() -> Arc<dyn JobQueue> {
    Arc::new(Line::default())
}

async fn a_repository() -> Arc<dyn PayoutRepository> {
    Arc::new(Shelf::default())
}

payout_core::processor_contract!(a_processor);
payout_core::queue_contract!(a_queue);
payout_core::repository_contract!(a_repository);
