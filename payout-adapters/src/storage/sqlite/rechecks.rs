//! Rechecks of completed payments, and hints that a notification gives.

use std::collections::HashSet;
use std::time::Duration;

use payout_core::attempt::{Recheck, RecheckFinding};
use payout_core::payout::{Actor, EventKind, Payout, PayoutId};
use payout_core::ports::RepositoryError;
use payout_core::provider::{DeclineCode, PaymentName, ProviderName};
use serde::Serialize;
use uuid::Uuid;

use super::store::{Store, Write, hex, json, run_detached};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::{PayoutRow, payout_columns, provider_column};
use crate::storage::sql::stored::{as_micros, without_nul};

const CLAIM: &str = "
    UPDATE payout_states SET recheck_at = ?2 + ?4
    WHERE id IN (
        SELECT id FROM payout_states WHERE provider = ?1 AND recheck_at <= ?2 ORDER BY recheck_at LIMIT ?3
    )
    RETURNING id";

const CLAIMED: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM jsonb_each(?1) AS claimed
    CROSS JOIN payout_states AS state ON state.id = unhex(claimed.value)
    CROSS JOIN payout_details AS payout ON payout.id = state.id
    ORDER BY state.completed_at"
);

/// Writes the findings under their guard. A payment that stands changes nothing but the time of the next recheck: no
/// version, and no event.
const SETTLE: &str = "
    UPDATE payout_states
    SET recheck_at = ?2 + (value ->> 'again_in'),
        status = CASE WHEN value ->> 'returned' THEN 'returned' ELSE status END,
        failure_code = value ->> 'code',
        failure_message = value ->> 'message',
        failure_reason = value ->> 'reason',
        returned_at = CASE WHEN value ->> 'returned' THEN coalesce(value ->> 'returned_at', ?2) END,
        returned_amount = value ->> 'returned_amount',
        version = version + (value ->> 'returned'),
        updated_at = CASE WHEN value ->> 'returned' THEN ?2 ELSE updated_at END
    FROM jsonb_each(?1)
    WHERE payout_states.id = unhex(value ->> 'id') AND generation = value ->> 'generation' AND status = 'completed'
    RETURNING payout_states.id";

const LOG: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, detail, version)
    SELECT state.id, state.generation, state.fence, ?2, ?3, 'returned', ?4, value ->> 'code', state.version
    FROM jsonb_each(?1) AS said CROSS JOIN payout_states AS state ON state.id = unhex(value ->> 'id')
    WHERE value ->> 'returned'
    ORDER BY said.key";

/// Brings forward the next look at payments. A payout that a worker holds is left alone: its latest write is the claim.
pub(super) const HINT: &str = "
    UPDATE payout_states
    SET due_at = CASE WHEN due_at IS NOT NULL THEN ?1 END,
        recheck_at = CASE WHEN recheck_at IS NOT NULL THEN ?1 END
    WHERE id IN (
            SELECT named.id FROM jsonb_each(?3) AS reference
            CROSS JOIN payout_states AS named
                ON named.provider_reference = reference.value AND named.provider_reference IS NOT NULL
                    AND (named.recheck_at IS NOT NULL OR named.status = 'processing')
            UNION
            SELECT unhex(value) FROM jsonb_each(?4)
            UNION
            SELECT keyed.id FROM jsonb_each(?5) AS base
            CROSS JOIN payout_details AS keyed
                ON keyed.provider_key = unhex(base.value) AND keyed.provider_key IS NOT NULL
        )
        AND provider = ?2
        AND (recheck_at > ?1
            OR (status = 'processing' AND due_at > ?1 AND provider_reference IS NOT NULL
                AND claimed_at IS NOT updated_at))
    RETURNING id";

/// A finding as a row for `jsonb_each`.
#[derive(Serialize)]
struct Said {
    #[serde(skip)]
    payout: Uuid,
    id: String,
    generation: u32,
    again_in: Option<i64>,
    returned: bool,
    code: Option<String>,
    message: Option<String>,
    reason: Option<&'static str>,
    returned_at: Option<i64>,
    returned_amount: Option<String>,
}

