//! Approvals, each recorded in the transaction of its change.

use payout_core::access::ApiKeyId;
use payout_core::payout::{Change, NewApproval};
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::transaction::Transaction;
use crate::storage::sql::row::as_i64;

/// Records an approval, if the payout still has the version and awaits it. A trigger refuses people who may not approve.
const APPROVE: &str = "
    INSERT INTO payout_approvals (payout_id, round, person, name, api_key_id, at, digest)
    SELECT id, approval_round, $3, $4, $5, now(), $6
    FROM (
        SELECT id, approval_round FROM payout_states
        WHERE id = $1 AND version = $2 AND deleted_at IS NULL AND status = 'awaiting_approval'
        FOR UPDATE NOWAIT
    ) AS target
    RETURNING payout_id";

/// Records an approval, and locks the payout's state. Returns false if the payout does not await it any more.
pub(super) async fn record(
    transaction: &mut Transaction<'_>,
    change: &Change,
    new: &NewApproval,
) -> Result<bool, RepositoryError> {
    let approve = sqlx::query_as::<_, (Uuid,)>(APPROVE)
        .bind(change.after.id().as_uuid())
        .bind(as_i64("version", change.expected_version)?)
        .bind(new.person.as_str())
        .bind(change.caller.actor.as_str())
        .bind(change.caller.api_key.map(ApiKeyId::as_uuid))
        .bind(new.digest.as_bytes().as_slice());
    Ok(!transaction.run(approve).await?.is_empty())
}
