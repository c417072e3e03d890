//! PostgreSQL and Redis for the benchmark alone, and the contents of their tables.
//!
//! The server is durable (`fsync` and `synchronous_commit` on), and both sides of every row use the same server.

use std::time::Duration;

use futures::TryStreamExt;
use payout_tests::throwaway::{Postgres, Redis};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};

use crate::Outcome;
use crate::service::Services;

const DURABLE: &[&str] = &[
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "max_connections=400",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
];

/// Both servers, stopped when this is dropped.
pub(crate) struct Servers {
    postgres: Postgres,
    redis: Redis,
}

impl Servers {
    pub(crate) async fn start() -> Outcome<Self> {
        let (mut postgres, mut redis) = (Postgres::reserved(), Redis::reserved());
        postgres.start_with(DURABLE).await;
        redis.start().await;
        Ok(Self { postgres, redis })
    }

    /// Creates a database with this name and the service's schema.
    pub(crate) async fn database(&self, name: &str, services: &Services) -> Outcome<Database> {
        let maintenance = PgPoolOptions::new()
            .max_connections(1)
            .connect(&self.postgres.url())
            .await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&maintenance)
            .await?;
        maintenance.close().await;
        let url = self.postgres.url_of(name);
        let variables = vec![
            ("DATABASE_URL".to_owned(), url.clone()),
            ("REDIS_URL".to_owned(), self.redis.url()),
            ("PAYOUT_REDIS_PREFIX".to_owned(), name.to_owned()),
        ];
        services.run("migrate", &variables).await?;
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await?;
        let apart: bool = sqlx::query("SELECT to_regclass('payout_states') IS NOT NULL")
            .fetch_one(&pool)
            .await?
            .get(0);
        Ok(Database {
            name: name.to_owned(),
            url,
            variables,
            pool,
            tables: if apart { APART } else { TOGETHER },
        })
    }
}

/// A database, and the variables that connect a process to it.
pub(crate) struct Database {
    name: String,
    pub(crate) url: String,
    pub(crate) variables: Vec<(String, String)>,
    pool: PgPool,
    tables: Tables,
}

/// Creation times are one second apart, and ids are in the order of these times. One payout in 500 has failed, and
/// fifty share an account.
const FINISHED_ROWS: &str = "
    SELECT
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(md5(n::text), 1, 20))::uuid AS id,
        n, at, CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'completed' END AS status,
        'ACC-' || n % greatest($3 / 50, 1) AS account, 'Name ' || n AS name, 'Invoice ' || n AS description,
        CASE WHEN n % 500 = 0 THEN 'declined' END AS failure_code, CASE WHEN n % 500 = 0 THEN 'no' END AS failure_message,
        CASE WHEN n % 500 <> 0 THEN 'sim_' || md5(n::text) END AS reference
    FROM generate_series($1, $2) AS n,
        LATERAL (SELECT now() - interval '1 day' - ($3 - n) * interval '1 second' AS at) AS times";

/// The tables of one build of the service: the state of a payout is a row of its own, or it is not yet.
#[derive(Clone, Copy)]
struct Tables {
    /// The tables that hold payouts.
    all: &'static [&'static str],
    /// The one with what is due.
    due: &'static str,
    /// The one with every payout's time of creation.
    created: &'static str,
    /// Writes the rows of `finished`.
    finished: &'static str,
    /// Writes the events of the payouts of a range of time.
    events: &'static str,
    /// Writes the rows of `pending`.
    backlog: &'static str,
}

