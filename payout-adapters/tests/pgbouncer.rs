//! The repository on PostgreSQL behind PgBouncer, which gives each transaction a session: the contract suites, and the
//! limits that a session would have.

#![cfg(feature = "postgres")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "postgres/database.rs"]
#[expect(dead_code, reason = "it has more than these tests need")]
mod database;
#[path = "pgbouncer/limits.rs"]
mod limits;
#[path = "pgbouncer/measured.rs"]
mod measured;
#[path = "pgbouncer/throwaway.rs"]
mod throwaway;

use std::sync::Arc;

use database::Database;
use payout_adapters::storage::postgres::{Pooler, PostgresRepository};
use payout_core::contract::Fixture;
use payout_core::contract::batches::Batching;
use payout_core::contract::exports::Exporting;
use payout_core::contract::feed::Fed;
use payout_core::contract::imports::Importing;
use payout_core::contract::providers::Routed;
use payout_core::contract::reconciliation::Reconcilable;
use payout_core::contract::stats::Counting;
use payout_core::contract::webhooks::WebhookStore;
use payout_core::ports::{ApiKeyRepository, PayoutRepository, RecipientRepository};
use throwaway::PgBouncer;

/// Makes two handles to a new database behind a PgBouncer of its own, and what must outlive them.
async fn two_behind_pgbouncer() -> (PostgresRepository, PostgresRepository, (PgBouncer, Database)) {
    let (pooler, database) = PgBouncer::in_mode(Pooler::Transaction).await;
    let (repository, peer) = (pooler.repository(&database), pooler.repository(&database));
    (repository, peer, (pooler, database))
}

/// Runs a suite over a port of the repository.
macro_rules! behind_pgbouncer {
    ($($module:ident: $port:path => $contract:ident),+ $(,)?) => {
        $(mod $module {
            use super::*;

            async fn make() -> Fixture<dyn $port> {
                let (repository, peer, keep) = two_behind_pgbouncer().await;
                let port: Arc<dyn $port> = Arc::new(repository);
                let peer: Arc<dyn $port> = Arc::new(peer);
                Fixture::from((port, keep)).with_peer(peer)
            }

            payout_core::$contract!(make);
        })+
    };
}

behind_pgbouncer! {
    payouts: PayoutRepository => repository_contract,
    reconciliation: Reconcilable => reconciliation_contract,
    providers: Routed => providers_contract,
    batches: Batching => batches_contract,
    event_feed: Fed => feed_contract,
    imports: Importing => import_contract,
    exports: Exporting => export_contract,
    stats: Counting => stats_contract,
    recipients: RecipientRepository => recipients_contract,
    webhooks: WebhookStore => webhooks_contract,
    keys: ApiKeyRepository => api_keys_contract,
}
