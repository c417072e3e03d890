//! Read-only access to a table that a Django application has created, on PostgreSQL or SQLite.
//!
//! Rows are returned as text, in batches, in the order of their primary key. The caller interprets the text. Each batch
//! starts after the last key of the previous batch, so the cost of a batch does not grow with the size of the table.

mod postgres;
mod sqlite;

use std::fmt;

use payout_core::ports::RepositoryError;

use crate::storage::sql::error::refused;

/// A column of the table, or one value within a JSON column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// The key of the value, when the column holds a JSON object.
    pub key: Option<String>,
}

impl Column {
    /// Reads `column` or `column.key`.
    pub fn parse(text: &str) -> Self {
        match text.split_once('.') {
            Some((name, key)) => Self {
                name: name.to_owned(),
                key: Some(key.to_owned()),
            },
            None => Self {
                name: text.to_owned(),
                key: None,
            },
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}.{key}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One row of the table: its primary key and the chosen columns, in the order in which they were chosen.
#[derive(Clone, PartialEq, Eq)]
pub struct DjangoRow {
    /// The primary key.
    pub key: RowKey,
    /// The values as text; `None` for NULL.
    pub values: Vec<Option<String>>,
    /// For each value: true if the database stores it as a binary floating-point number.
    pub floats: Vec<bool>,
}

/// Prints the primary key only: the values contain personal data.
impl fmt::Debug for DjangoRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoRow")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The value of a primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// The key as text.
    pub text: String,
    /// True if the database stores the key as a number.
    pub number: bool,
}

/// A Django table, opened for reading.
pub struct DjangoTable {
    source: Source,
    table: String,
    key: String,
    columns: Vec<Column>,
}

enum Source {
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl DjangoTable {
    /// Connects to the database at `postgres://…` or `sqlite://file`. The file must already exist.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database cannot be reached, or when the URL has another scheme.
    pub async fn open(url: &str, table: &str) -> Result<Self, RepositoryError> {
        let source = if let Some(path) = url.strip_prefix("sqlite:") {
            Source::Sqlite(sqlite::Sqlite::open(path.strip_prefix("//").unwrap_or(path)).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Source::Postgres(postgres::Postgres::open(url).await?)
        } else {
            return Err(refused(
                "use postgres://user:password@host/database or sqlite:///path/to/db.sqlite3",
            ));
        };
        Ok(Self {
            source,
            table: table.to_owned(),
            key: String::new(),
            columns: Vec::new(),
        })
    }

    /// Returns the names of the table's columns in their order; empty when there is no such table.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database does not answer.
    pub async fn column_names(&mut self) -> Result<Vec<String>, RepositoryError> {
        match &mut self.source {
            Source::Postgres(source) => source.column_names(&self.table).await,
            Source::Sqlite(source) => source.column_names(&self.table).await,
        }
    }

    /// Chooses the columns that [`rows`](Self::rows) reads: the primary key's column, and the columns to return.
    pub fn choose(&mut self, key: &str, columns: Vec<Column>) {
        key.clone_into(&mut self.key);
        self.columns = columns;
    }

    /// Counts the rows of the table.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database does not answer.
    pub async fn count(&mut self) -> Result<u64, RepositoryError> {
        match &mut self.source {
            Source::Postgres(source) => source.count(&self.table).await,
            Source::Sqlite(source) => source.count(&self.table).await,
        }
    }

    /// Returns up to `limit` rows that follow `after` in the order of the primary key; without `after`, the first rows.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database does not answer.
    pub async fn rows(
        &mut self,
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Vec<DjangoRow>, RepositoryError> {
        let (table, key, columns) = (&self.table, &self.key, &self.columns);
        match &mut self.source {
            Source::Postgres(source) => source.rows(table, key, columns, after, limit).await,
            Source::Sqlite(source) => source.rows(table, key, columns, after, limit).await,
        }
    }
}

/// Quotes an SQL identifier. A table's name may include its schema (`schema.table`).
fn quoted(name: &str) -> String {
    let part = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// Quotes an SQL string literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_quotes() {
        assert_eq!(quoted("public.payouts_payout"), "\"public\".\"payouts_payout\"");
        assert_eq!(quoted("a\" ; DROP TABLE x --"), "\"a\"\" ; DROP TABLE x --\"");
        assert_eq!(literal("o'clock"), "'o''clock'");
    }

    #[test]
    fn a_column_may_name_a_value_within_it() {
        let column = Column::parse("recipient_details.account");
        assert_eq!(
            (column.name.as_str(), column.key.as_deref()),
            ("recipient_details", Some("account"))
        );
        assert_eq!(column.to_string(), "recipient_details.account");
        assert_eq!(Column::parse("amount").key, None);
    }
}
