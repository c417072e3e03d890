//! The readiness probe.

use payout_core::ports::RepositoryError;

use super::link::{Link, only};
use crate::storage::sql::error::{SqlError, unavailable};

/// Reads whether the session is read-only, as on a standby, and in a database, role or server that was made read-only.
const READ_ONLY: &str = "SELECT current_setting('transaction_read_only')::boolean";

/// Writes the probe row, unless another session holds it. That session is writing it just now, or is stuck and not
/// waited for.
const PROBE: &str = "
    WITH free AS (SELECT id FROM write_probe WHERE id = 1 FOR UPDATE SKIP LOCKED)
    UPDATE write_probe SET at = now() FROM free WHERE write_probe.id = free.id";

/// Probes whether the database takes writes. A connection to a read-only server is dropped: the next one may reach a
/// server that takes writes.
pub(super) async fn probe(link: &Link) -> Result<(), RepositoryError> {
    let (read_only,) = only(link.read(|| sqlx::query_as::<_, (bool,)>(READ_ONLY)).await?)?;
    if read_only {
        link.doubt_connections();
        return Err(unavailable(SqlError::ReadOnlyServer));
    }
    if link.writes.prove_it() {
        return Ok(());
    }
    link.write(sqlx::query_as::<_, ()>(PROBE)).await.map(drop)
}
