//! Rechecks of completed payments, and hints that a notification gives.

use std::collections::HashSet;
use std::time::Duration;

use payout_core::attempt::{Recheck, RecheckFinding};
use payout_core::payout::{Actor, EventKind, Payout, PayoutId, ProviderKey};
use payout_core::ports::RepositoryError;
use payout_core::provider::{DeclineCode, PaymentName, ProviderName};
use uuid::Uuid;

use super::link::Link;
use super::{interval, payout_of_state};
use crate::storage::sql::row::{PayoutRow, payout_columns, provider_column};
use crate::storage::sql::stored::without_nul;

/// Claims rechecks: moves the time of each to the end of a lease.
const CLAIM: &str = concat!(
    "WITH due AS (
        SELECT id FROM payout_states
        WHERE provider = $1 AND recheck_at <= now()
        ORDER BY recheck_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE payout_states SET recheck_at = now() + $3
        WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING *
    )
    SELECT ",
    payout_columns!(),
    " FROM claimed AS state ",
    payout_of_state!(),
    " ORDER BY state.completed_at"
);

/// Writes findings. The guard is on the locked rows. A payment that stands changes nothing but the time of the next
/// recheck: no version, and no event.
const SETTLE: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST(
            $1::uuid[], $2::bigint[], $3::interval[], $4::boolean[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::numeric[]
        ) AS row (id, generation, again_in, returned, code, message, reason, returned_at, returned_amount)
    ), held AS (
        SELECT said.*
        FROM incoming AS said JOIN payout_states AS state USING (id)
        WHERE state.generation = said.generation AND state.status = 'completed'
        ORDER BY id
        FOR UPDATE OF state
    ), changed AS (
        UPDATE payout_states AS state
        SET recheck_at = now() + said.again_in,
            status = CASE WHEN said.returned THEN 'returned' ELSE state.status END,
            failure_code = said.code,
            failure_message = said.message,
            failure_reason = said.reason,
            returned_at = CASE WHEN said.returned THEN COALESCE(said.returned_at, now()) END,
            returned_amount = said.returned_amount,
            version = state.version + CASE WHEN said.returned THEN 1 ELSE 0 END,
            updated_at = CASE WHEN said.returned THEN now() ELSE state.updated_at END,
            feed_key = CASE WHEN said.returned THEN GREATEST(state.feed_key, payout_feed_key())
                ELSE state.feed_key END
        FROM held AS said
        WHERE state.id = said.id
        RETURNING state.id, state.generation, state.fence, said.returned, said.code, state.version, state.feed_key
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, detail, version, feed_key
        )
        SELECT id, generation, fence, now(), $10, 'returned', $11, code, version, feed_key
        FROM changed WHERE returned
    )
    SELECT id FROM changed";

/// Brings forward the next look at payments. A payout that a worker holds is left alone: its latest write is the claim.
const HINT: &str = "
    WITH named AS (
        SELECT id FROM payout_states
        WHERE provider_reference = ANY ($2) AND provider_reference IS NOT NULL
            AND (recheck_at IS NOT NULL OR status = 'processing')
        UNION
        SELECT UNNEST($3)
        UNION
        SELECT id FROM payout_details
        WHERE provider_key = ANY ($4) AND provider_key IS NOT NULL
    ), target AS (
        SELECT id FROM payout_states
        WHERE id = ANY (ARRAY(SELECT id FROM named)) AND provider = $1
            AND (recheck_at > now()
                OR (status = 'processing' AND due_at > now() AND provider_reference IS NOT NULL
                    AND claimed_at IS DISTINCT FROM updated_at))
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    )
    UPDATE payout_states
    SET due_at = CASE WHEN due_at IS NOT NULL THEN now() END,
        recheck_at = CASE WHEN recheck_at IS NOT NULL THEN now() END
    WHERE id = ANY (ARRAY(SELECT id FROM target))
    RETURNING id";

