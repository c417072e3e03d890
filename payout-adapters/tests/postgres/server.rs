//! Effects of the server's settings and its operators on writes: read-only sessions, commits that do not wait for the
//! disk, an audit trail whose protection was disabled.

use payout_adapters::StoreFault;
use payout_adapters::storage::admin::StorageAdmin;
use payout_core::contract::build;
use payout_core::contract::drive;
use payout_core::ports::{PayoutRepository, RepositoryError};
use sqlx::AssertSqlSafe;

use crate::database::Database;

/// Changes a setting with which each new session of the database begins.
async fn alter(database: &Database, how: &str) {
    let alter = format!(
        "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {how}', current_database()); END $$; COMMIT"
    );
    sqlx::raw_sql(AssertSqlSafe(alter))
        .execute(&database.pool().await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_that_takes_no_writes_is_not_kept() {
    let (_, database) = Database::migrated().await;
    alter(&database, "SET default_transaction_read_only = on").await;
    let repository = database.repository();
    for _ in 0..3 {
        let refused = repository.insert(&[build::new_payout()]).await.unwrap_err();
        assert!(matches!(refused, RepositoryError::Unavailable(_)), "{refused:?}");
    }
    alter(&database, "RESET default_transaction_read_only").await;
    drive::store(&repository, build::new_payout()).await;
}

#[tokio::test]
async fn a_probe_fails_where_reads_go_through_and_writes_do_not() {
    let (_, database) = Database::migrated().await;
    alter(&database, "SET default_transaction_read_only = on").await;
    let repository = database.repository();
    repository.now().await.unwrap();
    for _ in 0..3 {
        let refused = repository.probe().await.unwrap_err();
        assert!(matches!(refused, RepositoryError::Unavailable(_)), "{refused:?}");
    }
    alter(&database, "RESET default_transaction_read_only").await;
    repository.probe().await.unwrap();
    // The probe writes, unless another write has just succeeded.
    let pool = database.pool().await;
    sqlx::raw_sql("ALTER TABLE write_probe RENAME TO gone")
        .execute(&pool)
        .await
        .unwrap();
    let other = database.repository();
    other.probe().await.unwrap_err();
    // A write that succeeded a moment ago proves that writes are possible.
    drive::store(&other, build::new_payout()).await;
    other.probe().await.unwrap();
}

#[tokio::test]
async fn a_probe_waits_for_nobody() {
    let (_, database) = Database::migrated().await;
    let pool = database.pool().await;
    let mut holder = pool.begin().await.unwrap();
    let hold = "SELECT FROM write_probe FOR UPDATE";
    sqlx::query(hold).execute(&mut *holder).await.unwrap();
    let probe = tokio::time::timeout(std::time::Duration::from_secs(2), database.repository().probe()).await;
    probe.expect("an answer in time").unwrap();
}

#[tokio::test]
async fn while_a_write_of_the_probe_may_still_be_under_way_no_write_is_added_to_it() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let rename = |from: &str, to: &str| AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
    sqlx::raw_sql(rename("write_probe", "gone"))
        .execute(&pool)
        .await
        .unwrap();
    repository.probe().await.unwrap_err();
    sqlx::raw_sql(rename("gone", "write_probe"))
        .execute(&pool)
        .await
        .unwrap();
    let mut holder = pool.begin().await.unwrap();
    let hold = "SELECT FROM write_probe FOR UPDATE";
    sqlx::query(hold).execute(&mut *holder).await.unwrap();
    for _ in 0..2 {
        let refused = repository.probe().await.unwrap_err();
        assert_eq!(StoreFault::of(&refused), StoreFault::Unconfirmed, "{refused:?}");
    }
    let refused = repository.insert(&[build::new_payout()]).await.unwrap_err();
    assert_eq!(StoreFault::of(&refused), StoreFault::Unconfirmed, "{refused:?}");
    repository.now().await.unwrap();
    holder.rollback().await.unwrap();
    repository.probe().await.unwrap();
    drive::store(&repository, build::new_payout()).await;
}

#[tokio::test]
async fn what_is_acknowledged_is_on_disk_whatever_the_database_says() {
    let (_, database) = Database::migrated().await;
    for (configured, ours) in [
        ("off", "on"),
        ("local", "on"),
        ("on", "on"),
        ("remote_write", "remote_write"),
        ("remote_apply", "remote_apply"),
    ] {
        alter(&database, &format!("SET synchronous_commit = {configured}")).await;
        let durability = database.repository().durability().await.unwrap().unwrap();
        assert_eq!(durability.synchronous_commit, ours, "{configured}");
        assert_eq!(durability.configured_synchronous_commit, configured);
    }
}

#[tokio::test]
async fn an_audit_trail_that_was_laid_open_is_seen() {
    let (repository, database) = Database::migrated().await;
    assert_eq!(
        repository.audit_trail_flaws().await.unwrap(),
        Vec::<String>::new()
    );
    let pool = database.pool().await;
    let trigger = "CREATE TRIGGER payout_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_events \
        FOR EACH STATEMENT EXECUTE FUNCTION payout_events_refuse_change()";
    let creation = "CREATE TRIGGER payout_details_keep_creation BEFORE \
        UPDATE OF id, created_at, created_by, created_in, created_because, feed_key OR DELETE OR TRUNCATE \
        ON payout_details \
        FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change()";
    for (open, close, flaw) in [
        (
            "ALTER TABLE payout_details DISABLE TRIGGER payout_details_keep_creation",
            "ALTER TABLE payout_details ENABLE TRIGGER payout_details_keep_creation",
            "payout_details_keep_creation is disabled",
        ),
        (
            "DROP TRIGGER payout_details_keep_creation ON payout_details",
            creation,
            "payout_details_keep_creation is missing",
        ),
        (
            "ALTER TABLE payout_events DISABLE TRIGGER payout_events_append_only",
            "ALTER TABLE payout_events ENABLE TRIGGER payout_events_append_only",
            "is disabled",
        ),
        (
            "ALTER TABLE payout_events ENABLE REPLICA TRIGGER payout_events_append_only",
            "ALTER TABLE payout_events ENABLE ALWAYS TRIGGER payout_events_append_only",
            "is disabled",
        ),
        (
            "DROP TRIGGER payout_events_append_only ON payout_events",
            trigger,
            "is missing",
        ),
        (
            "DROP TRIGGER payout_events_append_only ON payout_events; \
             CREATE TRIGGER payout_events_append_only BEFORE DELETE ON payout_events \
             FOR EACH STATEMENT EXECUTE FUNCTION payout_events_refuse_change()",
            "",
            "was replaced",
        ),
        (
            "DROP TRIGGER payout_details_keep_creation ON payout_details; \
             CREATE TRIGGER payout_details_keep_creation BEFORE UPDATE OF id OR DELETE OR TRUNCATE ON payout_details \
             FOR EACH STATEMENT EXECUTE FUNCTION payout_creation_refuse_change()",
            "",
            "payout_details_keep_creation was replaced",
        ),
        (
            "CREATE OR REPLACE FUNCTION payout_events_refuse_change() RETURNS trigger LANGUAGE plpgsql \
             AS $$ BEGIN RETURN NULL; END $$",
            "",
            "the function payout_events_refuse_change was replaced",
        ),
    ] {
        sqlx::raw_sql(open).execute(&pool).await.unwrap();
        let flaws = repository.audit_trail_flaws().await.unwrap().join("; ");
        assert!(flaws.contains(flaw), "{open}: {flaws:?}");
        if !close.is_empty() {
            sqlx::raw_sql(close).execute(&pool).await.unwrap();
            assert_eq!(
                repository.audit_trail_flaws().await.unwrap(),
                Vec::<String>::new(),
                "{close}"
            );
        }
    }
}
