//! Import of payouts from another service: a transaction of three statements, whatever the size of the batch.

use payout_core::payout::ForeignPayout;
use payout_core::ports::{Imported, RepositoryError};
use uuid::Uuid;

use super::claim::hexes;
use super::store::{Store, Write, run_detached};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::import::{answers, rows};

/// Inserts the batch; a payout that is already stored under an id stays as it is.
const INSERT: &str = "
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, sealed, description,
        mac, changed_version
    )
    SELECT
        unhex(value ->> 'id'), value ->> 'created_at', value ->> 'amount', value ->> 'currency',
        value ->> 'recipient_account', value ->> 'recipient_name', value ->> 'recipient_name_folded',
        unhex(value ->> 'sealed'), value ->> 'description', unhex(value ->> 'mac'),
        CASE WHEN value ->> 'mac' IS NOT NULL THEN 1 END
    FROM jsonb_each(?1)
    WHERE unhex(value ->> 'id') NOT IN (SELECT id FROM payout_details)
    RETURNING id";

const INSERT_STATES: &str = "
    INSERT INTO payout_states (
        id, created_at, generation, claims, fence, version, updated_at, due_at, first_submitted_at, claimed_at, quiet_at,
        needs_review, status, failure_code, failure_message, provider_reference, completed_at
    )
    SELECT
        unhex(value ->> 'id'), value ->> 'created_at', 0, value ->> 'claims', value ->> 'fence', 1,
        value ->> 'updated_at', value ->> 'due_at', value ->> 'sent_at', value ->> 'sent_at', value ->> 'sent_at',
        value ->> 'needs_review', value ->> 'status', value ->> 'failure_code', value ->> 'failure_message',
        value ->> 'provider_reference',
        CASE WHEN value ->> 'status' = 'completed' THEN value ->> 'updated_at' END
    FROM jsonb_each(?1)
    WHERE ?2 IS NOT NULL AND unhex(value ->> 'id') IN (SELECT unhex(value) FROM jsonb_each(?3))";

const LOG: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, detail, version)
    SELECT
        unhex(value ->> 'id'), 0, value ->> 'fence', ?2, 'imported', value ->> 'status', value ->> 'actor',
        value ->> 'detail', 1
    FROM jsonb_each(?1)
    WHERE unhex(value ->> 'id') IN (SELECT unhex(value) FROM jsonb_each(?3))";

pub(super) async fn import(store: &Store, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let (store, batch) = (store.clone(), batch.to_vec());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let rows = rows(&batch, now, &store.keyring)?;
        let written: Vec<(Uuid,)> = sqlx::query_as(INSERT)
            .bind(&rows)
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let ids = hexes(written.iter().map(|(id,)| *id))?;
        for statement in [INSERT_STATES, LOG] {
            let run = sqlx::query(statement)
                .bind(&rows)
                .bind(now.timestamp_micros())
                .bind(&ids);
            run.execute(&mut *transaction).await.map_err(repository_error)?;
        }
        transaction.commit().await.map_err(repository_error)?;
        Ok(answers(&batch, written))
    })
    .await
}
