//! The cost of each call on a table with many rows: the rows read, as counted by the server. Nothing is timed.
//!
//! Every call is repeated on one connection until the server uses one plan for all values. The backlog is inserted
//! after the table's statistics were taken. Both are conditions under which a plan turns bad.

use std::collections::HashMap;
use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use payout_core::attempt::Settlement;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::feed::FeedPosition;
use payout_core::payout::{ExternalId, PayoutId, Status};
use payout_core::ports::{
    ClaimRequest, Cursor, EventFeed, FeedQuery, Filter, ListQuery, Order, PayoutRepository, PayoutStats,
    Position, Search,
};
use sqlx::PgPool;

use crate::database::Database;

const CALLS: i64 = 12;

/// Both rows of each payout.
macro_rules! payouts_of {
    ($rows:literal) => {
        concat!(
            "WITH rows AS MATERIALIZED (
                SELECT gen_random_uuid() AS id, now() - n * interval '1 second' AS at, made.*
                FROM ",
            $rows,
            "), details AS (
                INSERT INTO payout_details (
                    id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded,
                    description
                )
                SELECT id, at, 10, currency, account, name, lower(name), '' FROM rows
            )
            INSERT INTO payout_states (
                id, created_at, generation, claims, fence, version, updated_at, claimed_at, quiet_at,
                first_submitted_at, needs_review, status, failure_code, failure_message
            )
            SELECT
                id, at, 0, 1, 1, 3, at, at, at, at, status = 'processing', status,
                CASE WHEN status = 'failed' THEN 'declined' END, CASE WHEN status = 'failed' THEN 'no' END
            FROM rows"
        )
    };
}

const FINISHED: &str = payouts_of!(
    "generate_series(1, 50000) AS n, LATERAL (SELECT
        CASE WHEN n % 1000 = 0 THEN 'KWD' ELSE 'USD' END AS currency,
        CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'completed' END AS status,
        'ACC-' || n % 10000 AS account,
        'Name ' || n AS name) AS made"
);

/// Payouts in review. Each has a time of its own, so that no index returns them in the order of the table.
const IN_REVIEW: &str = payouts_of!(
    "generate_series(1, 20000) AS n, LATERAL (SELECT
        'USD' AS currency, 'processing' AS status, 'ACC' AS account, 'Name' AS name) AS made"
);

/// Keeps the server from analyzing the tables by itself.
const NOT_ANALYZED: [&str; 2] = [
    "ALTER TABLE payout_details SET (autovacuum_enabled = false)",
    "ALTER TABLE payout_states SET (autovacuum_enabled = false)",
];

/// Counts sequential scans, and rows read through an index. Scans of the small key tables are not counted: each claim
/// scans the sealing keys once, and each insert checks whether there is an API key.
const ROWS_READ: &str = "
    SELECT
        (SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables
            WHERE relname NOT IN ('_sqlx_migrations', 'sealing_keys', 'api_keys')),
        (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes)";

pub(crate) struct Table {
    database: Database,
    pub(crate) pool: PgPool,
}

impl Table {
    pub(crate) async fn with_many_rows() -> Self {
        let (database, pool) = Self::run(&[FINISHED, "VACUUM ANALYZE payout_details, payout_states"]).await;
        let backlog: Vec<_> = (0..4000).map(|_| build::new_payout()).collect();
        let repository = database.repository();
        repository.insert(&backlog).await.unwrap();
        repository.close().await;
        Self { database, pool }
    }

    /// Creates a table as a new service has it, which nobody analyzes but the service.
    async fn new() -> Self {
        let (database, pool) = Self::run(&NOT_ANALYZED).await;
        Self { database, pool }
    }

    /// Creates a table as a restore leaves it: without statistics for the planner. 20,000 of its payouts are in review.
    async fn just_restored() -> Self {
        let [details, states] = NOT_ANALYZED;
        let (database, pool) = Self::run(&[details, states, FINISHED, IN_REVIEW]).await;
        Self { database, pool }
    }

