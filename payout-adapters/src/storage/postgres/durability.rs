//! The durability of a commit: whether an acknowledged write survives a crash of the server.

use payout_core::ports::RepositoryError;

use super::link::{Link, only};
use crate::storage::admin::Durability;

/// Makes an acknowledged commit durable on disk in each session of the service, whatever the server, the database or
/// the role sets.
///
/// It never weakens the setting: `remote_apply` stays, and so does `remote_write`, which includes the flush on this
/// server. The session sets the value even where it is already right, so that a later change of the server's
/// configuration does not affect open sessions.
pub(super) const ACKNOWLEDGE_WHAT_IS_ON_DISK: &str = "
    SELECT set_config('synchronous_commit', CASE
        WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
        ELSE current_setting('synchronous_commit')
    END, false)";

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