const APART: Tables = Tables {
    all: &["payout_details", "payout_states"],
    due: "payout_states",
    created: "payout_details",
    finished: "
        , details AS (
            INSERT INTO payout_details (
                id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
                created_by
            )
            SELECT id, at, 10.50, 'USD', account, name, lower(name), description, 'api' FROM finished
        )
        INSERT INTO payout_states (
            id, created_at, generation, claims, fence, version, updated_at, claimed_at, quiet_at, first_submitted_at,
            needs_review, status, failure_code, failure_message, provider_reference
        )
        SELECT id, at, 0, 1, 1, 3, at, at, at, at, false, status, failure_code, failure_message, reference FROM finished",
    events: "
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, claimed_by, claimed_at)
        SELECT id, 0, 1, created_at, status, status, 'worker', 'worker', claimed_at
        FROM payout_states",
    backlog: "
        , details AS (
            INSERT INTO payout_details (
                id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
                created_by
            )
            SELECT id, now(), 10.50, 'USD', account, name, lower(name), description, 'api' FROM pending
        )
        INSERT INTO payout_states (
            id, created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status
        )
        SELECT id, now(), 0, 0, 0, 1, now(), now(), false, 'pending' FROM pending",
};

/// Before the migration that keeps states apart.
const TOGETHER: Tables = Tables {
    all: &["payouts"],
    due: "payouts",
    created: "payouts",
    finished: "
        INSERT INTO payouts (
            id, generation, claims, fence, version, created_at, updated_at, claimed_at, quiet_at, first_submitted_at,
            needs_review, amount, currency, status, recipient_account, recipient_name, recipient_name_folded,
            description, failure_code, failure_message, provider_reference
        )
        SELECT
            id, 0, 1, 1, 3, at, at, at, at, at, false, 10.50, 'USD', status, account, name, lower(name), description,
            failure_code, failure_message, reference
        FROM finished",
    events: "
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor)
        SELECT id, 0, life.fence, created_at, kind, state, actor
        FROM payouts, LATERAL (VALUES
            (0, 'created', 'pending', 'api'), (1, 'claimed', 'processing', 'worker'), (1, status, status, 'worker')
        ) AS life (fence, kind, state, actor)",
    backlog: "
        , stored AS (
            INSERT INTO payouts (
                id, generation, claims, fence, version, created_at, updated_at, due_at, needs_review, amount, currency,
                status, recipient_account, recipient_name, recipient_name_folded, description
            )
            SELECT
                id, 0, 0, 0, 1, now(), now(), now(), false, 10.50, 'USD', 'pending', account, name, lower(name),
                description
            FROM pending
        )
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor)
        SELECT id, 0, 0, now(), 'created', 'pending', 'api' FROM pending",
};

const PENDING_ROWS: &str = "
    SELECT
        (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || substr(md5(random()::text || n), 1, 20))::uuid AS id,
        'DE89370400440532013000' AS account, 'Ada Lovelace' AS name, 'Invoice ' || n AS description
    FROM generate_series(1, $1) AS n";

impl Database {
    /// Fills the database with this many finished payouts and their events. Indexes that enforce no constraint are
    /// created afterwards, as in any restore: maintained row by row, they would take ten times as long.
    pub(crate) async fn finish(&self, rows: i64, mut progress: impl FnMut(&str)) -> Outcome<()> {
        let indexes: Vec<(String, String)> = sqlx::query_as(
            "SELECT index.relname::text, pg_get_indexdef(index.oid)
            FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
            WHERE indrelid = ANY ($1::regclass[]) AND NOT indisunique",
        )
        .bind(self.tables.all)
        .fetch_all(&self.pool)
        .await?;
        for (name, _) in &indexes {
            self.execute(&format!("DROP INDEX {name}")).await?;
        }
        let step = 500_000;
        for from in (1..=rows).step_by(usize::try_from(step)?) {
            let to = (from + step - 1).min(rows);
            let finished = format!(
                "WITH finished AS MATERIALIZED ({FINISHED_ROWS}) {}",
                self.tables.finished
            );
            sqlx::query(AssertSqlSafe(finished))
                .bind(from)
                .bind(to)
                .bind(rows)
                .execute(&self.pool)
                .await?;
            progress(&format!("{to} payouts"));
        }
        // The indexes come before the events, which are selected by time.
        for (name, definition) in &indexes {
            self.execute(definition).await?;
            progress(&format!("index {name}"));
        }
        for from in (0..rows).step_by(usize::try_from(step)?) {
            let to = from + step;
            let events = format!(
                "{} WHERE created_at >= (SELECT min(created_at) FROM {created}) + $1 * interval '1 second'
                    AND created_at < (SELECT min(created_at) FROM {created}) + $2 * interval '1 second'",
                self.tables.events,
                created = self.tables.created
            );
            sqlx::query(AssertSqlSafe(events))
                .bind(from)
                .bind(to)
                .execute(&self.pool)
                .await?;
            progress(&format!("the events of {} payouts", to.min(rows)));
        }
        self.execute("VACUUM (ANALYZE, FREEZE)").await?;
        self.execute("CHECKPOINT").await
    }

