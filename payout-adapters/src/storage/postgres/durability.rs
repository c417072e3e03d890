//! The durability of a commit: whether an acknowledged write survives a crash of the server.

use payout_core::ports::RepositoryError;

use super::link::{Link, only};
use crate::storage::admin::Durability;

const DURABILITY: &str = "
    SELECT
        current_setting('fsync')::boolean,
        current_setting('full_page_writes')::boolean,
        current_setting('synchronous_commit'),
        (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit')";

pub(super) async fn durability(link: &Link) -> Result<Durability, RepositoryError> {
    let read = || sqlx::query_as::<_, (bool, bool, String, String)>(DURABILITY);
    let (fsync, full_page_writes, synchronous_commit, configured_synchronous_commit) =
        only(link.read(read).await?)?;
    Ok(Durability {
        fsync,
        full_page_writes,
        synchronous_commit,
        configured_synchronous_commit,
    })
}
