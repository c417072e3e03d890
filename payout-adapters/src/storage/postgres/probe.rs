//! The readiness probe.

use payout_core::ports::RepositoryError;

use super::link::{Link, only};
use crate::storage::sql::error::{SqlError, unavailable};

/// What a standby, a read-only database or role, and a server that was made read-only have in common.
const READ_ONLY: &str = "SELECT current_setting('transaction_read_only')::boolean";

/// Whoever holds the row has written it just now, or will not be waited for.
const PROBE: &str = "
    WITH free AS (SELECT id FROM write_probe WHERE id = 1 FOR UPDATE SKIP LOCKED)
    UPDATE write_probe SET at = now() FROM free WHERE write_probe.id = free.id";

/// A connection to what cannot be written is not kept: the next may lead to a server that can.
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
