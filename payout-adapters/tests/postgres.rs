//! The repository on PostgreSQL: the contract suites, and the behaviour specific to PostgreSQL.

#![cfg(feature = "postgres")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "postgres/clocks.rs"]
mod clocks;
#[path = "postgres/costs.rs"]
mod costs;
#[path = "postgres/database.rs"]
mod database;
#[path = "postgres/first_key.rs"]
mod first_key;
#[path = "postgres/locks.rs"]
mod locks;
#[path = "postgres/outages.rs"]
mod outages;
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
#[path = "postgres/totals.rs"]
mod totals;

use std::sync::Arc;

use database::Database;
use payout_core::contract::Fixture;
use payout_core::contract::imports::Importing;
use payout_core::contract::reconciliation::Reconcilable;
use payout_core::ports::{ApiKeyRepository, PayoutRepository};

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