    async fn run(statements: &[&'static str]) -> (Database, PgPool) {
        let (_, database) = Database::migrated().await;
        let pool = database.pool_of(1).await;
        for statement in statements {
            sqlx::raw_sql(*statement).execute(&pool).await.unwrap();
        }
        (database, pool)
    }

    /// Creates a repository with one connection, so that the server ends up with one plan for all values.
    pub(crate) fn repository(&self) -> PostgresRepository {
        let options = PostgresOptions {
            max_connections: 1,
            ..PostgresOptions::default()
        };
        self.database.repository_with(&options)
    }

    /// Asserts that a call scans no table and reads at most `at_most` rows through indexes.
    pub(crate) async fn costs(
        &self,
        what: &str,
        at_most: i64,
        calls: impl AsyncFn(&PostgresRepository, i64),
    ) {
        let (scans_before, rows_before) = self.rows_read().await;
        let repository = self.repository();
        for call in 0..CALLS {
            calls(&repository, call).await;
        }
        repository.close().await;
        let (scans, rows) = self.rows_read().await;
        assert_eq!(scans, scans_before, "{what} reads a whole table");
        let per_call = (rows - rows_before) / CALLS;
        assert!(
            per_call <= at_most,
            "{what} reads {per_call} rows, more than {at_most}"
        );
    }

    async fn rows_read(&self) -> (i64, i64) {
        // The repository's connection reports its counts when it closes.
        let open =
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'payout'";
        drive::eventually("the connection has closed", async || {
            let open = sqlx::query(open).fetch_optional(&self.pool).await.unwrap();
            open.is_none().then_some(())
        })
        .await;
        // The test's own connection reports its counts when it is next idle after this call.
        sqlx::raw_sql("SELECT pg_stat_force_next_flush()")
            .execute(&self.pool)
            .await
            .unwrap();
        sqlx::query_as(ROWS_READ).fetch_one(&self.pool).await.unwrap()
    }
}

pub(crate) fn page(filter: Filter, order: Order, position: Position) -> ListQuery {
    ListQuery {
        filter,
        order,
        position,
        limit: 20,
    }
}

#[tokio::test]
async fn reads_cost_the_rows_that_they_show() {
    let table = Table::with_many_rows().await;
    let deep_query = page(Filter::default(), Order::NewestFirst, Position::Offset(30_000));
    let repository = table.repository();
    let deep = drive::listed(&repository, &deep_query).await.remove(0);
    repository.close().await;
    let cursor = Cursor {
        at: deep.parts().created_at,
        id: deep.id(),
    };

    let found = async |repository: &PostgresRepository, _| {
        assert!(repository.find(cursor.id).await.unwrap().is_some());
    };
    table.costs("find", 2, found).await;

    let repository = table.repository();
    let page_there = repository
        .list(&page(
            Filter::default(),
            Order::NewestFirst,
            Position::After(cursor),
        ))
        .await;
    let ids: Vec<_> = page_there
        .unwrap()
        .iter()
        .map(|row| row.place(Order::NewestFirst).id)
        .collect();
    repository.close().await;
    let found_many = async |repository: &PostgresRepository, _| {
        assert_eq!(repository.find_many(&ids).await.unwrap().len(), 20);
    };
    table.costs("find_many", 40, found_many).await;

    let account = Search::new(deep.details().recipient.account().as_str());
    let name = Search::new(deep.details().recipient.name().as_str());
    let rare = Filter {
        statuses: vec![Status::Failed],
        ..Filter::default()
    };
    let two = Filter {
        statuses: vec![Status::Failed, Status::Cancelled],
        ..Filter::default()
    };
    let in_review = Filter {
        needs_review: Some(true),
        ..Filter::default()
    };
    let old = Filter {
        created_before: Some(cursor.at),
        ..Filter::default()
    };
    let currency = Filter {
        currency: Some("KWD".parse().unwrap()),
        ..Filter::default()
    };
    let of = |search: Option<Search>| Filter {
        search,
        ..Filter::default()
    };
    let first = Position::Offset(0);
    for (what, at_most, query) in [
        (
            "the first page",
            45,
            page(Filter::default(), Order::NewestFirst, first),
        ),
        (
            "the first page, oldest first",
            45,
            page(Filter::default(), Order::OldestFirst, first),
        ),
        (
            "a deep page",
            45,
            page(Filter::default(), Order::NewestFirst, Position::After(cursor)),
        ),
        (
            "a deep page backwards",
            45,
            page(Filter::default(), Order::NewestFirst, Position::Before(cursor)),
        ),
        (
            "a page of a rare status",
            45,
            page(rare.clone(), Order::NewestFirst, first),
        ),
        (
            "a deep page of a rare status",
            45,
            page(rare.clone(), Order::NewestFirst, Position::After(cursor)),
        ),
        (
            "a page of two rare statuses",
            270,
            page(two, Order::NewestFirst, first),
        ),
        (
            "a page of those in review",
            5,
            page(in_review.clone(), Order::NewestFirst, first),
        ),
        (
            "a page of a time long past",
            45,
            page(old, Order::NewestFirst, first),
        ),
        (
            "a page of an account",
            45,
            page(of(account.clone()), Order::NewestFirst, first),
        ),
        (
            "a page of a name",
            60,
            page(of(name.clone()), Order::NewestFirst, first),
        ),
        (
            "a page of a rare currency",
            45,
            page(currency, Order::NewestFirst, first),
        ),
    ] {
        let listed = async |repository: &PostgresRepository, _| {
            assert!(drive::listed(repository, &query).await.len() <= 20);
        };
        table.costs(what, at_most, listed).await;
    }
    for (what, at_most, filter) in [
        ("a count of a rare status", 150, rare),
        ("a count of an account", 40, of(account)),
        ("a count of a name", 80, of(name)),
        ("a count of those in review", 5, in_review),
    ] {
        let counted = async |repository: &PostgresRepository, _| {
            assert!(repository.count(&filter, Some(1000)).await.unwrap().exact);
        };
        table.costs(what, at_most, counted).await;
    }
}

/// Rows read without an index: those of the sampled pages.
const SAMPLED: &str =
    "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname = 'payout_details'";

#[tokio::test]
async fn a_census_reads_what_is_open_and_a_sample_of_the_rest() {
    let table = Table::with_many_rows().await;
    table.rows_read().await;
    let (before,): (i64,) = sqlx::query_as(SAMPLED).fetch_one(&table.pool).await.unwrap();
    let taken = async |repository: &PostgresRepository, _| {
        let payout_stats = repository.payout_stats().await.unwrap();
        let count = |status| -> u64 {
            let of_status = payout_stats.counts.iter().filter(|tally| tally.status == status);
            of_status.map(|tally| tally.count).sum()
        };
        assert_eq!(count(Status::Pending), 4000, "what is open is counted");
        let completed = count(Status::Completed);
        assert!(
            (44_000..56_000).contains(&completed),
            "49,900 were estimated as {completed}"
        );
    };
    // Both rows of each.
    table.costs("a census", 2 * 4000 + 16_000 + 5, taken).await;
    let (after,): (i64,) = sqlx::query_as(SAMPLED).fetch_one(&table.pool).await.unwrap();
    let sampled = (after - before) / CALLS;
    assert!(
        (5_000..16_000).contains(&sampled),
        "{sampled} rows in the sample of 54,000"
    );
}

#[tokio::test]
async fn a_census_right_after_a_restore_reads_no_more() {
    let table = Table::just_restored().await;
    let taken = async |repository: &PostgresRepository, _| {
        let in_review = repository.payout_stats().await.unwrap().in_review;
        assert_eq!(
            in_review,
            u64::from(PayoutStats::COUNTED),
            "counted, up to the bound"
        );
    };
    table.costs("a census", 2 * 10_000 + 17_000 + 5, taken).await;
}

#[tokio::test]
async fn writes_cost_the_rows_that_they_write() {
    let table = Table::with_many_rows().await;

    let inserted = async |repository: &PostgresRepository, _| {
        let batch: Vec<_> = (0..50).map(|_| build::keyed(&build::fresh_key())).collect();
        repository.insert(&batch).await.unwrap();
    };
    table.costs("an insert of 50", 50, inserted).await;

    let swept = async |repository: &PostgresRepository, _| {
        assert_eq!(
            repository
                .claim(&build::sweep(50, LONG_LEASE))
                .await
                .unwrap()
                .won
                .len(),
            50
        );
    };
    // Each row is read twice: to choose it, and to write it. The rest are entries of rows that earlier calls claimed.
    table.costs("a sweep of 50", 50 * 3 + 50 * CALLS, swept).await;

    let due = "SELECT id FROM payout_states WHERE status = 'pending' ORDER BY id DESC LIMIT $1";
    let due: Vec<(uuid::Uuid,)> = sqlx::query_as(due)
        .bind(50 * CALLS)
        .fetch_all(&table.pool)
        .await
        .unwrap();
    let due: Vec<PayoutId> = due.into_iter().map(|(id,)| id.into()).collect();
    let request = |call: i64| -> ClaimRequest {
        let from = usize::try_from(call).unwrap() * 50;
        build::only(&due[from..from + 50], LONG_LEASE)
    };
    let hinted = async |repository: &PostgresRepository, call| {
        assert_eq!(repository.claim(&request(call)).await.unwrap().won.len(), 50);
    };
    table.costs("a claim of 50 hints", 50 * 3, hinted).await;

    let claims =
        "SELECT id, fence, generation FROM payout_states WHERE status = 'processing' AND id = ANY ($1)";
    let claims: Vec<(uuid::Uuid, i64, i64)> = sqlx::query_as(claims)
        .bind(due.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .fetch_all(&table.pool)
        .await
        .unwrap();
    let claims: HashMap<PayoutId, (u64, u32)> = claims
        .into_iter()
        .map(|(id, fence, generation)| {
            (
                id.into(),
                (fence.unsigned_abs(), u32::try_from(generation).unwrap()),
            )
        })
        .collect();
    let settled = async |repository: &PostgresRepository, call: i64| {
        let batch: Vec<_> = request(call)
            .only
            .unwrap()
            .into_iter()
            .map(|id| {
                let (fence, generation) = claims[&id];
                Settlement {
                    id,
                    fence,
                    generation,
                    claims: 1,
                    verdict: build::completed("ref"),
                    approved: None,
                }
            })
            .collect();
        repository.settle(&batch).await.unwrap();
    };
    table.costs("a settlement of 50", 50 * 8, settled).await;
}

/// A hundred thousand events of one transaction. Each carries its claim.
const HAPPENED: &str = "
    INSERT INTO payout_events (
        payout_id, generation, fence, at, kind, status, actor, claimed_by, claimed_at, version
    )
    SELECT id, 0, 1, now(), 'completed', 'completed', 'worker', 'worker', now(), 3
    FROM payout_states, generate_series(1, 2) AS n
    WHERE status <> 'pending'";

#[tokio::test]
async fn a_page_of_the_feed_costs_the_same_wherever_it_is() {
    let table = Table::with_many_rows().await;
    sqlx::raw_sql(HAPPENED).execute(&table.pool).await.unwrap();
    let place = "SELECT feed_key, sequence FROM payout_events ORDER BY feed_key, sequence OFFSET $1 LIMIT 1";
    let mut positions = vec![("at the start", FeedPosition::START)];
    for (what, offset) in [
        ("among the creations and events", 0),
        ("in the middle", 50_000),
        ("at the end", 99_800),
    ] {
        let (key, sequence): (i64, i64) = sqlx::query_as(place)
            .bind(offset)
            .fetch_one(&table.pool)
            .await
            .unwrap();
        let position = FeedPosition {
            major: key.unsigned_abs(),
            minor: 2 * sequence.unsigned_abs() + 1,
            created: None,
            is_second: false,
        };
        positions.push((what, position));
    }
    let repository = table.repository();
    // Transactions of other tests on the same server count.
    while repository.delay().await.unwrap() > Duration::ZERO {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    repository.close().await;
    for (what, after) in positions {
        let query = FeedQuery {
            after,
            types: Vec::new(),
            limit: 100,
        };
        let read = async |repository: &PostgresRepository, _| {
            assert_eq!(repository.after(&query).await.unwrap().events.len(), 100);
        };
        // An event is read with its payout and the event before it. The claims that it carries fill half the page.
        table
            .costs(&format!("a page of the feed {what}"), 100 * 4, read)
            .await;
    }
}

#[tokio::test]
async fn a_new_table_has_statistics_soon_and_a_reference_costs_one_lookup_from_then_on() {
    let table = Table::new().await;
    let repository = table.repository();
    repository.probe().await.unwrap();
    let some: Vec<_> = (0..1_000).map(|_| build::new_payout()).collect();
    repository.insert(&some).await.unwrap();
    drive::eventually("the table has statistics", async || {
        repository.probe().await.unwrap();
        let known = "SELECT FROM pg_stats WHERE tablename = 'payout_details'";
        let known = sqlx::query(known).fetch_optional(&table.pool).await.unwrap();
        known.map(drop)
    })
    .await;
    repository.close().await;
    let insert = async |repository: &PostgresRepository, _| {
        let batch: Vec<_> = (0..500)
            .map(|_| {
                let mut new = build::new_payout();
                new.details.external_id = ExternalId::new(&build::unique("order")).ok();
                new
            })
            .collect();
        repository.insert(&batch).await.unwrap();
    };
    table
        .costs("an insert of 500 payouts with references", 5_000, insert)
        .await;
}
