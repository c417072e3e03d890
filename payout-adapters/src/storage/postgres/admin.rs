//! Operating the database: [`StorageAdmin`] for PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use payout_core::payout::PayoutId;
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, ConsoleSessionRepository, PayoutImport, ReconciliationReader,
    RepositoryError,
};
use payout_core::stored_recipient::RecipientId;
use payout_core::webhook::WebhookId;

use super::{PostgresRepository, durability, feed, recipients, reseal, rules, schema, webhooks};
use crate::encryption::{KeyCheck, ReencryptedBatch};
use crate::storage::admin::{Durability, PoolUse, StorageAdmin, on_one_thread};

#[async_trait]
impl StorageAdmin for PostgresRepository {
    async fn migrate(&self) -> Result<(), RepositoryError> {
        let link = self.link.clone();
        on_one_thread(move || async move { schema::migrate(&link).await }).await?;
        feed::go_on(&self.link).await
    }

    async fn schema_is_current(&self) -> Result<bool, RepositoryError> {
        schema::is_current(&self.link).await
    }

    async fn audit_trail_flaws(&self) -> Result<Vec<String>, RepositoryError> {
        schema::audit_trail_flaws(&self.link).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        let (open, idle, max) = self.link.connections();
        Some(PoolUse::new(open, idle, max))
    }

    fn reconciliation(&self) -> Option<Arc<dyn ReconciliationReader>> {
        Some(Arc::new(self.clone()))
    }

    fn importer(&self) -> Option<Arc<dyn PayoutImport>> {
        Some(Arc::new(self.clone()))
    }

    async fn continue_feed(&self) -> Result<(), RepositoryError> {
        feed::go_on(&self.link).await
    }

    fn api_keys(&self) -> Option<Arc<dyn ApiKeyRepository>> {
        Some(Arc::new(self.clone()))
    }

    fn console_sessions(&self) -> Option<Arc<dyn ConsoleSessionRepository>> {
        Some(Arc::new(self.clone()))
    }

    fn bulk_actions(&self) -> Option<Arc<dyn BulkActionRepository>> {
        Some(Arc::new(self.clone()))
    }

    async fn check_keys(&self) -> Result<KeyCheck, RepositoryError> {
        reseal::check_keys(&self.link).await
    }

    async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        reseal::compare_keys(&self.link).await
    }

    async fn record_rules(&self, rules: &str) -> Result<Option<String>, RepositoryError> {
        rules::record(&self.link, rules).await
    }

    async fn recorded_rules(&self) -> Result<Option<String>, RepositoryError> {
        rules::recorded(&self.link).await
    }

    async fn reseal_payouts(
        &self,
        after: Option<PayoutId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<PayoutId>, RepositoryError> {
        reseal::payouts(&self.link, after, limit).await
    }

    async fn reseal_recipients(
        &self,
        after: Option<RecipientId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<RecipientId>, RepositoryError> {
        recipients::reseal(&self.link, after, limit).await
    }

    async fn reseal_answers(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<ReencryptedBatch<String>, RepositoryError> {
        reseal::answers(&self.link, after.as_deref(), limit).await
    }

    async fn reseal_webhooks(
        &self,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<WebhookId>, RepositoryError> {
        webhooks::reseal(&self.link, after, limit).await
    }

    async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        reseal::forget_other_keys(&self.link).await
    }

    async fn durability(&self) -> Result<Option<Durability>, RepositoryError> {
        durability::durability(&self.link).await.map(Some)
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
