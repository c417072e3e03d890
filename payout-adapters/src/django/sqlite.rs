//! A Django table in a SQLite file, opened read-only.

use payout_core::ports::RepositoryError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::{Column, DjangoRow, RowKey, literal, quoted};
use crate::storage::sql::error::repository_error;

pub(super) struct Sqlite {
    connection: SqliteConnection,
}

impl Sqlite {
    pub(super) async fn open(path: &str) -> Result<Self, RepositoryError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .disable_statement_logging();
        Ok(Self {
            connection: options.connect().await.map_err(repository_error)?,
        })
    }

    pub(super) async fn column_names(&mut self, table: &str) -> Result<Vec<String>, RepositoryError> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
            .bind(table)
            .fetch_all(&mut self.connection)
            .await
            .map_err(repository_error)?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    pub(super) async fn count(&mut self, table: &str) -> Result<u64, RepositoryError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await
            .map_err(repository_error)?;
        Ok(count.unsigned_abs())
    }

    pub(super) async fn rows(
        &mut self,
        table: &str,
        key: &str,
        columns: &[Column],
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Vec<DjangoRow>, RepositoryError> {
        let key = quoted(key);
        let chosen: Vec<String> = columns
            .iter()
            .flat_map(|column| [value(column), is_float(column)])
            .collect();
        let place = match after {
            // SQLite sorts every text after every number, so a key is compared as the type that it is stored as.
            Some(after) if after.number => format!("WHERE {key} > CAST(?2 AS INTEGER)"),
            Some(_) => format!("WHERE {key} > ?2"),
            None => String::new(),
        };
        let sql = format!(
            "SELECT CAST({key} AS TEXT), typeof({key}) = 'integer', {} FROM {} {place} ORDER BY {key} LIMIT ?1",
            chosen.join(", "),
            quoted(table)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit));
        if let Some(after) = after {
            query = query.bind(&after.text);
        }
        let rows = query
            .fetch_all(&mut self.connection)
            .await
            .map_err(repository_error)?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let mut values = Vec::new();
            let mut floats = Vec::new();
            for index in 0..columns.len() {
                values.push(row.try_get(2 + 2 * index)?);
                floats.push(row.try_get(3 + 2 * index)?);
            }
            Ok(DjangoRow {
                key: RowKey {
                    text: row.try_get(0)?,
                    number: row.try_get(1)?,
                },
                values,
                floats,
            })
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, sqlx::Error>>()
            .map_err(repository_error)
    }
}

fn value(column: &Column) -> String {
    let name = quoted(&column.name);
    match &column.key {
        Some(key) => format!("CAST({name} ->> {} AS TEXT)", literal(key)),
        None => format!("CAST({name} AS TEXT)"),
    }
}

fn is_float(column: &Column) -> String {
    let name = quoted(&column.name);
    match &column.key {
        Some(key) => format!("typeof({name} ->> {}) = 'real'", literal(key)),
        None => format!("typeof({name}) = 'real'"),
    }
}
