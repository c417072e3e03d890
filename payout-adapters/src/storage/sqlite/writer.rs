//! The writing connection, while it is in use.
//!
//! SQLite ends a transaction by itself when the disk is full, when a read or a write fails, or when memory is short.
//! The driver still counts the transaction as open, so such a connection could never begin another. Therefore a
//! connection goes back to its pool only after SQLite has acknowledged the end of its transaction. Otherwise it is
//! closed, and the next write opens another.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::SqliteConnection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::Sqlite;

use super::file::DatabaseFile;
use crate::storage::sql::writes::RecentWrites;

/// The writing connection; no other task has it meanwhile.
pub(super) struct Writer {
    connection: PoolConnection<Sqlite>,
    sound: bool,
}

impl Writer {
    pub(super) fn new(connection: PoolConnection<Sqlite>) -> Self {
        Self {
            connection,
            sound: false,
        }
    }

    /// Returns the connection to the pool: every statement succeeded, and no transaction is open.
    pub(super) fn give_back(mut self) {
        self.sound = true;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.sound {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Writer {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// A transaction during which no other connection can write. If it is dropped before its end, or after an error, it is
/// rolled back together with its connection.
pub(super) struct Transaction {
    writer: Writer,
    file: Arc<DatabaseFile>,
    writes: Arc<RecentWrites>,
    ended: bool,
}

impl Transaction {
    pub(super) async fn begin(
        writer: Writer,
        file: Arc<DatabaseFile>,
        writes: Arc<RecentWrites>,
    ) -> Result<Self, sqlx::Error> {
        let mut this = Self {
            writer,
            file,
            writes,
            ended: false,
        };
        this.run("BEGIN IMMEDIATE").await?;
        Ok(this)
    }

    /// Commits to the file that the next start will open. After an error the commit may still have taken effect.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT").await?;
        self.file.check()?;
        self.writes.succeeded();
        self.end();
        Ok(())
    }

    /// Rolls back.
    pub(super) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK").await?;
        self.end();
        Ok(())
    }

    /// Records that SQLite has acknowledged the end of the transaction.
    fn end(&mut self) {
        (self.ended, self.writer.sound) = (true, true);
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut *self.writer).await?;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.writes.failed();
        }
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.writer
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.writer
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use payout_core::ports::System;
    use sqlx::sqlite::SqliteQueryResult;

    use crate::storage::sqlite::schema;
    use crate::storage::sqlite::store::{Store, Write};

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn store(name: &str) -> (Store, Folder) {
        let name = format!("payout-writer-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite://{}", folder.join("payouts.db").display());
        let store = Store::new(
            &url,
            Arc::new(System::default()),
            &crate::storage::sqlite::SqliteOptions::default(),
        )
        .unwrap();
        schema::migrate(&store).await.unwrap();
        (store, Folder(folder))
    }

    async fn run(write: &mut Write, sql: &'static str) -> Result<SqliteQueryResult, sqlx::Error> {
        sqlx::query(sql).execute(&mut *write.transaction).await
    }

    async fn write_once(store: &Store) {
        let mut write = store.begin().await.unwrap();
        run(&mut write, "UPDATE write_probe SET at = at + 1")
            .await
            .unwrap();
        write.transaction.commit().await.unwrap();
    }

    /// Covers an error after which SQLite ends the transaction by itself.
    #[tokio::test]
    async fn after_the_disk_was_full_the_next_write_goes_through() {
        let (store, _folder) = store("full").await;
        for _ in 0..3 {
            let mut write = store.begin().await.unwrap();
            // No more pages than there are: a bound of this connection alone.
            run(&mut write, "PRAGMA max_page_count = 1").await.unwrap();
            let full = run(&mut write, "UPDATE write_probe SET room = zeroblob(1000000)").await;
            let full = full.unwrap_err();
            assert_eq!(full.as_database_error().unwrap().code().as_deref(), Some("13"));
            drop(write);
            assert!(!store.writes.prove_it(), "the probe must write");
            write_once(&store).await;
            assert!(store.writes.prove_it());
        }
    }

    /// Covers an error after which SQLite leaves the transaction open.
    #[tokio::test]
    async fn after_a_refused_statement_the_next_write_goes_through() {
        let (store, _folder) = store("refused").await;
        for _ in 0..3 {
            let mut write = store.begin().await.unwrap();
            run(&mut write, "UPDATE write_probe SET id = 2")
                .await
                .unwrap_err();
            drop(write);
            write_once(&store).await;
        }
    }

    #[tokio::test]
    async fn what_is_given_up_half_way_is_rolled_back_and_holds_nobody_up() {
        let (store, _folder) = store("half").await;
        let mut write = store.begin().await.unwrap();
        run(&mut write, "UPDATE write_probe SET at = 77").await.unwrap();
        drop(write);
        write_once(&store).await;
        let at: Vec<(i64,)> = store
            .read(sqlx::query_as("SELECT at FROM write_probe"))
            .await
            .unwrap();
        assert_eq!(at, [(1,)]);
    }
}
