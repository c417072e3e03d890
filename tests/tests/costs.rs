//! The database cost of each use case: statements sent and rows read, counted by PostgreSQL. No timing.
//!
//! A request makes one call to the use cases, and a worker uses the same ports. Nothing else runs here, so that every
//! count is exact, with one exception: PostgreSQL may have removed a dead row version before a request would have read
//! it. `costs.txt` holds the counts. A higher count fails, and so does a lower one, unless only such a row is missing:
//! then the file is out of date, and `UPDATE=1` rewrites it. Plans with many rows are checked in
//! `payout-adapters/tests/postgres/costs.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use payout_core::contract::build;
use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::{PayoutId, Status};
use payout_core::ports::{Deleted, EventQuery, Filter, Order, Position, Search, System};
use payout_core::usecase::{CountMode, EditRequest, PageRequest, Payouts, Step};
use payout_core::worker::{Worker, WorkerSettings};
use payout_tests::store::Store;
use payout_tests::throwaway::Postgres;
use payout_tests::wait::{SOON, eventually};
use tokio_util::sync::CancellationToken;

const TIMES: usize = 5;

const FINISHED: &str = "
    CREATE TEMPORARY TABLE finished AS
    SELECT
        gen_random_uuid() AS id, n, now() - n * interval '1 second' AS at,
        CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END AS status
    FROM generate_series(1, 3000) AS n;
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description, created_by
    )
    SELECT id, at, 10, 'USD', 'ACC-' || n % 100, 'Name ' || n, 'name ' || n, '', 'api' FROM finished;
    INSERT INTO payout_states (
        id, created_at, generation, claims, fence, version, updated_at, claimed_at, quiet_at, first_submitted_at,
        needs_review, status, failure_code, failure_message
    )
    SELECT
        id, at, 0, 1, 1, 3, at, at, at, at, false, status,
        CASE WHEN status = 'failed' THEN 'declined' END, CASE WHEN status = 'failed' THEN 'no' END
    FROM finished;
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, claimed_by, claimed_at)
    SELECT id, 0, 1, at, status, status, 'worker', 'worker', at FROM finished";

/// Statements without the sweep, whose number depends on time, not on requests or payouts.
const STATEMENTS: &str = "
    SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
    WHERE query ~ 'payout_details|payout_states|payout_events|idempotency_keys' AND query !~ 'ORDER BY due_at' AND query !~ 'pg_stat'";

/// Checked instead of the payouts themselves, since reading those would count as rows read.
const SETTLEMENTS: &str =
    "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query ~ 'judged'";

const ROWS_READ: &str = "
    SELECT (
        (SELECT sum(seq_tup_read) FROM pg_stat_user_tables
            WHERE relname IN ('payout_details', 'payout_states', 'payout_events', 'idempotency_keys'))
        + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
            WHERE relname IN ('payout_details', 'payout_states', 'payout_events', 'idempotency_keys'))
    )::bigint";

/// Counts the other connections: a connection reports the rows that it has read only when it ends.
const OTHERS: &str = "
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

struct Counted {
    store: Store,
    url: String,
    report: String,
    _postgres: Postgres,
}

/// The use cases on one connection, with the ports of a worker.
struct Running {
    repository: Arc<PostgresRepository>,
    queue: Arc<MemoryQueue>,
    payouts: Payouts,
}

impl Counted {
    async fn start() -> Self {
        let mut postgres = Postgres::reserved();
        let settings = [
            "fsync=off",
            "autovacuum=off",
            "shared_preload_libraries=pg_stat_statements",
        ];
        postgres.start_with(&settings).await;
        let url = postgres.url();
        let store = Store::on(url.clone(), None);
        let this = Self {
            store,
            url,
            report: String::new(),
            _postgres: postgres,
        };
        let running = this.run();
        running.repository.migrate().await.unwrap();
        running.repository.close().await;
        this.store.execute("CREATE EXTENSION pg_stat_statements").await;
        this.store.execute(FINISHED).await;
        this.store.execute("VACUUM ANALYZE").await;
        this
    }

