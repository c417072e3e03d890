//! Constraints of the schema, and its migrations.

use std::error::Error;
use std::sync::Arc;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::sqlite::SqliteRepository;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::ports::{PayoutRepository, RepositoryError, System};
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::file::File;

/// Returns the message with which a statement is refused.
async fn refusal(pool: &SqlitePool, statement: &str) -> Option<String> {
    let error = sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(pool)
        .await
        .err()?;
    Some(error.as_database_error()?.message().to_owned())
}

#[tokio::test]
async fn the_schema_refuses_rows_that_no_step_leads_to() {
    let (repository, file) = File::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = file.pool().await;
    for columns in [
        "id = x'00'",
        "amount = '0.00'",
        "amount = '-1'",
        "amount = '1e3'",
        "currency = 'EURO'",
        "recipient_account = ''",
        "recipient_name = printf('%.*c', 129, 'x')",
        "description = printf('%.*c', 256, 'x')",
        "external_id = ''",
        "statement_text = printf('%.*c', 141, 'x')",
        "metadata = '[]'",
        "batch_id = x'00'",
    ] {
        let refused = refusal(&pool, &format!("UPDATE payout_details SET {columns}"))
            .await
            .unwrap_or_default();
        assert!(
            refused.starts_with("CHECK constraint failed: payout_details_")
                || refused == "the creation of a payout is not changed",
            "{columns}: {refused:?}"
        );
    }
    for columns in [
        "status = 'paid'",
        "revision = -1",
        "claimed_by = 'worker'",
        "version = 0",
        "generation = -1",
        "claims = 1",
        "needs_review = 1",
        "needs_review = 2",
        "status = 'processing'",
        "status = 'processing', claims = 1, fence = 1",
        "status = 'failed', due_at = NULL",
        "failure_code = 'declined', failure_message = 'no'",
        "status = 'failed', due_at = NULL, failure_code = 'declined'",
        "due_at = NULL",
        "status = 'completed'",
        "deleted_at = 1",
        "status = 'processing', claims = 1, fence = 1, claimed_at = 1, quiet_at = 1, first_submitted_at = 1, \
         needs_review = 1, due_at = NULL, deleted_at = 1",
    ] {
        let refused = refusal(&pool, &format!("UPDATE payout_states SET {columns}"))
            .await
            .unwrap_or_default();
        assert!(
            refused.starts_with("CHECK constraint failed: payout_states_"),
            "{columns}: {refused:?}"
        );
    }
    let held = "INSERT INTO daily_totals VALUES (zeroblob(16), 'USD', '2026-11-30', '1.00')";
    assert_eq!(refusal(&pool, held).await, None);
    for columns in [
        "api_key_id = x'00'",
        "currency = 'EURO'",
        "day = '2026-11-31'",
        "day = '30.11.2026'",
        "total = '-1'",
        "total = '1e3'",
    ] {
        let refused = refusal(&pool, &format!("UPDATE daily_totals SET {columns}"))
            .await
            .unwrap_or_default();
        assert!(
            refused.starts_with("CHECK constraint failed: daily_totals_"),
            "{columns}: {refused:?}"
        );
    }
    let refused = refusal(&pool, "UPDATE payout_states SET due_at = 'soon'")
        .await
        .unwrap_or_default();
    assert!(
        refused.contains("cannot store TEXT value in INTEGER column"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn events_are_neither_changed_nor_removed() {
    let (repository, file) = File::migrated().await;
    let payout = drive::store(&repository, build::new_payout()).await;
    drive::apply(&repository, &payout.cancel(build::client()).unwrap()).await;
    let pool = file.pool().await;
    for statement in [
        "UPDATE payout_events SET actor = 'nobody'",
        "DELETE FROM payout_events",
        "REPLACE INTO payout_events SELECT * FROM payout_events",
        "INSERT OR REPLACE INTO payout_events SELECT * FROM payout_events",
        "INSERT INTO payout_events SELECT * FROM payout_events WHERE true \
         ON CONFLICT (sequence) DO UPDATE SET actor = 'nobody'",
        "UPDATE OR REPLACE payout_events SET sequence = 1",
    ] {
        let refused = refusal(&pool, statement).await;
        assert_eq!(
            refused.as_deref(),
            Some("payout_events is append-only"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn the_creation_of_a_payout_is_neither_changed_nor_removed() {
    let (repository, file) = File::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = file.pool().await;
    for statement in [
        "UPDATE payout_details SET created_by = 'nobody'",
        "UPDATE payout_details SET created_by = NULL",
        "UPDATE payout_details SET created_in = 'another'",
        "UPDATE payout_details SET created_because = 'another'",
        "UPDATE payout_details SET created_at = 0",
        "UPDATE payout_details SET id = randomblob(16)",
        "UPDATE payout_details SET feed_after = feed_after + 1",
        "UPDATE payout_details SET feed_number = 0",
        "DELETE FROM payout_details",
        "REPLACE INTO payout_details SELECT * FROM payout_details",
    ] {
        let refused = refusal(&pool, statement).await;
        assert_eq!(
            refused.as_deref(),
            Some("the creation of a payout is not changed"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn the_file_is_made_and_many_may_migrate_it_at_once_and_again() {
    let file = File::missing();
    let repository = file.repository();
    assert!(!repository.schema_is_current().await.unwrap());
    let others = [file.repository(), file.repository()];
    let (one, two, three) = tokio::join!(repository.migrate(), others[0].migrate(), others[1].migrate());
    one.and(two).and(three).unwrap();
    repository.migrate().await.unwrap();
    assert!(repository.schema_is_current().await.unwrap());
}

#[tokio::test]
async fn a_migration_that_was_applied_as_another_is_refused_and_not_waited_for() {
    let (repository, file) = File::migrated().await;
    let pool = file.pool().await;
    let altered = "UPDATE _sqlx_migrations SET checksum = x'' WHERE version = 1";
    sqlx::raw_sql(altered).execute(&pool).await.unwrap();
    for error in [
        repository.schema_is_current().await.unwrap_err(),
        repository.migrate().await.unwrap_err(),
    ] {
        assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_schema_the_error_says_so() {
    let file = File::missing();
    let repository = file.repository();
    assert!(!repository.schema_is_current().await.unwrap());
    for error in [
        repository.find(build::fresh_id()).await.unwrap_err(),
        repository.insert(&[build::new_payout()]).await.unwrap_err(),
    ] {
        assert!(matches!(error, RepositoryError::Unavailable(_)), "{error:?}");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(source.contains("the schema is not migrated"), "{source}");
    }
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    for url in ["sqlite::memory:", "sqlite://:memory:", "postgres://localhost/x"] {
        let repository = SqliteRepository::open_lazy(url, Arc::new(System::default()));
        assert!(matches!(repository, Err(RepositoryError::Refused(_))), "{url}");
    }
}

#[tokio::test]
async fn a_broken_row_is_refused_and_holds_up_no_claim() {
    let (repository, file) = File::migrated().await;
    let broken = drive::store(&repository, build::new_payout()).await.id();
    let sound = drive::store(&repository, build::new_payout()).await.id();
    let sabotage =
        sqlx::query("UPDATE payout_details SET currency = 'ZZZ' WHERE id = ?").bind(broken.as_uuid());
    sabotage.execute(&file.pool().await).await.unwrap();

    let error = repository.find(broken).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    assert_eq!(
        drive::claim_ids(&repository, &build::sweep(10, LONG_LEASE)).await,
        [sound]
    );
}

#[tokio::test]
async fn an_audit_trail_that_was_laid_open_is_seen() {
    let (repository, file) = File::migrated().await;
    assert_eq!(
        repository.audit_trail_flaws().await.unwrap(),
        Vec::<String>::new()
    );
    let pool = file.pool().await;
    for (open, flaw) in [
        (
            "DROP TRIGGER payout_events_refuse_update",
            "refuse_update is missing",
        ),
        (
            "DROP TRIGGER payout_events_refuse_delete; \
             CREATE TRIGGER payout_events_refuse_delete BEFORE DELETE ON payout_events BEGIN SELECT 1; END",
            "refuse_delete was replaced",
        ),
    ] {
        sqlx::raw_sql(open).execute(&pool).await.unwrap();
        let flaws = repository.audit_trail_flaws().await.unwrap().join("; ");
        assert!(flaws.contains(flaw), "{open}: {flaws:?}");
    }
}
