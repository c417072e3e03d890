//! The queue in the database: the contract suite, lost connections, a server that refuses or hangs, least rights.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use payout_adapters::queue::postgres::{InvalidPostgresUrl, PostgresQueue, PostgresQueueSettings};
use payout_core::contract::Fixture;
use payout_core::ports::{Clock, JobQueue, QueueError, Randomness, System};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::database::Database;
use crate::hints::{SHORT, hints, receive_all, received};

const LONG: Duration = Duration::from_secs(5);

/// Creates two consumers of one queue, for the contract suite.
async fn two_consumers() -> Fixture<dyn JobQueue> {
    let (_, database) = Database::migrated().await;
    let (one, other): (Arc<dyn JobQueue>, Arc<dyn JobQueue>) =
        (Arc::new(queue(&database)), Arc::new(queue(&database)));
    Fixture::from((one, database)).with_peer(other)
}

mod contract {
    payout_core::queue_contract!(super::two_consumers);
}

fn queue(database: &Database) -> PostgresQueue {
    PostgresQueue::new(&PostgresQueueSettings::new(database.url())).unwrap()
}

async fn run(pool: &PgPool, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into()))
        .execute(pool)
        .await
        .unwrap();
}

/// The table is read once a second in any case, so ten hints in less than half of ten seconds were announced.
#[tokio::test]
async fn a_hint_is_received_as_soon_as_it_comes() {
    let (_, database) = Database::migrated().await;
    let (sender, receiver) = (queue(&database), queue(&database));
    assert!(receiver.receive(10, SHORT).await.unwrap().is_empty());
    let clock = System::default();
    let begun = clock.monotonic();
    for _ in 0..10 {
        let hints = hints(1);
        let (deliveries, ()) = tokio::join!(receiver.receive(10, LONG), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sender.enqueue(&hints).await.unwrap();
        });
        assert_eq!(received(&deliveries.unwrap()), HashSet::from([hints[0]]));
    }
    let took = clock.monotonic() - begun;
    assert!(took < LONG, "{took:?}");
}

#[tokio::test]
async fn what_was_added_before_anybody_listened_is_received() {
    let (_, database) = Database::migrated().await;
    let hints = hints(1_000);
    queue(&database).enqueue(&hints).await.unwrap();
    receive_all(&queue(&database), &hints, LONG).await;
}

#[tokio::test]
async fn killed_connections_lose_no_hint() {
    let (_, database) = Database::migrated().await;
    let (sender, receiver) = (queue(&database), queue(&database));
    let killer = database.pool().await;
    for _ in 0..3 {
        assert!(receiver.receive(10, SHORT).await.unwrap().is_empty());
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let hints = hints(60);
        let (_, ()) = tokio::join!(receiver.receive(10, SHORT), async {
            run(&killer, kill).await;
        });
        // The connection has died, and the first call succeeds all the same.
        sender.enqueue(&hints).await.unwrap();
        receive_all(&receiver, &hints, LONG).await;
    }
}

#[tokio::test]
async fn a_table_that_was_emptied_or_is_made_anew_goes_on() {
    let (_, database) = Database::migrated().await;
    let queue = queue(&database);
    let pool = database.pool().await;
    queue.enqueue(&hints(3)).await.unwrap();
    // What a crash of the server does to an unlogged table.
    run(&pool, "TRUNCATE payout_hints RESTART IDENTITY").await;
    assert_eq!(queue.depth().await.unwrap(), 0);
    let hints = hints(3);
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, LONG).await;
    run(&pool, "ALTER TABLE payout_hints RENAME TO gone").await;
    let missing = queue.enqueue(&hints).await.unwrap_err();
    assert!(matches!(missing, QueueError::Unavailable(_)), "{missing:?}");
    assert!(format!("{missing:?}").contains("NotMigrated"), "{missing:?}");
    run(&pool, "ALTER TABLE gone RENAME TO payout_hints").await;
    queue.enqueue(&hints).await.unwrap();
    receive_all(&queue, &hints, LONG).await;
}