    /// Adds this many payouts that are due now, without hints.
    pub(crate) async fn backlog(&self, rows: i64) -> Outcome<()> {
        for from in (0..rows).step_by(100_000) {
            let rows = (rows - from).min(100_000);
            let backlog = format!(
                "WITH pending AS MATERIALIZED ({PENDING_ROWS}) {}",
                self.tables.backlog
            );
            sqlx::query(AssertSqlSafe(backlog))
                .bind(rows)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// Returns the database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes this provider the one of every payout that is due.
    pub(crate) async fn assign(&self, provider: &str) -> Outcome<()> {
        sqlx::query("UPDATE payout_states SET provider = $1 WHERE due_at IS NOT NULL")
            .bind(provider)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Returns whether every finished payout is counted for the statistics.
    pub(crate) async fn is_counted(&self) -> Outcome<bool> {
        let counted = sqlx::query(
            "SELECT NOT EXISTS (
                SELECT FROM payout_details, payout_stats_progress AS progress
                WHERE (payout_details.created_at, payout_details.id) > (progress.created_at, progress.id))",
        );
        Ok(counted.fetch_one(&self.pool).await?.get(0))
    }

    /// Returns the day this many days ago.
    pub(crate) async fn day_before(&self, days: i32) -> Outcome<String> {
        let day = sqlx::query("SELECT (current_date - $1)::text").bind(days);
        Ok(day.fetch_one(&self.pool).await?.get(0))
    }

    /// Returns the server's time, in seconds since 1970.
    pub(crate) async fn now(&self) -> Outcome<f64> {
        let now = sqlx::query("SELECT extract(epoch FROM clock_timestamp())::float8");
        Ok(now.fetch_one(&self.pool).await?.get(0))
    }

    /// Returns, of a provider's payouts that were created since this time, how many were completed each second, and the
    /// 99th percentile of the time from create to completed, in milliseconds. One that is not completed counts as one
    /// that is completed now.
    pub(crate) async fn completed(&self, provider: &str, since: f64) -> Outcome<(f64, f64)> {
        let row = sqlx::query(
            "SELECT
                (count(completed_at) / (extract(epoch FROM clock_timestamp()) - $2))::float8,
                (percentile_disc(0.99) WITHIN GROUP (
                    ORDER BY extract(epoch FROM coalesce(completed_at, clock_timestamp()) - created_at)
                ) * 1000)::float8
            FROM payouts WHERE provider = $1 AND created_at >= to_timestamp($2)",
        )
        .bind(provider)
        .bind(since)
        .fetch_one(&self.pool)
        .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Copies the payouts and batches of this database into another one by `COPY`, in one transaction; returns the seconds
    /// that the writing took.
    pub(crate) async fn copy_into(&self, other: &Self) -> Outcome<f64> {
        let mut tables = Vec::new();
        for table in ["payout_batches", "payout_details", "payout_states"] {
            let mut from = self.pool.acquire().await?;
            let out = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)");
            let mut rows = from.copy_out_raw(&out).await?;
            let mut bytes = Vec::new();
            while let Some(part) = rows.try_next().await? {
                bytes.extend_from_slice(&part);
            }
            tables.push((table, bytes));
        }
        let begun = crate::clock::now();
        let mut to = other.pool.begin().await?;
        for (table, bytes) in &tables {
            let mut copy = to
                .copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
                .await?;
            for part in bytes.chunks(256 * 1024) {
                copy.send(part).await?;
            }
            copy.finish().await?;
        }
        to.commit().await?;
        Ok(crate::load::seconds(begun, crate::clock::now()))
    }

    /// Reads every payout by `COPY TO`, as CSV; returns the seconds that this took.
    pub(crate) async fn copy_out(&self) -> Outcome<f64> {
        let begun = crate::clock::now();
        let mut from = self.pool.acquire().await?;
        let mut rows = from
            .copy_out_raw(
                "COPY (SELECT * FROM payouts ORDER BY created_at DESC, id DESC) TO STDOUT (FORMAT csv)",
            )
            .await?;
        while rows.try_next().await?.is_some() {}
        Ok(crate::load::seconds(begun, crate::clock::now()))
    }

    /// Returns the 99th percentile of the time from create to claim of payouts without a batch, in milliseconds. One that
    /// was not claimed counts as one that is claimed now.
    pub(crate) async fn claimed_after(&self) -> Outcome<f64> {
        let row = sqlx::query(
            "SELECT (percentile_disc(0.99) WITHIN GROUP (
                ORDER BY extract(epoch FROM coalesce(claimed_at, clock_timestamp()) - created_at)
            ) * 1000)::float8
            FROM payouts WHERE batch_id IS NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// Vacuums the payouts and writes a checkpoint, so that one round's writes do not slow down the next.
    pub(crate) async fn tidy(&self) -> Outcome<()> {
        for table in self.tables.all {
            self.execute(&format!("VACUUM (ANALYZE) {table}")).await?;
        }
        self.execute("CHECKPOINT").await
    }

    /// Counts the payouts in this status.
    pub(crate) async fn count(&self, status: &str) -> Outcome<u64> {
        let count: i64 = sqlx::query("SELECT count(*) FROM payouts WHERE status = $1")
            .bind(status)
            .fetch_one(&self.pool)
            .await?
            .get(0);
        Ok(u64::try_from(count)?)
    }

    /// Counts unfinished payouts, up to this limit.
    pub(crate) async fn unfinished(&self, at_most: i64) -> Outcome<i64> {
        let count = format!(
            "SELECT count(*) FROM (SELECT FROM {} WHERE due_at IS NOT NULL LIMIT $1) AS counted",
            self.tables.due
        );
        Ok(sqlx::query(AssertSqlSafe(count))
            .bind(at_most)
            .fetch_one(&self.pool)
            .await?
            .get(0))
    }

    /// Returns a sample of ids from the whole table.
    pub(crate) async fn ids(&self, at_most: i64) -> Outcome<Vec<uuid::Uuid>> {
        let rows: i64 =
            sqlx::query("SELECT GREATEST(reltuples, 1)::bigint FROM pg_class WHERE oid = $1::regclass")
                .bind(self.tables.created)
                .fetch_one(&self.pool)
                .await?
                .get(0);
        let percent = (at_most as f64 * 110.0 / rows as f64).clamp(0.001, 100.0);
        let table = self.tables.created;
        let sample = format!("SELECT id FROM {table} TABLESAMPLE BERNOULLI ({percent}) LIMIT {at_most}");
        let rows = sqlx::query(AssertSqlSafe(sample)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| row.get(0)).collect())
    }

    /// Returns the server's version.
    pub(crate) async fn version(&self) -> Outcome<String> {
        Ok(sqlx::query("SHOW server_version")
            .fetch_one(&self.pool)
            .await?
            .get(0))
    }

    async fn execute(&self, sql: &str) -> Outcome<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Waits until no payout is unfinished, for at most this time.
pub(crate) async fn until_finished(database: &Database, within: Duration) -> Outcome<()> {
    let finished = async {
        while database.unfinished(1).await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(within, finished)
        .await
        .unwrap_or_else(|_| Err("the backlog was not drained in time".into()))
}
