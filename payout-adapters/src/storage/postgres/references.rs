//! The search for payouts by a reference of others.

use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::link::Link;
use crate::storage::reads::Cost;
use crate::storage::sql::references::distinct;

/// Looks at rows until there are enough. No index has all of these columns, since each would cost every payout a write,
/// and few people search: the costly reads bound how many do at once, and for how long.
const FIND: &str = "
    SELECT id FROM (
        SELECT id FROM payout_states WHERE provider_reference = $1 AND deleted_at IS NULL
        UNION ALL
        SELECT id FROM payout_details WHERE (created_in = $1 OR provider_key = $2) AND deleted_at IS NULL
        UNION ALL
        SELECT event.payout_id FROM payout_events AS event JOIN payout_details AS payout ON payout.id = event.payout_id
        WHERE event.request_id = $1 AND payout.deleted_at IS NULL
    ) AS found
    LIMIT $3";

pub(super) async fn find(link: &Link, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
    let key = Uuid::parse_str(reference).ok();
    let rows = link
        .read_costly(Cost::Dear, || {
            sqlx::query_as::<_, (Uuid,)>(FIND)
                .bind(reference)
                .bind(key)
                .bind(i64::from(limit))
        })
        .await?;
    Ok(distinct(rows))
}
