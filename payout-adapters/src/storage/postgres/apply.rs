//! A client's or an operator's change to one payout, and the idempotency records.

use std::time::Duration;

use payout_core::idempotency::IdempotentRequest;
use payout_core::payout::{Caller, Change, Due, EventKind, Payout, PayoutId};
use payout_core::ports::RepositoryError;
use sqlx::FromRow;

use super::link::{Link, Statement, only};
use super::totals::LockedTotals;
use super::{find, interval};
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::{StoredTime, without_nul};

/// Applies a change under the guard in `target`.
///
/// `target` locks the state first and gives up at once where another session holds it; under that lock the details may
/// be written. The record is written only when the guard holds. The change is written only when the record was written,
/// or when none was asked for.
///
/// A record without an API key excludes one with an API key. Once an API key exists, no record is written without one.
const APPLY: &str = "
    WITH target AS (
        SELECT id, generation, fence, claimed_at, claimed_by FROM payout_states
        WHERE id = $1 AND version = $2 AND deleted_at IS NULL FOR UPDATE NOWAIT
    ), won AS (
        INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
        SELECT $3, now(), id, $4, $5, $27 FROM target
        WHERE $3::text IS NOT NULL AND CASE position(' ' IN $3)
            WHEN 0 THEN NOT EXISTS (SELECT FROM api_keys)
            ELSE NOT EXISTS (SELECT FROM idempotency_keys WHERE key = split_part($3, ' ', 2)) END
        ON CONFLICT (key) DO NOTHING
        RETURNING payout_id
    ), changed AS (
        UPDATE payout_states
        SET version = $6,
            revision = revision + 1,
            updated_at = now(),
            due_at = CASE $7::text WHEN 'keep' THEN due_at WHEN 'now' THEN now() END,
            deleted_at = CASE WHEN $8 THEN now() END,
            status = $9,
            needs_review = $10,
            generation = $11,
            claims = $12,
            claimed_by = NULL,
            failure_code = $19,
            failure_message = $20,
            provider_reference = $21,
            first_submitted_at = $22
        WHERE id IN (SELECT id FROM target) AND ($3::text IS NULL OR EXISTS (SELECT FROM won))
        RETURNING id, status, generation, fence, updated_at, revision, deleted_at
    ), rewritten AS (
        UPDATE payout_details AS payout
        SET revision = changed.revision,
            deleted_at = changed.deleted_at,
            amount = $13,
            currency = $14,
            recipient_account = $15,
            recipient_name = $16,
            recipient_name_folded = $17,
            sealed = $28,
            mac = $29,
            changed_version = CASE WHEN $29::bytea IS NOT NULL THEN $6::bigint END,
            description = $18
        FROM changed
        WHERE payout.id = $1 AND payout.id = changed.id
    ), logged AS (
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
        SELECT id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL
        FROM target
        WHERE claimed_by IS NOT NULL AND EXISTS (SELECT FROM changed)
        UNION ALL
        SELECT id, generation, fence, updated_at, $23, status, $24, $25, $26 FROM changed
    )
    SELECT EXISTS (SELECT FROM target) AS found, (SELECT updated_at FROM changed) AS changed_at";

/// Records a refused change as evidence; the payout stays as it is. If the current claim has no outcome yet, its event
/// becomes a row first.
const RECORD_REFUSAL: &str = "
    WITH open AS (
        SELECT id, generation, fence, claimed_at, claimed_by FROM payout_states
        WHERE id = $1 AND deleted_at IS NULL AND claimed_by IS NOT NULL
        FOR UPDATE
    ), told AS (
        UPDATE payout_states SET claimed_by = NULL WHERE id IN (SELECT id FROM open)
    ), logged AS (
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
        SELECT id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL FROM open
        UNION ALL
        SELECT id, generation, fence, now(), $2, status, $3, $4, $5
        FROM payout_states WHERE id = $1 AND deleted_at IS NULL
        RETURNING payout_id
    )
    SELECT count(*) FROM logged";