    fn run(&self) -> Running {
        let options = PostgresOptions {
            max_connections: 1,
            ..PostgresOptions::default()
        };
        let repository = Arc::new(PostgresRepository::connect_lazy(&self.url, &options).unwrap());
        let queue = Arc::new(MemoryQueue::new(100));
        let payouts = Payouts::start(repository.clone(), queue.clone(), Arc::new(System::default()));
        Running {
            repository,
            queue,
            payouts,
        }
    }

    async fn rows_read(&self) -> i64 {
        eventually("the connections have ended", SOON, async || {
            (self.store.number(OTHERS).await == 0).then_some(())
        })
        .await;
        self.store.number(ROWS_READ).await
    }

    /// Counts the cost of work that is done `TIMES` times.
    async fn costs(&mut self, what: &str, work: impl AsyncFn(&Running, usize)) {
        let rows = self.rows_read().await;
        self.store
            .number("SELECT count(pg_stat_statements_reset())")
            .await;
        let running = self.run();
        for time in 0..TIMES {
            work(&running, time).await;
        }
        running.repository.close().await;
        let rows = self.rows_read().await - rows;
        let statements = self.store.number(STATEMENTS).await;
        let each = |count: i64| count as f64 / TIMES as f64;
        writeln!(
            self.report,
            "{what:<40}{:>12}{:>12}",
            each(statements),
            each(rows)
        )
        .unwrap();
    }
}

fn page(filter: Filter, position: Position) -> PageRequest {
    PageRequest {
        filter,
        order: Order::NewestFirst,
        position,
        size: 20,
        count: CountMode::Bounded,
    }
}

#[tokio::test]
async fn no_request_and_no_payout_costs_more_than_it_did() {
    let mut counted = Counted::start().await;
    let running = counted.run();
    let first = running
        .payouts
        .list(&page(Filter::default(), Position::Offset(0)))
        .await
        .unwrap();
    running.repository.close().await;
    let known = first.payouts[0].id();
    let next = Position::After(first.next.unwrap());

    counted
        .costs("a payout by id", async |running, _| {
            running.payouts.get(known).await.unwrap();
        })
        .await;
    counted
        .costs("its events", async |running, _| {
            let query = EventQuery {
                after: None,
                limit: 200,
                deleted: Deleted::Without,
            };
            running.payouts.events(known, query).await.unwrap();
        })
        .await;
    let failed = Filter {
        statuses: vec![Status::Failed],
        ..Filter::default()
    };
    let account = Filter {
        search: Search::new("ACC-7"),
        ..Filter::default()
    };
    for (what, request) in [
        (
            "the first list page, and the count",
            page(Filter::default(), Position::Offset(0)),
        ),
        ("a page by cursor, and the count", page(Filter::default(), next)),
        (
            "a list by status, and its count",
            page(failed, Position::Offset(0)),
        ),
        (
            "a list by account, and its count",
            page(account, Position::Offset(0)),
        ),
    ] {
        counted
            .costs(what, async |running, _| {
                assert_eq!(running.payouts.list(&request).await.unwrap().payouts.len(), 20);
            })
            .await;
    }

    // The ids of the payouts that are created; the following steps change these payouts.
    let ids: Mutex<Vec<PayoutId>> = Mutex::default();
    let create = async |running: &Running, key: Option<IdempotencyKey>| {
        let created = running
            .payouts
            .create(build::details(), key, build::client())
            .await
            .unwrap();
        ids.lock().unwrap().push(created.payout.id());
    };
    let of = |time: usize| ids.lock().unwrap()[time];
    counted
        .costs("a create", async |running, _| create(running, None).await)
        .await;
    let keyed: Vec<_> = (0..TIMES)
        .map(|_| (build::details(), build::fresh_client_key()))
        .collect();
    let under_a_key = async |running: &Running, time: usize| {
        let (draft, key) = keyed[time].clone();
        running
            .payouts
            .create(draft, Some(key), build::client())
            .await
            .unwrap();
    };
    counted.costs("a create under a key", &under_a_key).await;
    counted.costs("a create under a key, again", &under_a_key).await;
    counted
        .costs("an edit", async |running, time| {
            let edit = EditRequest {
                amount: Some("11.00".parse().unwrap()),
                ..EditRequest::default()
            };
            running
                .payouts
                .edit(of(time), edit, None, build::client())
                .await
                .unwrap();
        })
        .await;
    counted
        .costs("a cancellation", async |running, time| {
            running
                .payouts
                .step(of(time), Step::Cancel, None, build::client())
                .await
                .unwrap();
        })
        .await;
    counted
        .costs("a deletion", async |running, time| {
            running
                .payouts
                .delete(of(time), None, build::client())
                .await
                .unwrap();
        })
        .await;

    // Leaves nothing for the worker's first sweep.
    counted
        .store
        .execute("UPDATE payout_states SET status = 'cancelled', due_at = NULL WHERE due_at IS NOT NULL")
        .await;
    counted.store.execute("VACUUM").await;
    let shutdown = CancellationToken::new();
    let worker = Mutex::new(None);
    let store = Store::on(counted.url.clone(), None);
    let live = async |running: &Running, time: usize| {
        if time == 0 {
            *worker.lock().unwrap() = Some(tokio::spawn(lone_worker(running, shutdown.clone())));
        }
        create(running, None).await;
        eventually("it is settled", SOON, async || {
            (store.number(SETTLEMENTS).await > i64::try_from(time).unwrap()).then_some(())
        })
        .await;
        if time + 1 == TIMES {
            shutdown.cancel();
            let worker = worker.lock().unwrap().take().unwrap();
            worker.await.unwrap();
        }
    };
    counted.costs("a payout's whole life", live).await;
    compare(&counted.report);
}

