//! The repository on SQLite: the contract suites, and the behaviour specific to SQLite.

#![cfg(feature = "sqlite")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "approvals/mod.rs"]
mod approvals;
#[path = "sqlite/clocks.rs"]
mod clocks;
#[path = "sqlite/feed.rs"]
mod feed;
#[path = "sqlite/file.rs"]
mod file;
#[path = "sqlite/first_key.rs"]
mod first_key;
#[path = "sqlite/reads.rs"]
mod reads;
#[path = "sqlite/replaced.rs"]
mod replaced;
#[path = "sqlite/schema.rs"]
mod schema;
#[path = "sealed/mod.rs"]
mod sealed;
#[path = "sqlite/sealing.rs"]
mod sealing;
#[path = "sqlite/writers.rs"]
mod writers;

use std::sync::Arc;

use file::File;
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
    let (repository, file) = File::migrated().await;
    let peer: Arc<dyn PayoutRepository> = Arc::new(file.repository());
    let port: Arc<dyn PayoutRepository> = Arc::new(repository);
    Fixture::from((port, file)).with_peer(peer)
}

payout_core::repository_contract!(make_repository);

mod reconciliation {
    use super::*;

    async fn make_books() -> Fixture<dyn Reconcilable> {
        let (repository, file) = File::migrated().await;
        let port: Arc<dyn Reconcilable> = Arc::new(repository);
        Fixture::from((port, file))
    }

    payout_core::reconciliation_contract!(make_books);
}

mod providers {
    use super::*;

    async fn make_routed() -> Fixture<dyn Routed> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn Routed> = Arc::new(file.repository());
        let port: Arc<dyn Routed> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::providers_contract!(make_routed);
}

mod batches {
    use super::*;

    async fn make_batching() -> Fixture<dyn Batching> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn Batching> = Arc::new(file.repository());
        let port: Arc<dyn Batching> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::batches_contract!(make_batching);
}

mod event_feed {
    use super::*;

    async fn make_fed() -> Fixture<dyn Fed> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn Fed> = Arc::new(file.repository());
        let port: Arc<dyn Fed> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::feed_contract!(make_fed);
}

mod imports {
    use super::*;

    async fn make_importing() -> Fixture<dyn Importing> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn Importing> = Arc::new(file.repository());
        let port: Arc<dyn Importing> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::import_contract!(make_importing);
}

mod exports {
    use super::*;

    async fn make_exporting() -> Fixture<dyn Exporting> {
        let (repository, file) = File::migrated().await;
        let port: Arc<dyn Exporting> = Arc::new(repository);
        Fixture::from((port, file))
    }

    payout_core::export_contract!(make_exporting);
}

mod stats {
    use super::*;

    async fn make_counting() -> Fixture<dyn Counting> {
        let (repository, file) = File::migrated().await;
        let port: Arc<dyn Counting> = Arc::new(repository);
        Fixture::from((port, file))
    }

    payout_core::stats_contract!(make_counting);
}

mod recipients {
    use super::*;

    async fn make_recipients() -> Fixture<dyn RecipientRepository> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn RecipientRepository> = Arc::new(file.repository());
        let port: Arc<dyn RecipientRepository> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::recipients_contract!(make_recipients);
}

mod webhooks {
    use super::*;

    async fn make_webhooks() -> Fixture<dyn WebhookStore> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn WebhookStore> = Arc::new(file.repository());
        let port: Arc<dyn WebhookStore> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::webhooks_contract!(make_webhooks);
}

mod keys {
    use super::*;

    async fn make_keys() -> Fixture<dyn ApiKeyRepository> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn ApiKeyRepository> = Arc::new(file.repository());
        let port: Arc<dyn ApiKeyRepository> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::api_keys_contract!(make_keys);
}

mod console_sessions {
    use super::*;

    async fn make_sessions() -> Fixture<dyn ConsoleSessionRepository> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn ConsoleSessionRepository> = Arc::new(file.repository());
        let port: Arc<dyn ConsoleSessionRepository> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::console_sessions_contract!(make_sessions);
}

mod bulk {
    use super::*;

    async fn make_bulk() -> Fixture<dyn BulkActionRepository> {
        let (repository, file) = File::migrated().await;
        let peer: Arc<dyn BulkActionRepository> = Arc::new(file.repository());
        let port: Arc<dyn BulkActionRepository> = Arc::new(repository);
        Fixture::from((port, file)).with_peer(peer)
    }

    payout_core::bulk_contract!(make_bulk);
}
