//! A transaction of several statements, for the few writes that must decide between two of them.

use payout_core::ports::RepositoryError;
use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::link::{InUse, Link, Statement};
use crate::storage::sql::error::{repository_error, write_error};

/// An open transaction. If it is dropped, or after an error, it is rolled back: its connection is closed, and the
/// server notices that.
pub(super) struct Transaction<'l> {
    link: &'l Link,
    connection: InUse,
}

impl<'l> Transaction<'l> {
    pub(super) async fn begin(link: &'l Link) -> Result<Self, RepositoryError> {
        link.stall.check()?;
        let mut connection = link.take().await.map_err(repository_error)?;
        link.begin(&mut connection).await.map_err(write_error)?;
        Ok(Self { link, connection })
    }

    /// Runs one statement of the transaction.
    pub(super) async fn run<Row>(
        &mut self,
        statement: Statement<'_, Row>,
    ) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let result = self.link.run_on(&mut self.connection, statement).await;
        result.map_err(write_error)
    }

    /// Commits. After an error the commit may still have taken effect.
    pub(super) async fn commit(self) -> Result<(), RepositoryError> {
        self.end("COMMIT").await
    }

    /// Rolls back.
    pub(super) async fn rollback(self) -> Result<(), RepositoryError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), RepositoryError> {
        let statement = sqlx::query_as::<_, ()>(how);
        let ended = self.link.run_on(&mut self.connection, statement).await;
        ended.map_err(repository_error)?;
        self.connection.give_back();
        self.link.writes.succeeded();
        Ok(())
    }
}
