//! Operating the database: [`StorageAdmin`] for SQLite.

use async_trait::async_trait;
use payout_core::payout::PayoutId;
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, ConsoleSessionRepository, PayoutImport, ReconciliationReader,
    RepositoryError,
};
use payout_core::stored_recipient::RecipientId;
use payout_core::webhook::WebhookId;
use std::path::Path;
use std::sync::Arc;

use super::{SqliteRepository, backup, recipients, reseal, rules, schema, webhooks};
use crate::encryption::{KeyCheck, ReencryptedBatch};
use crate::storage::admin::{PoolUse, StorageAdmin, on_one_thread};

#[async_trait]
impl StorageAdmin for SqliteRepository {
    async fn migrate(&self) -> Result<(), RepositoryError> {
        let store = self.store.clone();
        on_one_thread(move || async move { schema::migrate(&store).await }).await
    }

    async fn schema_is_current(&self) -> Result<bool, RepositoryError> {
        schema::is_current(&self.store).await
    }

    async fn audit_trail_flaws(&self) -> Result<Vec<String>, RepositoryError> {
        schema::audit_trail_flaws(&self.store).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        let (open, idle, max) = self.store.connections();
        Some(PoolUse::new(open, idle, max))
    }

    fn reconciliation(&self) -> Option<Arc<dyn ReconciliationReader>> {
        Some(Arc::new(self.clone()))
    }

    fn importer(&self) -> Option<Arc<dyn PayoutImport>> {
        Some(Arc::new(self.clone()))
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
        reseal::check_keys(&self.store).await
    }

    async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        reseal::compare_keys(&self.store).await
    }

    async fn record_rules(&self, rules: &str) -> Result<Option<String>, RepositoryError> {
        rules::record(&self.store, rules).await
    }

    async fn recorded_rules(&self) -> Result<Option<String>, RepositoryError> {
        rules::recorded(&self.store).await
    }

    async fn reseal_payouts(
        &self,
        after: Option<PayoutId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<PayoutId>, RepositoryError> {
        reseal::payouts(&self.store, after, limit).await
    }

    async fn reseal_recipients(
        &self,
        after: Option<RecipientId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<RecipientId>, RepositoryError> {
        recipients::reseal(&self.store, after, limit).await
    }

    async fn reseal_answers(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<ReencryptedBatch<String>, RepositoryError> {
        reseal::answers(&self.store, after.as_deref(), limit).await
    }

    async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        reseal::forget_other_keys(&self.store).await
    }

    async fn reseal_webhooks(
        &self,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<WebhookId>, RepositoryError> {
        webhooks::reseal(&self.store, after, limit).await
    }

    async fn compact(&self) -> Result<(), RepositoryError> {
        reseal::compact(&self.store).await
    }

    async fn copy_to(&self, file: &Path) -> Result<bool, RepositoryError> {
        backup::copy(&self.store, file).await.map(|()| true)
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
