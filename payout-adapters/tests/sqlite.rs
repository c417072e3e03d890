//! The repository on SQLite: the contract suites, and the behaviour specific to SQLite.

#![cfg(feature = "sqlite")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "sqlite/clocks.rs"]
mod clocks;
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
use payout_core::contract::imports::Importing;
use payout_core::contract::reconciliation::Reconcilable;
use payout_core::ports::{ApiKeyRepository, PayoutRepository};

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