impl Said {
    fn of(recheck: &Recheck) -> Self {
        let standing = Self {
            payout: recheck.id.as_uuid(),
            id: hex(recheck.id.as_uuid().as_bytes()),
            generation: recheck.generation,
            again_in: None,
            returned: false,
            code: None,
            message: None,
            reason: None,
            returned_at: None,
            returned_amount: None,
        };
        match &recheck.finding {
            RecheckFinding::Over => standing,
            RecheckFinding::Again { after } => Self {
                again_in: Some(as_micros(*after)),
                ..standing
            },
            RecheckFinding::Returned(returned) => Self {
                returned: true,
                code: Some(without_nul(returned.reason.code())),
                message: Some(without_nul(returned.reason.message())),
                reason: returned.reason.reason().map(DeclineCode::as_str),
                returned_at: returned.at.map(|at| at.timestamp_micros()),
                returned_amount: returned.amount.map(|amount| amount.to_string()),
                ..standing
            },
        }
    }
}

pub(super) async fn claim(
    store: &Store,
    provider: Option<ProviderName>,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Payout>, RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let claim = sqlx::query_as::<_, (Uuid,)>(CLAIM)
            .bind(provider_column(provider.as_ref()).to_owned())
            .bind(now.timestamp_micros())
            .bind(i64::from(limit))
            .bind(as_micros(lease));
        let claimed = claim
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        if claimed.is_empty() {
            transaction.rollback().await.map_err(repository_error)?;
            return Ok(Vec::new());
        }
        let ids: Vec<String> = claimed.iter().map(|(id,)| hex(id.as_bytes())).collect();
        let read = sqlx::query_as::<_, PayoutRow>(CLAIMED).bind(json(&ids)?);
        let rows = read
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        // A row that cannot be read was reported. It is looked at again when the lease ends.
        let readable = rows
            .into_iter()
            .filter_map(|row| row.restore(&store.keyring).ok());
        Ok(readable.collect())
    })
    .await
}

pub(super) async fn settle(
    store: &Store,
    batch: &[Recheck],
    worker: &Actor,
) -> Result<Vec<bool>, RepositoryError> {
    let said: Vec<Said> = batch.iter().map(Said::of).collect();
    let (store, worker) = (store.clone(), worker.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let settle = sqlx::query_as::<_, (Uuid,)>(SETTLE)
            .bind(json(&said)?)
            .bind(now.timestamp_micros());
        let written = settle
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let written: HashSet<Uuid> = written.into_iter().map(|(id,)| id).collect();
        let applied: Vec<&Said> = said
            .iter()
            .filter(|said| written.contains(&said.payout))
            .collect();
        let log = sqlx::query(LOG)
            .bind(json(&applied)?)
            .bind(now.timestamp_micros())
            .bind(EventKind::Returned.as_str())
            .bind(worker.as_str().to_owned());
        log.execute(&mut *transaction).await.map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(said.iter().map(|said| written.contains(&said.payout)).collect())
    })
    .await
}

pub(super) async fn hint(
    store: &Store,
    provider: Option<ProviderName>,
    payments: &[PaymentName],
) -> Result<Vec<PayoutId>, RepositoryError> {
    let references: Vec<&str> = payments
        .iter()
        .filter_map(|payment| match payment {
            PaymentName::Reference(reference) => Some(reference.as_str()),
            PaymentName::Key(_) | PaymentName::Payout(_) => None,
        })
        .collect();
    let ids: Vec<String> = payments
        .iter()
        .filter_map(PaymentName::payout_id)
        .map(|id| hex(id.as_uuid().as_bytes()))
        .collect();
    let keys: Vec<String> = payments
        .iter()
        .filter_map(PaymentName::provider_key)
        .map(|key| hex(key.as_uuid().as_bytes()))
        .collect();
    let (store, references) = (store.clone(), json(&references)?);
    let (ids, keys) = (json(&ids)?, json(&keys)?);
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let hint = sqlx::query_as::<_, (Uuid,)>(HINT)
            .bind(now.timestamp_micros())
            .bind(provider_column(provider.as_ref()).to_owned())
            .bind(references)
            .bind(ids)
            .bind(keys);
        let hinted = hint
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(hinted.into_iter().map(|(id,)| PayoutId::from(id)).collect())
    })
    .await
}
