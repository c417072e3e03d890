//! What operating a database takes besides the ports: its schema, its encryption, its copies and its connections.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use payout_core::payout::PayoutId;
use payout_core::ports::{ApiKeyRepository, Books, PayoutImport, RepositoryError};
use tokio::runtime::Handle;

use crate::seal::{KeyCheck, Stretch};

/// How the connections of a pool are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that run something.
    pub in_use: u32,
    /// Connections that wait for work.
    pub idle: u32,
    /// The largest number of connections.
    pub max: u32,
}

impl PoolUse {
    /// Counts from the open and the idle connections, which are read one after the other.
    pub(crate) fn new(open: u32, idle: u32, max: u32) -> Self {
        Self {
            in_use: open.saturating_sub(idle),
            idle,
            max,
        }
    }
}

/// A server's settings that decide whether an acknowledged commit survives a crash of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `fsync`: the server waits for its disk. Without it a crash may destroy the database.
    pub fsync: bool,
    /// `full_page_writes`: a page that was half written in a crash can be mended. File systems that never write half a
    /// page do without.
    pub full_page_writes: bool,
    /// `synchronous_commit` of this service's sessions.
    pub synchronous_commit: String,
    /// `synchronous_commit` as the server, the database or the role sets it.
    pub configured_synchronous_commit: String,
}

/// Operates the database behind a repository.
///
/// The defaults are those of a store that has nothing to operate: no schema, no encryption, no file, no connections.
#[async_trait]
pub trait StorageAdmin: Send + Sync {
    /// Brings the schema up to date; harmless when it is, and when several processes do so at once.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] when the schema is not one of ours.
    async fn migrate(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    /// Tells whether every migration that this program knows has been applied.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; [`RepositoryError::Refused`] when one of them was applied with other text than
    /// this program's.
    async fn schema_is_current(&self) -> Result<bool, RepositoryError> {
        Ok(true)
    }

    /// Lists where the protection of the audit trail is not as the migrations made it; empty when all is well.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn audit_trail_flaws(&self) -> Result<Vec<String>, RepositoryError> {
        Ok(Vec::new())
    }

    /// Reads what a commit is worth, where a server's settings decide it.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn durability(&self) -> Result<Option<Durability>, RepositoryError> {
        Ok(None)
    }

    /// Counts the connections; absent where there are none.
    fn pool_use(&self) -> Option<PoolUse> {
        None
    }

    /// The ledger for reconciliation; absent for what only this process sees.
    fn books(&self) -> Option<Arc<dyn Books>> {
        None
    }

    /// The port that takes over another service's payouts; absent for what only this process sees.
    fn importer(&self) -> Option<Arc<dyn PayoutImport>> {
        None
    }

    /// The API keys of this database; absent where it holds none.
    fn api_keys(&self) -> Option<Arc<dyn ApiKeyRepository>> {
        None
    }

    /// Compares the encryption keys with those that the database knows, and makes the current one known to it.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn check_keys(&self) -> Result<KeyCheck, RepositoryError> {
        Ok(KeyCheck::Fits)
    }

    /// Compares the encryption keys with those that the database knows, and writes nothing.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        Ok(KeyCheck::Fits)
    }

    /// Encrypts with the current key those of the next `limit` payouts after `after` that are not. The answer says where
    /// to go on; repeat to the last.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_payouts(
        &self,
        after: Option<PayoutId>,
        limit: u32,
    ) -> Result<Stretch<PayoutId>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(Stretch::default())
    }

    /// Encrypts with the current key those of the next `limit` idempotency records after `after` that are not. The answer
    /// says where to go on; repeat to the last.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn reseal_answers(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Stretch<String>, RepositoryError> {
        let (_, _) = (after, limit);
        Ok(Stretch::default())
    }

    /// Removes what was overwritten or deleted from the free pages of a file and from its log, where that is this
    /// process's to do. Others' writes wait meanwhile.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] while another process is in the way.
    async fn compact(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    /// Forgets the encryption keys that nothing is encrypted with any more; returns their ids.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        Ok(Vec::new())
    }

    /// Copies everything, as of one moment, into a file that is missing or empty; others may write meanwhile. False where
    /// the database is not a file.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], or [`RepositoryError::Refused`] when the file cannot be written.
    async fn copy_to(&self, file: &Path) -> Result<bool, RepositoryError> {
        let _ = file;
        Ok(false)
    }

    /// Closes the connections, once what runs on them has ended.
    async fn close(&self) {}
}

/// A store with nothing to operate: in memory, or a repository of the embedding program's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingToOperate;

impl StorageAdmin for NothingToOperate {}

/// Runs a future that the compiler cannot prove to be `Send`: sqlx's migrator, over a borrowed connection.
pub(crate) async fn on_one_thread<F>(make: impl FnOnce() -> F + Send + 'static) -> Result<(), RepositoryError>
where
    F: Future<Output = Result<(), RepositoryError>>,
{
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(make()))
        .await
        .unwrap_or_else(|panicked| Err(RepositoryError::Refused(Box::new(panicked))))
}
