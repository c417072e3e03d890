//! Sealed payouts on PostgreSQL.

use std::sync::Arc;

use payout_adapters::encryption::EncryptionKeys;
use payout_adapters::storage::postgres::PostgresRepository;
use payout_core::contract::Fixture;
use payout_core::ports::PayoutRepository;
use sqlx::AssertSqlSafe;

use crate::database::Database;
use crate::sealed::{ONE, Sealable, keys, sealing_cases};

async fn make_repository() -> Fixture<dyn PayoutRepository> {
    let (repository, database) = Database::migrated().await;
    let peer: Arc<dyn PayoutRepository> = Arc::new(database.with(keys(ONE)));
    let port: Arc<dyn PayoutRepository> = Arc::new(repository.sealing_with(keys(ONE)));
    Fixture::from((port, database)).with_peer(peer)
}

mod providers {
    use payout_core::contract::providers::Routed;

    use super::*;

    async fn make_routed() -> Fixture<dyn Routed> {
        let (repository, database) = Database::migrated().await;
        let port: Arc<dyn Routed> = Arc::new(repository.sealing_with(keys(ONE)));
        Fixture::from((port, database))
    }

    payout_core::providers_contract!(make_routed);
}

mod contract {
    payout_core::repository_contract!(super::make_repository, whole names);
}

/// Defines SQLite's `hex` function, which the shared test cases use.
const HEX: &str = "
    CREATE FUNCTION hex(bytea) RETURNS text LANGUAGE sql AS $$ SELECT encode($1, 'hex') $$;
    CREATE FUNCTION hex(uuid) RETURNS text LANGUAGE sql AS $$ SELECT replace($1::text, '-', '') $$;";

async fn migrated() -> Database {
    let (_, database) = Database::migrated().await;
    sqlx::raw_sql(HEX).execute(&database.pool().await).await.unwrap();
    database
}

sealing_cases!(migrated());

crate::approvals::approval_cases!(migrated());

#[tokio::test]
async fn an_amount_that_is_no_number_fails_its_row_alone() {
    crate::sealed::an_amount_that_is_no_number_fails_its_row_alone(migrated().await, "'NaN'").await;
}

impl Sealable for Database {
    type Repository = PostgresRepository;

    fn with(&self, keys: EncryptionKeys) -> PostgresRepository {
        self.repository().sealing_with(keys)
    }

    async fn execute(&self, sql: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let changed = statement
            .execute(&self.pool().await)
            .await
            .unwrap()
            .rows_affected();
        assert_eq!(changed, 1, "{sql}");
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let pool = self.pool().await;
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&pool).await;
        rows.unwrap_or_else(|error| {
            assert!(error.as_database_error().is_some(), "{error}");
            vec!["refused".to_owned()]
        })
    }
}

#[tokio::test]
async fn secrets_of_webhooks_are_encrypted_and_rotated() {
    crate::sealed::secrets_of_webhooks_are_encrypted_and_rotated(migrated().await).await;
}

mod webhooks {
    use payout_core::contract::webhooks::WebhookStore;

    use super::*;

    async fn make_webhooks() -> Fixture<dyn WebhookStore> {
        let (repository, store) = Database::migrated().await;
        let port: Arc<dyn WebhookStore> = Arc::new(repository.sealing_with(keys(ONE)));
        Fixture::from((port, store))
    }

    payout_core::webhooks_contract!(make_webhooks);
}
