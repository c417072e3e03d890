//! The schema: its migrations are embedded in the program.

use payout_core::ports::RepositoryError;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection};

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

/// The triggers that guard the events, and the creation in the details.
const PROTECTIONS: [Protection; 2] = [
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
];

/// Reads the triggers. Type 58 is: before an update, a delete or a truncation, once for each statement.
const TRIGGERS: &str = "
    SELECT
        tgname,
        tgtype = 58 AND tgqual IS NULL AND CASE tgrelid
            WHEN 'payout_events'::regclass THEN tgattr::text = '' AND proname = 'payout_events_refuse_change'
            ELSE proname = 'payout_creation_refuse_change' AND ARRAY(
                    SELECT attname::text FROM pg_attribute WHERE attrelid = tgrelid AND attnum = ANY (tgattr)
                ) @> ARRAY['id', 'created_at', 'created_by', 'created_in', 'created_because'] END,
        tgenabled IN ('O', 'A') AND current_setting('session_replication_role') <> 'replica' OR tgenabled = 'A',
        prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = 'payout_events'::regclass AND tgname = 'payout_events_append_only'
        OR tgrelid = 'payout_details'::regclass AND tgname = 'payout_details_keep_creation'";

const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// Migrates on a connection of its own. A migration may take longer than any statement of the service. It runs under an
/// advisory lock, which is released with the connection if this future is dropped.
pub(super) async fn migrate(link: &Link) -> Result<(), RepositoryError> {
    let mut connection = link.unlimited.connect().await.map_err(repository_error)?;
    let result = tolerant(&MIGRATIONS)
        .run(&mut connection)
        .await
        .map_err(migration_error);
    let _ = connection.close().await;
    result
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