/// Checks that whatever makes PostgreSQL refuse a hint makes it refuse a probe, and that the error has the cause.
#[tokio::test]
async fn a_server_that_takes_no_hints_fails_its_probe_though_it_answers() {
    let (_, database) = Database::migrated().await;
    let queue = queue(&database);
    let pool = database.pool().await;
    queue.enqueue(&hints(2)).await.unwrap();
    let alter = |how: &str| {
        format!(
            "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {how}', current_database()); END $$; COMMIT;"
        )
    };
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for (refuse, take, code) in [
        (
            "ALTER TABLE payout_hints ADD CONSTRAINT refuse CHECK (false) NOT VALID".to_owned(),
            "ALTER TABLE payout_hints DROP CONSTRAINT refuse".to_owned(),
            "23514",
        ),
        // The last one: the test's own connections stay read-only.
        (
            alter("SET default_transaction_read_only = on"),
            alter("RESET default_transaction_read_only"),
            "25006",
        ),
    ] {
        assert_eq!(queue.probe().await.unwrap(), 2, "before {refuse}");
        run(&pool, refuse.clone()).await;
        run(&pool, others).await;
        assert_eq!(queue.depth().await.unwrap(), 2, "{refuse}: it answers");
        for refused in [queue.enqueue(&hints(1)).await, queue.probe().await.map(drop)] {
            let Err(QueueError::Refused(cause)) = refused else {
                panic!("{refuse}: {refused:?}")
            };
            assert!(cause.to_string().contains(code), "{cause}");
        }
        run(&pool, take).await;
    }
    assert_eq!(queue.probe().await.unwrap(), 2, "no probe is a hint");
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_at_once_and_one_that_hangs_soon() {
    let away = PostgresQueue::new(&PostgresQueueSettings::new("postgres://u@127.0.0.1:1/d")).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u@{}/d", silent.local_addr().unwrap());
    let hangs = PostgresQueue::new(&PostgresQueueSettings::new(url)).unwrap();
    for (queue, bound) in [
        (away, Duration::from_millis(800)),
        (hangs, Duration::from_secs(3)),
    ] {
        let lost = hints(1);
        let used = timeout(bound, async {
            tokio::join!(queue.enqueue(&lost), queue.probe(), queue.receive(1, LONG))
        });
        let (enqueued, probed, received) = used.await.unwrap();
        for error in [enqueued.unwrap_err(), probed.unwrap_err(), received.unwrap_err()] {
            assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn hints_that_nobody_takes_are_deleted() {
    let (_, database) = Database::migrated().await;
    let mut settings = PostgresQueueSettings::new(database.url());
    settings.keep = Duration::from_millis(100);
    let queue = PostgresQueue::new(&settings).unwrap();
    queue.enqueue(&hints(100)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 100);
    tokio::time::sleep(SHORT).await;
    queue.probe().await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// The rights that docs/security.md names.
#[tokio::test]
async fn four_rights_on_one_table_suffice() {
    let (_, database) = Database::migrated().await;
    let pool = database.pool().await;
    let role = format!("hints_{:016x}", System::default().next_u64());
    run(
        &pool,
        format!("CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON payout_hints TO {role}"),
    )
    .await;
    let url = format!("{}?options=-c%20role%3D{role}", database.url());
    let queue = PostgresQueue::new(&PostgresQueueSettings::new(url)).unwrap();
    let hints = hints(100);
    queue.probe().await.unwrap();
    queue.enqueue(&hints).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 100);
    receive_all(&queue, &hints, LONG).await;
    run(&pool, format!("REVOKE INSERT ON payout_hints FROM {role}")).await;
    let refused = queue.probe().await.unwrap_err();
    run(&pool, format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    let QueueError::Refused(cause) = refused else {
        panic!("{refused:?}")
    };
    assert!(cause.to_string().contains("42501"), "{cause}");
}

#[test]
fn a_password_is_shown_nowhere() {
    let settings = PostgresQueueSettings::new("postgres://user:hunter2@127.0.0.1:1/d");
    let queue = PostgresQueue::new(&settings).unwrap();
    assert!(!format!("{settings:?} {queue:?}").contains("hunter2"));
    let refused = PostgresQueue::new(&PostgresQueueSettings::new("postgres://user:hunter2@[/d")).unwrap_err();
    assert_eq!(refused, InvalidPostgresUrl);
}
