//! A Django table on PostgreSQL, read in a read-only session in UTC.

use payout_core::ports::RepositoryError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::{Column, DjangoRow, RowKey, literal, quoted};
use crate::storage::sql::error::{refused, repository_error};

pub(super) struct Postgres {
    connection: PgConnection,
    /// The SQL type of the primary key, once it has been queried.
    key_type: Option<String>,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self, RepositoryError> {
        // The parser's error may quote the URL, which contains the password.
        let options: Result<PgConnectOptions, _> = url.parse();
        let options = options
            .map_err(|_| refused("this is not the URL of a PostgreSQL database"))?
            .application_name("payout import-django")
            .disable_statement_logging()
            .options([
                ("default_transaction_read_only", "on"),
                ("timezone", "UTC"),
                ("datestyle", "ISO"),
                ("statement_timeout", "60s"),
            ]);
        Ok(Self {
            connection: options.connect().await.map_err(repository_error)?,
            key_type: None,
        })
    }

    pub(super) async fn column_names(&mut self, table: &str) -> Result<Vec<String>, RepositoryError> {
        let sql = "SELECT attname::text FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows: Vec<(String,)> = sqlx::query_as(sql)
            .bind(quoted(table))
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

    async fn key_type(&mut self, table: &str, key: &str) -> Result<String, RepositoryError> {
        if let Some(known) = &self.key_type {
            return Ok(known.clone());
        }
        let sql = "SELECT format_type(atttypid, NULL)::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2";
        let (key_type,): (String,) = sqlx::query_as(sql)
            .bind(quoted(table))
            .bind(key)
            .fetch_one(&mut self.connection)
            .await
            .map_err(repository_error)?;
        self.key_type = Some(key_type.clone());
        Ok(key_type)
    }

    pub(super) async fn rows(
        &mut self,
        table: &str,
        key: &str,
        columns: &[Column],
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Vec<DjangoRow>, RepositoryError> {
        let key_type = self.key_type(table, key).await?;
        let number = matches!(key_type.as_str(), "smallint" | "integer" | "bigint" | "numeric");
        let values: Vec<String> = columns.iter().map(value).collect();
        let floats: Vec<String> = columns.iter().map(is_float).collect();
        let key = quoted(key);
        let place = after.map_or("", |_| "WHERE {key} > $2::text::{type}");
        let place = place.replace("{key}", &key).replace("{type}", &key_type);
        let sql = format!(
            "SELECT {key}::text, ARRAY[{}]::text[], ARRAY[{}]::boolean[] FROM {} {place} ORDER BY {key} LIMIT $1",
            values.join(", "),
            floats.join(", "),
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
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(DjangoRow {
                key: RowKey {
                    text: row.try_get(0)?,
                    number,
                },
                values: row.try_get(1)?,
                floats: row.try_get(2)?,
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
        Some(key) => format!("({name}::jsonb ->> {})", literal(key)),
        None => format!("{name}::text"),
    }
}

fn is_float(column: &Column) -> String {
    let name = quoted(&column.name);
    format!("pg_typeof({name}) IN ('real'::regtype, 'double precision'::regtype)")
}
