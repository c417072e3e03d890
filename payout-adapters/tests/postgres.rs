//! The repository on PostgreSQL: the contract suites, and the behaviour specific to PostgreSQL.

#![cfg(feature = "postgres")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "approvals/mod.rs"]
mod approvals;
#[path = "postgres/clocks.rs"]
mod clocks;
#[path = "postgres/completions.rs"]
mod completions;
#[path = "postgres/costs.rs"]
mod costs;
#[path = "postgres/database.rs"]
mod database;
#[path = "postgres/feed.rs"]
mod feed;
#[path = "postgres/field_costs.rs"]
mod field_costs;
#[path = "postgres/first_key.rs"]
mod first_key;
#[path = "queues/hints.rs"]
mod hints;
#[path = "postgres/locks.rs"]
mod locks;
#[path = "postgres/outages.rs"]
mod outages;
#[path = "postgres/queue.rs"]
mod queue;
#[path = "postgres/races.rs"]
mod races;
#[path = "postgres/reads.rs"]
mod reads;
#[path = "postgres/schema.rs"]
mod schema;
#[path = "sealed/mod.rs"]
mod sealed;
#[path = "postgres/sealing.rs"]
mod sealing;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/stats.rs"]
mod sums;
#[path = "postgres/totals.rs"]
mod totals;

use std::sync::Arc;

use database::Database;
use payout_core::contract::Fixture;
use payout_core::contract::batches::Batching;
use payout_core::contract::exports::Exporting;
use payout_core::contract::feed::Fed;
use payout_core::contract::imports::Importing;
use payout_core::contract::providers::Routed;
use payout_core::contract::reconciliation::Reconcilable;
use payout_core::contract::stats::Counting;
use payout_core::contract::webhooks::WebhookStore;
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, ConsoleSessionRepository, PayoutRepository, RecipientRepository,
};

async fn make_repository() -> Fixture<dyn PayoutRepository> {
    let (repository, database) = Database::migrated().await;
    let peer: Arc<dyn PayoutRepository> = Arc::new(database.repository());
    let port: Arc<dyn PayoutRepository> = Arc::new(repository);
    Fixture::from((port, database)).with_peer(peer)
}

payout_core::repository_contract!(make_repository);

mod reconciliation {
    use super::*;

    async fn make_books() -> Fixture<dyn Reconcilable> {
        let (repository, database) = Database::migrated().await;
        let port: Arc<dyn Reconcilable> = Arc::new(repository);
        Fixture::from((port, database))
    }

    payout_core::reconciliation_contract!(make_books);
}

mod providers {
    use super::*;

    async fn make_routed() -> Fixture<dyn Routed> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn Routed> = Arc::new(database.repository());
        let port: Arc<dyn Routed> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::providers_contract!(make_routed);
}

mod batches {
    use super::*;

    async fn make_batching() -> Fixture<dyn Batching> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn Batching> = Arc::new(database.repository());
        let port: Arc<dyn Batching> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::batches_contract!(make_batching);
}

mod event_feed {
    use super::*;

    async fn make_fed() -> Fixture<dyn Fed> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn Fed> = Arc::new(database.repository());
        let port: Arc<dyn Fed> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::feed_contract!(make_fed);
}

mod imports {
    use super::*;

    async fn make_importing() -> Fixture<dyn Importing> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn Importing> = Arc::new(database.repository());
        let port: Arc<dyn Importing> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::import_contract!(make_importing);
}

mod exports {
    use super::*;

    async fn make_exporting() -> Fixture<dyn Exporting> {
        let (repository, database) = Database::migrated().await;
        let port: Arc<dyn Exporting> = Arc::new(repository);
        Fixture::from((port, database))
    }

    payout_core::export_contract!(make_exporting);
}

mod stats {
    use super::*;

    async fn make_counting() -> Fixture<dyn Counting> {
        let (repository, database) = Database::migrated().await;
        let port: Arc<dyn Counting> = Arc::new(repository);
        Fixture::from((port, database))
    }

    payout_core::stats_contract!(make_counting);
}

mod recipients {
    use super::*;

    async fn make_recipients() -> Fixture<dyn RecipientRepository> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn RecipientRepository> = Arc::new(database.repository());
        let port: Arc<dyn RecipientRepository> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::recipients_contract!(make_recipients);
}

mod webhooks {
    use super::*;

    async fn make_webhooks() -> Fixture<dyn WebhookStore> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn WebhookStore> = Arc::new(database.repository());
        let port: Arc<dyn WebhookStore> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::webhooks_contract!(make_webhooks);
}

mod keys {
    use super::*;

    async fn make_keys() -> Fixture<dyn ApiKeyRepository> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn ApiKeyRepository> = Arc::new(database.repository());
        let port: Arc<dyn ApiKeyRepository> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::api_keys_contract!(make_keys);
}

mod console_sessions {
    use super::*;

    async fn make_sessions() -> Fixture<dyn ConsoleSessionRepository> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn ConsoleSessionRepository> = Arc::new(database.repository());
        let port: Arc<dyn ConsoleSessionRepository> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::console_sessions_contract!(make_sessions);
}

mod bulk {
    use super::*;

    async fn make_bulk() -> Fixture<dyn BulkActionRepository> {
        let (repository, database) = Database::migrated().await;
        let peer: Arc<dyn BulkActionRepository> = Arc::new(database.repository());
        let port: Arc<dyn BulkActionRepository> = Arc::new(repository);
        Fixture::from((port, database)).with_peer(peer)
    }

    payout_core::bulk_contract!(make_bulk);
}
