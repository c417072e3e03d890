//! Constraints of the schema, and its migrations.

use std::error::Error;

use payout_adapters::storage::admin::StorageAdmin;
use payout_core::Timestamp;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::ports::{
    Count, Cursor, Filter, ListQuery, Order, PayoutRepository, Position, RepositoryError, Search,
};
use sqlx::{AssertSqlSafe, PgPool};

use crate::database::Database;

/// Returns the SQLSTATE with which a statement is refused.
async fn refusal(pool: &PgPool, statement: &str) -> Option<String> {
    let error = sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(pool)
        .await
        .err()?;
    Some(error.as_database_error()?.code()?.into_owned())
}

#[tokio::test]
async fn the_schema_refuses_rows_that_no_step_leads_to() {
    let (repository, database) = Database::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    for columns in [
        "amount = 0",
        "amount = -1",
        "currency = 'EURO'",
        "recipient_account = ''",
        "recipient_name = repeat('x', 129)",
        "description = repeat('x', 256)",
        "external_id = ''",
        "statement_text = repeat('x', 141)",
        "metadata = '[]'",
    ] {
        let refused = refusal(&pool, &format!("UPDATE payout_details SET {columns}")).await;
        assert_eq!(refused.as_deref(), Some("23514"), "{columns}");
    }
    for columns in [
        "status = 'paid'",
        "revision = -1",
        "claimed_by = 'worker'",
        "version = 0",
        "generation = -1",
        "claims = 1",
        "needs_review = true",
        "status = 'processing'",
        "status = 'processing', claims = 1, fence = 1",
        "status = 'failed', due_at = NULL",
        "failure_code = 'declined', failure_message = 'no'",
        "status = 'failed', due_at = NULL, failure_code = 'declined'",
        "due_at = NULL",
        "status = 'completed'",
        "deleted_at = now()",
        "status = 'processing', claims = 1, fence = 1, claimed_at = now(), quiet_at = now(), \
         first_submitted_at = now(), needs_review = true, due_at = NULL, deleted_at = now()",
    ] {
        let refused = refusal(&pool, &format!("UPDATE payout_states SET {columns}")).await;
        assert_eq!(refused.as_deref(), Some("23514"), "{columns}");
    }
    let held =
        "INSERT INTO daily_totals VALUES ('00000000-0000-0000-0000-000000000000', 'USD', current_date, 1)";
    assert_eq!(refusal(&pool, held).await, None);
    for columns in ["currency = 'EURO'", "total = -1"] {
        let refused = refusal(&pool, &format!("UPDATE daily_totals SET {columns}")).await;
        assert_eq!(refused.as_deref(), Some("23514"), "{columns}");
    }
    let too_long = refusal(&pool, "UPDATE payout_details SET amount = 1e18").await;
    assert_eq!(
        too_long.as_deref(),
        Some("22003"),
        "eighteen digits before the point are the most"
    );
}

