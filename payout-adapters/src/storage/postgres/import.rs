//! Import of payouts from another service: payouts and events of the whole batch in one statement.

use payout_core::Timestamp;
use payout_core::payout::ForeignPayout;
use payout_core::ports::{Imported, RepositoryError};
use uuid::Uuid;

use super::link::Link;
use crate::storage::sql::import::{answers, rows};

/// Inserts the batch in the order of ids, so that two imports of the same payouts wait for each other in one direction
/// only. A payout that is already stored under an id stays as it is.
const INSERT: &str = "
    WITH incoming AS (
        SELECT *, 'epoch'::timestamptz + sent_at * interval '1 microsecond' AS sent
        FROM json_to_recordset($1::json) AS row (
            id uuid, amount numeric, currency text, recipient_account text, recipient_name text,
            recipient_name_folded text, sealed text, mac text, description text, status text, needs_review boolean,
            failure_code text, failure_message text, provider_reference text, claims bigint, fence bigint,
            sent_at bigint, due_at bigint, created_at bigint, updated_at bigint, actor text, detail text)
    ), stored AS (
        INSERT INTO payout_details (
            id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, sealed,
            description, mac, changed_version
        )
        SELECT
            id, 'epoch'::timestamptz + created_at * interval '1 microsecond', amount, currency, recipient_account,
            recipient_name, recipient_name_folded, decode(sealed, 'hex'), description, decode(mac, 'hex'),
            CASE WHEN mac IS NOT NULL THEN 1 END
        FROM incoming
        ORDER BY id
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    ), standing AS (
        INSERT INTO payout_states (
            id, created_at, generation, claims, fence, version, updated_at, due_at, first_submitted_at, claimed_at,
            quiet_at, needs_review, status, failure_code, failure_message, provider_reference, completed_at
        )
        SELECT
            id, 'epoch'::timestamptz + created_at * interval '1 microsecond', 0, claims, fence, 1,
            'epoch'::timestamptz + updated_at * interval '1 microsecond',
            'epoch'::timestamptz + due_at * interval '1 microsecond', sent, sent, sent, needs_review, status,
            failure_code, failure_message, provider_reference,
            CASE WHEN status = 'completed' THEN 'epoch'::timestamptz + updated_at * interval '1 microsecond' END
        FROM stored JOIN incoming USING (id)
    ), logged AS (
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, detail, version)
        SELECT id, 0, fence, now(), 'imported', status, actor, detail, 1
        FROM stored JOIN incoming USING (id)
    )
    SELECT id FROM stored";

pub(super) async fn import(
    link: &Link,
    now: Timestamp,
    batch: &[ForeignPayout],
) -> Result<Vec<Imported>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let rows = rows(batch, now, &link.keyring)?;
    let statement = sqlx::query_as::<_, (Uuid,)>(INSERT).bind(rows);
    Ok(answers(batch, link.write(statement).await?))
}
