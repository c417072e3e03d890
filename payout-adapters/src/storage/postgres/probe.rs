//! The readiness probe.

use std::time::Duration;

use payout_core::ports::RepositoryError;
use tokio::time::{sleep, timeout};

use super::link::{Link, only};
use super::stall::Stalled;
use super::{first_statistics, interval};
use crate::storage::sql::error::{SqlError, unavailable};

/// The time that a write has. The caller's own patience is a little longer, so that it learns the reason.
const PATIENCE: Duration = Duration::from_millis(1_300);

/// The number of tries to write a row that another session holds, after a write has failed.
const TRIES: u32 = 4;

/// The pause between them: other processes write the same row.
const BETWEEN_TRIES: Duration = Duration::from_millis(150);

/// The time for which a commit may wait for a synchronous standby before the standby counts as gone.
const STANDBY_HAS: Duration = Duration::from_secs(2);

/// That time once the probe's own write has waited.
const STANDBY_HAD: Duration = Duration::from_secs(1);

/// The time that the question has why a write was not answered.
const TO_ASK_WHY: Duration = Duration::from_millis(400);

/// Reads whether the session is read-only, as on a standby, and in a database, role or server that was made read-only;
/// and how many sessions wait for a synchronous standby.
const STATE: &str = "
    SELECT current_setting('transaction_read_only')::boolean, count(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'SyncRep' AND state_change < clock_timestamp() - $1";

/// Writes the probe row, unless another session holds it. That session is writing it just now, or is stuck and not
/// waited for.
const PROBE: &str = "
    WITH free AS (SELECT id FROM write_probe WHERE id = 1 FOR UPDATE SKIP LOCKED)
    UPDATE write_probe SET at = now() FROM free WHERE write_probe.id = free.id RETURNING true";

/// Probes whether the database takes writes, and confirms them. A connection to a read-only server is dropped: the next
/// one may reach a server that takes writes.
pub(super) async fn probe(link: &Link) -> Result<(), RepositoryError> {
    match timeout(PATIENCE, look(link)).await {
        Ok(result) => {
            if result.is_ok() {
                first_statistics::look(link);
            }
            result
        }
        Err(_) => {
            link.writes.failed();
            Err(explain(link).await)
        }
    }
}

async fn look(link: &Link) -> Result<(), RepositoryError> {
    let has = interval(STANDBY_HAS);
    let read = || sqlx::query_as::<_, (bool, i64)>(STATE).bind(has);
    let (read_only, waiting) = only(link.read(read).await?)?;
    if read_only {
        link.doubt_connections();
        return Err(unavailable(SqlError::ReadOnlyServer));
    }
    if waiting > 0 {
        return Err(stall(link, waiting));
    }
    if link.writes.prove_it() && link.stall.check().is_ok() {
        return Ok(());
    }
    write(link).await
}

/// Writes the probe row.
async fn write(link: &Link) -> Result<(), RepositoryError> {
    for _ in 0..TRIES {
        let failed = link.writes.last_failed();
        if link
            .write_probe(sqlx::query_as::<_, (bool,)>(PROBE))
            .await?
            .is_some()
        {
            link.stall.end();
            return Ok(());
        }
        if !failed {
            return link.stall.check();
        }
        sleep(BETWEEN_TRIES).await;
    }
    // The session that holds the row for this long is most likely a probe that was not answered.
    link.writes.failed();
    link.stall.begin(Stalled::Unanswered);
    Err(Stalled::Unanswered.error())
}

/// Finds the reason why the probe was not answered in time.
async fn explain(link: &Link) -> RepositoryError {
    if let Some(error) = link.why_no_connection() {
        return unavailable(error);
    }
    let had = interval(STANDBY_HAD);
    let waiting = timeout(
        TO_ASK_WHY,
        link.ask(sqlx::query_as::<_, (bool, i64)>(STATE).bind(had)),
    )
    .await;
    match waiting.map(|rows| rows.and_then(only)) {
        Ok(Ok((_, waiting @ 1..))) => stall(link, waiting),
        Ok(Ok(_) | Err(_)) | Err(_) => unavailable(SqlError::Deadline(PATIENCE)),
    }
}

fn stall(link: &Link, sessions: i64) -> RepositoryError {
    let stalled = Stalled::Standby { sessions };
    link.stall.begin(stalled);
    stalled.error()
}