#[tokio::test]
async fn events_are_neither_changed_nor_removed() {
    let (repository, database) = Database::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    for statement in [
        "UPDATE payout_events SET actor = 'nobody'",
        "DELETE FROM payout_events",
        "TRUNCATE payout_events",
        "TRUNCATE payout_states, payout_events CASCADE",
        "INSERT INTO payout_events OVERRIDING SYSTEM VALUE SELECT * FROM payout_events
         ON CONFLICT (payout_id, sequence) DO UPDATE SET actor = 'nobody'",
        "MERGE INTO payout_events AS old USING payout_events AS new ON old.sequence = new.sequence WHEN MATCHED THEN DELETE",
    ] {
        assert_eq!(
            refusal(&pool, statement).await.as_deref(),
            Some("23001"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn the_creation_of_a_payout_is_neither_changed_nor_removed() {
    let (repository, database) = Database::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let pool = database.pool().await;
    for statement in [
        "UPDATE payout_details SET created_by = 'nobody'",
        "UPDATE payout_details SET created_by = NULL",
        "UPDATE payout_details SET created_in = 'another'",
        "UPDATE payout_details SET created_because = 'another'",
        "UPDATE payout_details SET created_at = now()",
        "UPDATE payout_details SET id = gen_random_uuid()",
        "DELETE FROM payout_details",
        "TRUNCATE payout_details",
    ] {
        assert_eq!(
            refusal(&pool, statement).await.as_deref(),
            Some("23001"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn many_may_migrate_at_once_and_again() {
    let database = Database::empty().await;
    let repository = database.repository();
    assert!(!repository.schema_is_current().await.unwrap());
    let others = [database.repository(), database.repository()];
    let (one, two, three) = tokio::join!(repository.migrate(), others[0].migrate(), others[1].migrate());
    one.and(two).and(three).unwrap();
    repository.migrate().await.unwrap();
    assert!(repository.schema_is_current().await.unwrap());
}

#[tokio::test]
async fn a_database_of_a_later_version_serves_this_one() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (999999, 'of a later version', true, '', 0)";
    sqlx::raw_sql(later).execute(&pool).await.unwrap();
    repository.migrate().await.unwrap();
    assert!(repository.schema_is_current().await.unwrap());
    sqlx::raw_sql("DELETE FROM _sqlx_migrations WHERE version = 1")
        .execute(&pool)
        .await
        .unwrap();
    assert!(!repository.schema_is_current().await.unwrap());
}

#[tokio::test]
async fn a_migration_that_was_applied_as_another_is_refused_and_not_waited_for() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let altered = "UPDATE _sqlx_migrations SET checksum = '' WHERE version = 1";
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
    let database = Database::empty().await;
    let error = database.repository().find(build::fresh_id()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Unavailable(_)), "{error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("the schema is not migrated"), "{source}");
}

#[tokio::test]
async fn a_broken_row_is_refused_and_holds_up_no_claim() {
    let (repository, database) = Database::migrated().await;
    let broken = drive::store(&repository, build::new_payout()).await.id();
    let sound = drive::store(&repository, build::new_payout()).await.id();
    let pool = database.pool().await;
    let sabotage =
        sqlx::query("UPDATE payout_details SET currency = 'ZZZ' WHERE id = $1").bind(broken.as_uuid());
    sabotage.execute(&pool).await.unwrap();

    let error = repository.find(broken).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    assert_eq!(
        drive::claim_ids(&repository, &build::sweep(10, LONG_LEASE)).await,
        [sound]
    );
}

#[tokio::test]
async fn an_error_quotes_no_personal_data() {
    let (repository, database) = Database::migrated().await;
    let pool = database.pool().await;
    let constraint = "ALTER TABLE payout_details ADD CHECK (recipient_name <> 'Secret Person')";
    sqlx::raw_sql(constraint).execute(&pool).await.unwrap();
    let error = repository
        .insert(&[build::paid_to("Secret Person")])
        .await
        .unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("Secret Person"), "{error:?}");
}

#[tokio::test]
async fn what_postgresql_cannot_hold_is_not_found_and_no_error() {
    let (repository, _database) = Database::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let filter = Filter {
        search: Search::new("Ada\0"),
        ..Filter::default()
    };
    assert_eq!(
        repository.count(&filter, Some(10)).await.unwrap(),
        Count {
            count: 0,
            exact: true
        }
    );
    let position = Position::Offset(0);
    let query = ListQuery {
        filter,
        order: Order::NewestFirst,
        position,
        limit: 10,
    };
    assert!(drive::listed(&repository, &query).await.is_empty());

    let cursor = Cursor {
        at: Timestamp::MIN_UTC,
        id: build::fresh_id(),
    };
    let query = ListQuery {
        filter: Filter::default(),
        order: Order::NewestFirst,
        position: Position::After(cursor),
        limit: 10,
    };
    assert!(drive::listed(&repository, &query).await.is_empty());
    let filter = Filter {
        created_after: Some(Timestamp::MIN_UTC),
        created_before: Some(Timestamp::MAX_UTC),
        ..Filter::default()
    };
    assert_eq!(repository.count(&filter, None).await.unwrap().count, 1);
}
