//! Sealed payouts on SQLite.

use std::sync::Arc;

use payout_adapters::encryption::EncryptionKeys;
use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_core::contract::{Fixture, drive};
use payout_core::ports::PayoutRepository;
use sqlx::AssertSqlSafe;

use crate::file::File;
use crate::sealed::{ONE, Sealable, keys, sealing_cases};

async fn make_repository() -> Fixture<dyn PayoutRepository> {
    let (repository, file) = File::migrated().await;
    let peer: Arc<dyn PayoutRepository> = Arc::new(file.with(keys(ONE)));
    let port: Arc<dyn PayoutRepository> = Arc::new(repository.sealing_with(keys(ONE)));
    Fixture::from((port, file)).with_peer(peer)
}

mod providers {
    use payout_core::contract::providers::Routed;

    use super::*;

    async fn make_routed() -> Fixture<dyn Routed> {
        let (repository, file) = File::migrated().await;
        let port: Arc<dyn Routed> = Arc::new(repository.sealing_with(keys(ONE)));
        Fixture::from((port, file))
    }

    payout_core::providers_contract!(make_routed);
}

mod contract {
    payout_core::repository_contract!(super::make_repository, whole names);
}

async fn migrated() -> File {
    File::migrated().await.1
}

sealing_cases!(migrated());

crate::approvals::approval_cases!(migrated());

#[tokio::test]
async fn an_amount_that_is_no_number_fails_its_row_alone() {
    crate::sealed::an_amount_that_is_no_number_fails_its_row_alone(migrated().await, "'1.2.3'").await;
}

impl Sealable for File {
    type Repository = SqliteRepository;

    fn with(&self, keys: EncryptionKeys) -> SqliteRepository {
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
async fn after_it_was_compacted_the_file_has_nothing_of_what_was_there_in_plain() {
    let (plain, file) = File::migrated().await;
    for _ in 0..200 {
        drive::store(&plain, payout_core::contract::build::paid_to("Canary Lovelace")).await;
    }
    assert!(file.contains("Canary"), "the search finds what is there");
    let sealing = file.with(keys(ONE));
    let mut after = None;
    loop {
        after = sealing.reseal_payouts(after, 50).await.unwrap().next;
        if after.is_none() {
            break;
        }
    }
    assert!(file.contains("Canary"), "it is in free pages, or in the log");
    plain.close().await;
    sealing.compact().await.unwrap();
    assert!(!file.contains("Canary") && !file.contains("canary"));
}

#[tokio::test]
async fn secrets_of_webhooks_are_encrypted_and_rotated() {
    crate::sealed::secrets_of_webhooks_are_encrypted_and_rotated(migrated().await).await;
}

mod webhooks {
    use payout_core::contract::webhooks::WebhookStore;

    use super::*;

    async fn make_webhooks() -> Fixture<dyn WebhookStore> {
        let (repository, store) = File::migrated().await;
        let port: Arc<dyn WebhookStore> = Arc::new(repository.sealing_with(keys(ONE)));
        Fixture::from((port, store))
    }

    payout_core::webhooks_contract!(make_webhooks);
}
