//! The schema: its migrations are embedded in the program.

use std::collections::BTreeMap;

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;

use super::store::{Store, run_detached};
use crate::storage::sql::error::{SqlError, migration_error, repository_error};
use crate::storage::sql::schema::{all_applied, tolerant};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/storage/sqlite/migrations");

/// The migrations that create the triggers which keep the audit trail append-only and its places in the feed, and require
/// approvals. A later one may create a trigger again.
const PROTECTIONS: [&str; 4] = [
    include_str!("migrations/0013_states.sql"),
    include_str!("migrations/0018_approvals.sql"),
    include_str!("migrations/0019_feed.sql"),
    include_str!("migrations/0023_feed_events.sql"),
];

const TRIGGERS: &str = "
    SELECT name, sql FROM sqlite_schema
    WHERE type = 'trigger'
        AND tbl_name IN ('payout_events', 'payout_details', 'payout_states', 'payout_approvals')";

const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// Migrates. SQLite has no lock that a migrator could hold across its transactions, as PostgreSQL has. Of several
/// processes that migrate at once, the later ones fail because the work is done, and then check again.
pub(super) async fn migrate(store: &Store) -> Result<(), RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let mut result = migrate_once(&store).await;
        for _ in 0..5 {
            if result.is_ok() {
                break;
            }
            result = migrate_once(&store).await;
        }
        result
    })
    .await
}

async fn migrate_once(store: &Store) -> Result<(), RepositoryError> {
    // The future of a migration over a borrowed connection is not `Send`, so the migrator takes a connection of its
    // own.
    let pool = store.writer_pool().map_err(repository_error)?;
    let result = tolerant(&MIGRATIONS).run(pool).await;
    if result.is_err() {
        // The pool has the connection back, in an unknown state.
        drop(store.writer().await);
    }
    result.map_err(migration_error)
}

pub(super) async fn is_current(store: &Store) -> Result<bool, RepositoryError> {
    // Read by the writer, which creates the file when it is missing.
    let statement = sqlx::query_as::<_, (i64, Vec<u8>)>(APPLIED);
    let mut writer = store.writer().await.map_err(repository_error)?;
    let applied = statement.fetch_all(&mut *writer).await;
    match applied.map_err(repository_error) {
        Ok(applied) => {
            writer.give_back();
            all_applied(&MIGRATIONS, &applied)
        }
        Err(RepositoryError::Unavailable(error))
            if matches!(error.downcast_ref(), Some(SqlError::NotMigrated { .. })) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Returns the flaws of the triggers: missing ones, and those whose text differs from the migration's. SQLite keeps the
/// text by which a trigger was created.
pub(super) async fn audit_trail_flaws(store: &Store) -> Result<Vec<String>, RepositoryError> {
    let there: Vec<(String, String)> = store.read(sqlx::query_as(TRIGGERS)).await?;
    let mut flaws = Vec::new();
    for (name, made) in triggers() {
        match there.iter().find(|(known, _)| known == name) {
            Some((_, text)) if same_words(text, made) => (),
            Some(_) => flaws.push(format!("the trigger {name} was replaced")),
            None => flaws.push(format!("the trigger {name} is missing")),
        }
    }
    Ok(flaws)
}

/// Returns the triggers by name, each with the statement that created it last, without its semicolon.
fn triggers() -> BTreeMap<&'static str, &'static str> {
    let starts = PROTECTIONS.iter().flat_map(|migration| {
        let starts = migration.match_indices("CREATE TRIGGER");
        starts.map(|(at, _)| &migration[at..])
    });
    let made = starts.filter_map(|text| {
        text.split_once("END;")
            .map(|(body, _)| &text[..body.len() + "END".len()])
    });
    let made = made.filter(|text| text.contains(" ON payout_"));
    made.map(|text| (text.split_whitespace().nth(2).unwrap_or_default(), text))
        .collect()
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