pub(super) async fn claim(
    link: &Link,
    provider: Option<ProviderName>,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Payout>, RepositoryError> {
    let statement = sqlx::query_as::<_, PayoutRow>(CLAIM)
        .bind(provider_column(provider.as_ref()))
        .bind(i64::from(limit))
        .bind(interval(lease));
    let rows = link.write(statement).await?;
    // A row that cannot be read was reported. It is looked at again when the lease ends.
    Ok(rows
        .into_iter()
        .filter_map(|row| row.restore(&link.keyring).ok())
        .collect())
}

pub(super) async fn settle(
    link: &Link,
    batch: &[Recheck],
    worker: &Actor,
) -> Result<Vec<bool>, RepositoryError> {
    let returned = |recheck: &Recheck| match &recheck.finding {
        RecheckFinding::Returned(returned) => Some(returned.clone()),
        RecheckFinding::Again { .. } | RecheckFinding::Over => None,
    };
    let again_in = |recheck: &Recheck| match recheck.finding {
        RecheckFinding::Again { after } => Some(interval(after)),
        RecheckFinding::Over | RecheckFinding::Returned(_) => None,
    };
    let returns: Vec<_> = batch.iter().map(returned).collect();
    let reason = |of: fn(&payout_core::payout::Failure) -> String| -> Vec<Option<String>> {
        let each = returns.iter().map(|returned| returned.as_ref());
        each.map(|returned| returned.map(|returned| of(&returned.reason)))
            .collect()
    };
    let codes: Vec<Option<&'static str>> = returns
        .iter()
        .map(|returned| returned.as_ref()?.reason.reason().map(DeclineCode::as_str))
        .collect();
    let statement = sqlx::query_as::<_, (Uuid,)>(SETTLE)
        .bind(
            batch
                .iter()
                .map(|recheck| recheck.id.as_uuid())
                .collect::<Vec<_>>(),
        )
        .bind(
            batch
                .iter()
                .map(|recheck| i64::from(recheck.generation))
                .collect::<Vec<_>>(),
        )
        .bind(batch.iter().map(again_in).collect::<Vec<_>>())
        .bind(returns.iter().map(Option::is_some).collect::<Vec<_>>())
        .bind(reason(|failure| without_nul(failure.code())))
        .bind(reason(|failure| without_nul(failure.message())))
        .bind(codes)
        .bind(
            returns
                .iter()
                .map(|returned| returned.as_ref()?.at)
                .collect::<Vec<_>>(),
        )
        .bind(
            returns
                .iter()
                .map(|returned| returned.as_ref()?.amount)
                .collect::<Vec<_>>(),
        )
        .bind(EventKind::Returned.as_str())
        .bind(worker.as_str());
    let written: HashSet<Uuid> = link.write(statement).await?.into_iter().map(|(id,)| id).collect();
    Ok(batch
        .iter()
        .map(|recheck| written.contains(&recheck.id.as_uuid()))
        .collect())
}

pub(super) async fn hint(
    link: &Link,
    provider: Option<ProviderName>,
    payments: &[PaymentName],
) -> Result<Vec<PayoutId>, RepositoryError> {
    let references = payments.iter().filter_map(|payment| match payment {
        PaymentName::Reference(reference) => Some(reference.as_str()),
        PaymentName::Key(_) | PaymentName::Payout(_) => None,
    });
    let ids = payments.iter().filter_map(PaymentName::payout_id);
    let keys = payments.iter().filter_map(PaymentName::provider_key);
    let statement = sqlx::query_as::<_, (Uuid,)>(HINT)
        .bind(provider_column(provider.as_ref()))
        .bind(references.collect::<Vec<_>>())
        .bind(ids.map(|id| id.as_uuid()).collect::<Vec<_>>())
        .bind(keys.map(ProviderKey::as_uuid).collect::<Vec<_>>());
    let hinted = link.write(statement).await?;
    Ok(hinted.into_iter().map(|(id,)| PayoutId::from(id)).collect())
}