/// Runs a worker that sweeps once, at its start, and then relies on hints.
fn lone_worker(running: &Running, shutdown: CancellationToken) -> impl Future<Output = ()> + use<> {
    let processor = Arc::new(SimulatedProcessor::new(Duration::ZERO, 0.0).unwrap());
    let settings = WorkerSettings {
        sweep_every: Duration::from_secs(600),
        ..WorkerSettings::default()
    };
    let system = Arc::new(System::default());
    Worker::new(
        running.repository.clone(),
        running.queue.clone(),
        processor,
        system,
        settings,
    )
    .run(shutdown)
}

/// Returns whether a use case costs what `costs.txt` says: exactly the same statements, and the same rows except for
/// one dead row version.
fn is_as_known(known: &str, now: &str) -> bool {
    let split = |line: &str| {
        line.trim_end()
            .rsplit_once(' ')
            .map(|(rest, rows)| (rest.trim_end().to_owned(), rows.parse::<f64>()))
    };
    match (split(known), split(now)) {
        (Some((what, Ok(known))), Some((now_what, Ok(now)))) => {
            what == now_what && now <= known && known - now < 1.0
        }
        (_, _) => known == now,
    }
}

fn compare(counts: &str) {
    let counts = format!("{:<40}{:>12}{:>12}\n{counts}", "", "statements", "rows read");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/costs.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &counts).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&file).unwrap();
    let as_known = known.lines().count() == counts.lines().count()
        && known
            .lines()
            .zip(counts.lines())
            .all(|(known, now)| is_as_known(known, now));
    assert!(
        as_known,
        "costs have changed; UPDATE=1 takes the new ones.\n{}\nin costs.txt:\n\n{known}\nnow:\n\n{counts}",
        file.display()
    );
}

#[test]
fn more_is_told_and_so_is_much_less() {
    let known = "a deletion                                         2           4";
    for (now, same) in [
        (known, true),
        (
            "a deletion                                         2         3.2",
            true,
        ),
        (
            "a deletion                                         2         4.2",
            false,
        ),
        (
            "a deletion                                         2           3",
            false,
        ),
        (
            "a deletion                                         1           4",
            false,
        ),
        (
            "an edit                                            2           4",
            false,
        ),
    ] {
        assert_eq!(is_as_known(known, now), same, "{now}");
    }
    assert!(!is_as_known("statements rows read", "statements rows"));
}