/// Deletes the oldest records first, and skips those that another session is deleting.
const FORGET_ANSWERS: &str = "
    WITH forgotten AS (
        DELETE FROM idempotency_keys
        WHERE key = ANY (ARRAY(
            SELECT key FROM idempotency_keys
            WHERE created_at < now() - $1
            ORDER BY created_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING key
    )
    SELECT count(*) FROM forgotten";

/// Pauses before a change is retried because another session holds its row. The holder is usually a worker's claim or
/// settlement, which ends within one commit. Neither a connection nor a lock is held during a pause.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];
/// Duration above which a failed attempt has waited for a lock, and did not give up at once.
const WAITED: Duration = Duration::from_millis(250);

#[derive(FromRow)]
struct Applied {
    found: bool,
    changed_at: Option<StoredTime>,
}

pub(super) async fn apply(
    link: &Link,
    change: &Change,
    request: Option<&IdempotentRequest>,
) -> Result<Payout, RepositoryError> {
    let after = change.after.parts();
    let recipient = StoredRecipient::of(after.id.as_uuid(), &after.details.recipient, &link.keyring)?;
    let answer = request
        .map(|request| WrittenAnswer::of(&change.after, request, &link.keyring))
        .transpose()?;
    let mac = mac(&change.after, as_i64("version", after.version)?, &link.keyring);
    let written = Written {
        recipient,
        answer,
        mac,
    };
    let mut pauses = PAUSES.iter();
    let Applied { found, changed_at } = loop {
        let began = link.monotonic();
        match apply_once(link, change, request, &written).await {
            // Retried only where it gave up at once: after a wait for a lock, another wait would help little.
            Err(RepositoryError::Locked { .. })
                if link.monotonic().saturating_sub(began) < WAITED
                    && let Some(pause) = pauses.next() =>
            {
                tokio::time::sleep(*pause).await;
            }
            applied => break applied?,
        }
    };
    if let Some(StoredTime(at)) = changed_at {
        return Ok(change.made_at(at));
    }
    if found {
        // The row was found, so the idempotency key was taken.
        return Err(RepositoryError::KeyTaken);
    }
    // Of two callers with one key, the one that waited for the other's row lock finds that the version has changed. A
    // read with a fresh snapshot shows that it was the same request.
    match request {
        Some(request) if find::answer(link, &request.key).await?.is_some() => Err(RepositoryError::KeyTaken),
        Some(_) | None => Err(RepositoryError::VersionConflict),
    }
}

async fn apply_once(
    link: &Link,
    change: &Change,
    request: Option<&IdempotentRequest>,
    written: &Written<'_>,
) -> Result<Applied, RepositoryError> {
    let statement = statement(change, request, written)?;
    let Some(charge) = &change.charge else {
        return only(link.write(statement).await?);
    };
    let mut locked_totals = LockedTotals::begin(link, vec![charge.bucket()]).await?;
    let applied: Applied = only(locked_totals.transaction.run(statement).await?)?;
    if applied.changed_at.is_none() {
        locked_totals.rollback().await?;
    } else if let Err(over) = locked_totals.take(charge) {
        locked_totals.rollback().await?;
        return Err(RepositoryError::OverLimit(over));
    } else {
        locked_totals.commit().await?;
    }
    Ok(applied)
}

/// The encrypted or plain columns of a change.
struct Written<'a> {
    recipient: StoredRecipient<'a>,
    answer: Option<WrittenAnswer>,
    mac: Option<Vec<u8>>,
}

fn statement<'a>(
    change: &'a Change,
    request: Option<&'a IdempotentRequest>,
    written: &'a Written<'a>,
) -> Result<Statement<'a, Applied>, RepositoryError> {
    let after = change.after.parts();
    let due = match change.due {
        Due::Keep => "keep",
        Due::Now => "now",
        Due::Never => "never",
    };
    Ok(sqlx::query_as::<_, Applied>(APPLY)
        .bind(after.id.as_uuid())
        .bind(as_i64("version", change.expected_version)?)
        .bind(request.map(|request| request.key.as_str()))
        .bind(written.answer.as_ref().map(|answer| answer.fingerprint))
        .bind(written.answer.as_ref().map(|answer| answer.snapshot.as_str()))
        .bind(as_i64("version", after.version)?)
        .bind(due)
        .bind(change.deleted)
        .bind(after.status.as_str())
        .bind(after.needs_review)
        .bind(i64::from(after.generation))
        .bind(i64::from(after.claims))
        .bind(after.details.money.amount())
        .bind(after.details.money.currency().code())
        .bind(&*written.recipient.account)
        .bind(written.recipient.name)
        .bind(&written.recipient.name_folded)
        .bind(after.details.description.as_str())
        .bind(after.failure.as_ref().map(|failure| failure.code()))
        .bind(after.failure.as_ref().map(|failure| failure.message()))
        .bind(
            after
                .provider_reference
                .as_ref()
                .map(|reference| reference.as_str()),
        )
        .bind(after.first_submitted_at)
        .bind(change.event.as_str())
        .bind(change.caller.actor.as_str())
        .bind(change.caller.request_id.as_deref().map(without_nul))
        .bind(change.caller.reason.as_deref().map(without_nul))
        .bind(
            written
                .answer
                .as_ref()
                .and_then(|answer| answer.sealed.as_deref()),
        )
        .bind(written.recipient.sealed.as_deref())
        .bind(written.mac.as_deref()))
}

pub(super) async fn record_refusal(
    link: &Link,
    id: PayoutId,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(RECORD_REFUSAL)
        .bind(id.as_uuid())
        .bind(EventKind::EditRefused.as_str())
        .bind(caller.actor.as_str())
        .bind(caller.request_id.as_deref().map(without_nul))
        .bind(caller.reason.as_deref().map(without_nul));
    link.write(statement).await.map(drop)
}

pub(super) async fn forget_answers(link: &Link, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(FORGET_ANSWERS)
        .bind(interval(age))
        .bind(i64::from(limit));
    let (forgotten,) = only(link.write(statement).await?)?;
    Ok(forgotten.unsigned_abs())
}
