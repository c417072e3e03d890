//! The schema: its migrations are embedded in the program.

use payout_core::ports::RepositoryError;
use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;

use super::link::Link;
use crate::storage::sql::error::{SqlError, migration_error, repository_error};
use crate::storage::sql::schema::{all_applied, tolerant};

static MIGRATIONS: Migrator = sqlx::migrate!("src/storage/postgres/migrations");

/// A trigger, and its function, that reject changes to the rows they guard, as the migrations made them.
struct Protection {
    trigger: &'static str,
    function: &'static str,
    /// The SQL of the migration that made the trigger.
    made: &'static str,
}

/// The triggers that guard the events, the creation in the details, and the approvals.
const PROTECTIONS: [Protection; 5] = [
    Protection {
        trigger: "payout_events_append_only",
        function: "payout_events_refuse_change",
        made: include_str!("migrations/0001_payouts.sql"),
    },
    Protection {
        trigger: "payout_details_keep_creation",
        function: "payout_creation_refuse_change",
        made: include_str!("migrations/0013_states.sql"),
    },
    Protection {
        trigger: "payout_approvals_append_only",
        function: "payout_approvals_refuse_change",
        made: include_str!("migrations/0018_approvals.sql"),
    },
    Protection {
        trigger: "payout_approvals_four_eyes",
        function: "payout_approvals_four_eyes",
        made: include_str!("migrations/0018_approvals.sql"),
    },
    Protection {
        trigger: "payout_states_are_approved",
        function: "payout_states_are_approved",
        made: include_str!("migrations/0018_approvals.sql"),
    },
];

/// Reads the triggers. Type 58 is: before an update, a delete or a truncation, once for each statement; 7 is before an
/// insert, and 19 before an update, once for each row.
const TRIGGERS: &str = "
    SELECT
        tgname,
        tgtype = CASE tgname WHEN 'payout_approvals_four_eyes' THEN 7 WHEN 'payout_states_are_approved' THEN 19 ELSE 58 END
        AND (tgqual IS NULL) = (tgname <> 'payout_states_are_approved')
        AND CASE tgname
            WHEN 'payout_events_append_only' THEN tgattr::text = '' AND proname = 'payout_events_refuse_change'
            WHEN 'payout_approvals_append_only' THEN tgattr::text = '' AND proname = 'payout_approvals_refuse_change'
            WHEN 'payout_approvals_four_eyes' THEN proname = 'payout_approvals_four_eyes'
            WHEN 'payout_states_are_approved' THEN proname = 'payout_states_are_approved'
            ELSE proname = 'payout_creation_refuse_change' AND ARRAY(
                    SELECT attname::text FROM pg_attribute WHERE attrelid = tgrelid AND attnum = ANY (tgattr)
                ) @> ARRAY['id', 'created_at', 'created_by', 'created_in', 'created_because', 'feed_key'] END,
        tgenabled IN ('O', 'A') AND current_setting('session_replication_role') <> 'replica' OR tgenabled = 'A',
        prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = 'payout_events'::regclass AND tgname = 'payout_events_append_only'
        OR tgrelid = 'payout_details'::regclass AND tgname = 'payout_details_keep_creation'
        OR tgrelid = 'payout_approvals'::regclass AND tgname IN ('payout_approvals_append_only', 'payout_approvals_four_eyes')
        OR tgrelid = 'payout_states'::regclass AND tgname = 'payout_states_are_approved'";

/// Locks out other migrations through a pooler.
const LOCK_MIGRATIONS: &str = "DEALLOCATE ALL; SELECT pg_advisory_xact_lock(hashtext('payout migrations'))";

const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// Migrates on a connection of its own. A migration may take longer than any statement of the service. It runs under an
/// advisory lock, which is released with the connection if this future is dropped.
pub(super) async fn migrate(link: &Link) -> Result<(), RepositoryError> {
    let mut connection = link.connect_unlimited().await.map_err(repository_error)?;
    let result = if link.is_pooled() {
        migrate_in_one_transaction(&mut connection).await
    } else {
        tolerant(&MIGRATIONS).run(&mut connection).await
    };
    let _ = connection.close().await;
    result.map_err(migration_error)
}

/// Migrates through a pooler, which may give each transaction another session: a lock of the session would stay with
/// it. Named statements are removed before another client of the pooler meets them.
async fn migrate_in_one_transaction(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(LOCK_MIGRATIONS).execute(&mut *transaction).await?;
    tolerant(&MIGRATIONS)
        .set_locking(false)
        .run(&mut *transaction)
        .await?;
    sqlx::raw_sql("DEALLOCATE ALL").execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn is_current(link: &Link) -> Result<bool, RepositoryError> {
    let applied = match link.read(|| sqlx::query_as::<_, (i64, Vec<u8>)>(APPLIED)).await {
        Ok(applied) => applied,
        Err(RepositoryError::Unavailable(error))
            if matches!(error.downcast_ref(), Some(SqlError::NotMigrated { .. })) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    all_applied(&MIGRATIONS, &applied)
}

pub(super) async fn audit_trail_flaws(link: &Link) -> Result<Vec<String>, RepositoryError> {
    let found = link
        .read(|| sqlx::query_as::<_, (String, bool, bool, String)>(TRIGGERS))
        .await?;
    Ok(PROTECTIONS.iter().flat_map(|one| one.flaws(&found)).collect())
}

impl Protection {
    fn flaws(&self, found: &[(String, bool, bool, String)]) -> Vec<String> {
        let (trigger, function) = (self.trigger, self.function);
        let Some((_, as_made, enabled, body)) = found.iter().find(|(name, ..)| name == trigger) else {
            return vec![format!("the trigger {trigger} is missing")];
        };
        let mut flaws = Vec::new();
        if !as_made {
            flaws.push(format!("the trigger {trigger} was replaced"));
        }
        if !enabled {
            flaws.push(format!("the trigger {trigger} is disabled"));
        }
        if self.body() != Some(body.trim()) {
            flaws.push(format!("the function {function} was replaced"));
        }
        flaws
    }

    fn body(&self) -> Option<&'static str> {
        let (_, made) = self
            .made
            .split_once(&format!("CREATE FUNCTION {}()", self.function))?;
        made.split("$$").nth(1).map(str::trim)
    }
}
