//! The readiness probe.

use payout_core::ports::RepositoryError;

use super::store::{Store, Write, run_detached};
use crate::storage::sql::error::repository_error;

/// The size of the probe's write after a recent failure: as much as the write of a payout takes. A single page may find
/// room where a payout does not.
const ROOM: i64 = 64 * 1024;

const PROBE: &str = "UPDATE write_probe SET at = ?1, room = zeroblob(?2) WHERE id = 1";

pub(super) async fn probe(store: &Store) -> Result<(), RepositoryError> {
    let replaced = store.check_file();
    if replaced.is_ok() && store.writes.prove_it() {
        return Ok(());
    }
    let store = store.clone();
    run_detached(async move {
        if replaced.is_err() {
            store.save_log().await;
            return replaced;
        }
        let room = if store.writes.failed_lately() { ROOM } else { 0 };
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let probe = sqlx::query(PROBE).bind(now.timestamp_micros()).bind(room);
        probe.execute(&mut *transaction).await.map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)
    })
    .await
}
