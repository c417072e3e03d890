//! A database file for a single test.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_core::ports::System;
use sqlx::SqlitePool;

/// A database file in a folder of its own, which is removed together with this value.
pub(crate) struct File {
    folder: PathBuf,
}

impl File {
    /// Prepares the path of a file that does not exist yet; the repository creates it.
    pub(crate) fn missing() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "payout-sqlite-{}-{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Self { folder }
    }

    /// Creates a file with the schema, and a repository over it.
    pub(crate) async fn migrated() -> (SqliteRepository, Self) {
        let file = Self::missing();
        let repository = file.repository();
        repository.migrate().await.expect("migrate");
        (repository, file)
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.folder.join("payouts.db").display())
    }

    pub(crate) fn repository(&self) -> SqliteRepository {
        SqliteRepository::open_lazy(&self.url(), Arc::new(System::default())).expect("a repository")
    }

    /// Returns whether the database file or its log contains the text, unused pages included.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let entries = std::fs::read_dir(&self.folder).expect("the folder");
        let files = entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file"));
        files
            .into_iter()
            .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// Opens connections that bypass the repository.
    pub(crate) async fn pool(&self) -> SqlitePool {
        SqlitePool::connect(&self.url()).await.expect("a pool")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
