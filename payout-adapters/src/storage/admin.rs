//! Operation of a database, beside the ports: its schema, its encryption, its copies and its connections.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use payout_core::payout::PayoutId;
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, ConsoleSessionRepository, PayoutImport, ReconciliationReader,
    RepositoryError,
};
use payout_core::stored_recipient::RecipientId;
use payout_core::webhook::WebhookId;
use tokio::runtime::Handle;

use crate::encryption::{KeyCheck, ReencryptedBatch};

/// The use of a connection pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// The number of connections that are running a statement.
    pub in_use: u32,
    /// The number of connections that are idle.
    pub idle: u32,
    /// The maximum number of connections.
    pub max: u32,
}

impl PoolUse {
    /// Computes the use from the open and the idle connections, which are read one after the other.
    pub(crate) fn new(open: u32, idle: u32, max: u32) -> Self {
        Self {
            in_use: open.saturating_sub(idle),
            idle,
            max,
        }
    }
}

/// The settings of a server that decide whether an acknowledged commit survives a crash of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `fsync`: the server waits for its disk. Without it, a crash may destroy the database.
    pub fsync: bool,
    /// `full_page_writes`: the server can repair a page that a crash left half written. It is not needed on file
    /// systems that never write half a page.
    pub full_page_writes: bool,
    /// The `synchronous_commit` of this service's sessions.
    pub synchronous_commit: String,
    /// The `synchronous_commit` that the server, the database or the role configures.
    pub configured_synchronous_commit: String,
}

/// Operates the database behind a repository.
///
/// The defaults are those of a store that has nothing to operate: no schema, no encryption, no file, no connections.
#[async_trait]
pub trait StorageAdmin: Send + Sync {
    /// Brings the schema up to date. Does nothing when it already is; several processes may migrate at once.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] when the schema is not one of this project's.
    async fn migrate(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    /// Returns whether every migration that this program knows has been applied.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] when an applied migration differs from this
    /// program's.
    async fn schema_is_current(&self) -> Result<bool, RepositoryError> {
        Ok(true)
    }

    /// Lists the differences between the audit trail's protection and the one that the migrations created; empty when
    /// all is well.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn audit_trail_flaws(&self) -> Result<Vec<String>, RepositoryError> {
        Ok(Vec::new())
    }

    /// Reads the settings that decide whether commits are durable; `None` where no server decides it.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn durability(&self) -> Result<Option<Durability>, RepositoryError> {
        Ok(None)
    }

    /// Returns the use of the connections; `None` for a store without connections.
    fn pool_use(&self) -> Option<PoolUse> {
        None
    }

    /// Returns the ledger for reconciliation; `None` where only this process sees the data.
    fn reconciliation(&self) -> Option<Arc<dyn ReconciliationReader>> {
        None
    }

    /// Returns the port that imports another service's payouts; `None` where only this process sees the data.
    fn importer(&self) -> Option<Arc<dyn PayoutImport>> {
        None
    }

    /// Makes sure that new events come after all stored ones, also after a restore into another server. Called by every
    /// process before its first write.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] if the process may not change the schema and the
    /// store needs it.
    async fn continue_feed(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    /// Returns the API keys of this database; `None` where it holds none.
    fn api_keys(&self) -> Option<Arc<dyn ApiKeyRepository>> {
        None
    }

    /// Returns the sessions of the console in this database; `None` where it holds none.
    fn console_sessions(&self) -> Option<Arc<dyn ConsoleSessionRepository>> {
        None
    }

    /// Returns the bulk actions in this database; `None` where it holds none.
    fn bulk_actions(&self) -> Option<Arc<dyn BulkActionRepository>> {
        None
    }

    /// Checks the configured encryption keys against those that the database knows, and records the current key.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn check_keys(&self) -> Result<KeyCheck, RepositoryError> {
        Ok(KeyCheck::Fits)
    }

    /// Checks the configured encryption keys against those that the database knows, without writing anything.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        Ok(KeyCheck::Fits)
    }

    /// Records the operator's rules for payouts as a server has them. Returns those that were recorded before; `None` if
    /// there were none.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn record_rules(&self, _rules: &str) -> Result<Option<String>, RepositoryError> {
        Ok(None)
    }

    /// Returns the operator's rules that the latest server recorded; `None` before the first.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn recorded_rules(&self) -> Result<Option<String>, RepositoryError> {
        Ok(None)
    }

    /// Re-seals the next `limit` payouts after `after` with the current key, except those that it sealed already. The
    /// result says where to continue; the operator's command repeats this until nothing is left.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_payouts(
        &self,
        after: Option<PayoutId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<PayoutId>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(ReencryptedBatch::default())
    }

    /// Re-seals the next `limit` stored recipients after `after` with the current key, except those that it sealed already.
    /// The result says where to continue; the operator's command repeats this until nothing is left.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_recipients(
        &self,
        after: Option<RecipientId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<RecipientId>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(ReencryptedBatch::default())
    }

    /// Re-seals the next `limit` idempotency records after `after` with the current key, except those that it sealed
    /// already. The result says where to continue; the operator's command repeats this until nothing is left.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_answers(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<ReencryptedBatch<String>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(ReencryptedBatch::default())
    }

    /// Re-seals the secrets of the next `limit` webhook endpoints after `after` with the current key, except those that
    /// it sealed already. The result says where to continue; the operator's command repeats this until nothing is left.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_webhooks(
        &self,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<ReencryptedBatch<WebhookId>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(ReencryptedBatch::default())
    }

    /// Removes overwritten and deleted data from the free pages of a database file and from its log. Does nothing where
    /// a server does this itself. Other writes wait in the meantime.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] while another process uses the file.
    async fn compact(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    /// Forgets the encryption keys with which nothing is sealed any more; returns their ids.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        Ok(Vec::new())
    }

    /// Copies the database, as of a single moment, into a file that is missing or empty. Others may write in the
    /// meantime. Returns false where the database is not a file.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] when the file cannot be written.
    async fn copy_to(&self, file: &Path) -> Result<bool, RepositoryError> {
        let _ = file;
        Ok(false)
    }

    /// Closes the connections after their current statements.
    async fn close(&self) {}
}

/// A store with nothing to operate: payouts in memory, or the embedding program's own repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingToOperate;

impl StorageAdmin for NothingToOperate {}

/// Runs a future that the compiler cannot prove to be `Send`: the migrator of sqlx on a borrowed connection.
pub(crate) async fn on_one_thread<F>(make: impl FnOnce() -> F + Send + 'static) -> Result<(), RepositoryError>
where
    F: Future<Output = Result<(), RepositoryError>>,
{
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(make()))
        .await
        .unwrap_or_else(|panicked| Err(RepositoryError::Refused(Box::new(panicked))))
}
