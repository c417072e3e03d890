//! A table that a Django application has made, on PostgreSQL or SQLite: read, never written.
//!
//! Rows come as text, in the order of their primary key, a batch at a time; what the text means is the caller's to say. Each
//! batch begins after the last key of the one before, so the cost of a batch does not grow with the table.

mod postgres;
mod sqlite;

use std::fmt;

use payout_core::ports::RepositoryError;

use crate::sql::error::refused;

/// A column, or one value within a column of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column.
    pub name: String,
    /// The key of the value within it, where it is a JSON object.
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

/// One row: its primary key, and the chosen columns in their order.
#[derive(Clone, PartialEq, Eq)]
pub struct DjangoRow {
    /// The primary key.
    pub key: RowKey,
    /// The values; absent for NULL.
    pub values: Vec<Option<String>>,
    /// For each value, whether the database keeps it as a binary floating-point number.
    pub floats: Vec<bool>,
}

/// Never the values: they have personal data.
impl fmt::Debug for DjangoRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoRow")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// Its text.
    pub text: String,
    /// Whether the database keeps it as a number.
    pub number: bool,
}

/// A table, opened for reading.
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
    /// Connects to `postgres://…` or `sqlite://file`, which must be there.
    ///
    /// # Errors
    /// [`RepositoryError`] when it cannot be reached, or the address is none of these.
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

    /// The names of the table's columns, in their order; none when there is no such table.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database does not answer.
    pub async fn column_names(&mut self) -> Result<Vec<String>, RepositoryError> {
        match &mut self.source {
            Source::Postgres(source) => source.column_names(&self.table).await,
            Source::Sqlite(source) => source.column_names(&self.table).await,
        }
    }

    /// Chooses what [`rows`](Self::rows) reads: the column of the primary key, and the others.
    pub fn choose(&mut self, key: &str, columns: Vec<Column>) {
        key.clone_into(&mut self.key);
        self.columns = columns;
    }

    /// The number of rows.
    ///
    /// # Errors
    /// [`RepositoryError`] when the database does not answer.
    pub async fn count(&mut self) -> Result<u64, RepositoryError> {
        match &mut self.source {
            Source::Postgres(source) => source.count(&self.table).await,
            Source::Sqlite(source) => source.count(&self.table).await,
        }
    }

    /// Up to `limit` rows that follow `after` in the order of the primary key.
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

/// An identifier, quoted as SQL has it; a table may have its schema before it.
fn quoted(name: &str) -> String {
    let part = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A text, quoted as SQL has it.
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
