//! The settings of a session, where each transaction may get another one.

use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::Pooler;
use payout_core::contract::{build, drive};
use payout_core::payout::Caller;
use payout_core::ports::{Clock, PayoutRepository, RepositoryError, System};

use crate::throwaway::PgBouncer;
use crate::two_behind_pgbouncer;

#[tokio::test]
async fn a_write_waits_for_a_locked_row_no_longer_than_it_may() {
    let (repository, _, (_pooler, database)) = two_behind_pgbouncer().await;
    let payout = drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    let mut holder = pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT FROM payout_states WHERE id = $1 FOR UPDATE");
    lock.bind(payout.id().as_uuid())
        .execute(&mut *holder)
        .await
        .unwrap();
    let clock = System::default();
    let begun = clock.monotonic();
    let cancel = payout.cancel(Caller::named("client")).unwrap();
    let given_up = repository.apply(&cancel, None).await;
    assert!(
        matches!(given_up, Err(RepositoryError::Locked { .. })),
        "{given_up:?}"
    );
    let took = clock.monotonic() - begun;
    assert!(took < Duration::from_secs(3), "{took:?}");
    holder.rollback().await.unwrap();
}

#[tokio::test]
async fn no_transaction_leaves_its_settings_or_a_statement_to_the_next_client() {
    let (repository, peer, (_pooler, database)) = two_behind_pgbouncer().await;
    let stores: Vec<_> = (0..32)
        .map(|index| {
            let repository = if index % 2 == 0 {
                repository.clone()
            } else {
                peer.clone()
            };
            tokio::spawn(async move { drive::store(&repository, build::new_payout()).await.id() })
        })
        .collect();
    for store in stores {
        let id = store.await.unwrap();
        assert!(peer.find(id).await.unwrap().is_some());
    }
    // Named statements of one client would collide with those of the next.
    repository.migrate().await.unwrap();
    peer.migrate().await.unwrap();
    assert!(peer.schema_is_current().await.unwrap());
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let pool = database.pool().await;
    assert_eq!(
        sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap(),
        0
    );
    let sessions = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'payout'";
    let sessions: i64 = sqlx::query_scalar(sessions).fetch_one(&pool).await.unwrap();
    assert!((1..=6).contains(&sessions), "{sessions} sessions for 32 callers");
}

#[tokio::test]
async fn in_session_mode_the_service_needs_no_setting() {
    let (pooler, database) = PgBouncer::in_mode(Pooler::Session).await;
    let repository = pooler.repository(&database);
    let id = drive::store(&repository, build::new_payout()).await.id();
    assert!(repository.find(id).await.unwrap().is_some());
    repository.probe().await.unwrap();
    // The settings of a session reach the server, and none of them was a parameter of its start.
    let settings = "SELECT current_setting('statement_timeout')";
    let mut other = database.pool().await.acquire().await.unwrap();
    let configured: String = sqlx::query_scalar(settings).fetch_one(&mut *other).await.unwrap();
    assert_eq!(configured, "0", "of a session of nobody's");
    let durability = repository.durability().await.unwrap().unwrap();
    assert_eq!(durability.synchronous_commit, "on");
}

#[tokio::test]
async fn what_is_acknowledged_is_on_disk_whatever_the_database_says() {
    let (repository, _, (_pooler, database)) = two_behind_pgbouncer().await;
    let alter = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    sqlx::raw_sql(alter)
        .execute(&database.pool().await)
        .await
        .unwrap();
    // PgBouncer's own sessions began with the earlier setting.
    let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(kill).execute(&database.pool().await).await.unwrap();
    let durability = repository.durability().await;
    let durability = match durability {
        Err(_) => repository.durability().await,
        known => known,
    };
    let durability = durability.unwrap().unwrap();
    assert_eq!(durability.synchronous_commit, "on");
    assert_eq!(durability.configured_synchronous_commit, "off");
}
