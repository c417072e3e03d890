//! A client's or an operator's change to one payout, and the idempotency records.

use std::borrow::Cow;
use std::time::Duration;

use payout_core::idempotency::IdempotentRequest;
use payout_core::payout::{
    Caller, Change, Due, Evidence, ExternalId, NewApproval, Payout, PayoutId, StatementText,
};
use payout_core::ports::RepositoryError;
use payout_core::provider::{DeclineCode, WaitReason};
use payout_core::stored_recipient::RecipientId;
use sqlx::FromRow;
use uuid::Uuid;

use super::insert::EXTERNAL_ID_INDEX;
use super::link::{Link, Statement, only};
use super::totals::{HOLDERS, LockedTotals};
use super::transaction::Transaction;
use super::{approvals, duplicates};
use super::{find, interval};
use crate::encryption::EncryptionKeys;
use crate::storage::sql::approvals::{ApprovalColumns, without_time};
use crate::storage::sql::details::metadata_column;
use crate::storage::sql::error::breaks_constraint;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::{as_i64, provider_column};
use crate::storage::sql::stored::{StoredTime, without_nul};

/// Applies a change under the guard in `target`.
///
/// `target` locks the state first and gives up at once where another session holds it; under that lock the details may
/// be written. The record is written only when the guard holds. The change is written only when the record was written,
/// or when none was asked for.
///
/// A record without an API key excludes one with an API key. Once an API key exists, no record is written without one.
///
/// A payout of a batch that was approved waits in the queue of its batch.
///
/// An edit keeps the times that are written without a new version: those of rechecks, and those that a clock ahead wrote.
const APPLY: &str = "
    WITH target AS (
        SELECT id, generation, fence, claimed_at, claimed_by, version, feed_key FROM payout_states
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
            feed_key = GREATEST(feed_key, payout_feed_key()),
            updated_at = now(),
            due_at = CASE
                WHEN batch_id IS NOT NULL AND status = 'awaiting_approval' AND $9 = 'pending' THEN '9999-01-01 UTC'
                WHEN $7::text = 'keep' THEN due_at WHEN $7 = 'now' THEN now() WHEN $7 = 'after' THEN now() + $30::interval
                WHEN $7 = 'at' THEN GREATEST($44, now()) END,
            batch_due_at = CASE
                WHEN batch_id IS NOT NULL AND status = 'awaiting_approval' AND $9 = 'pending'
                    THEN CASE $7 WHEN 'at' THEN GREATEST($44, now()) ELSE now() END
                WHEN $7 = 'keep' THEN batch_due_at END,
            deleted_at = CASE WHEN $8 THEN now() END,
            status = $9,
            needs_review = $10,
            generation = $11,
            claims = $12,
            claimed_by = NULL,
            failure_code = $19,
            failure_message = $20,
            provider_reference = $21,
            first_submitted_at = CASE WHEN $23 = 'edited' THEN first_submitted_at ELSE $22 END,
            failure_reason = $31,
            provider = $32,
            waiting_for = $33,
            waiting_since = $34,
            completed_at = CASE WHEN $9 = 'completed' THEN COALESCE($35, now()) ELSE $35 END,
            returned_at = $36,
            returned_amount = $37,
            recheck_at = CASE WHEN $23 = 'edited' THEN recheck_at ELSE $38 END,
            approvals_required = $45,
            approval_round = $46,
            approval_reasons = $47,
            approvals_given = CASE WHEN $49::text IS NULL THEN $48 ELSE (
                COALESCE($48::text::jsonb, '[]') || jsonb_build_array($49::text::jsonb || jsonb_build_object(
                    'at', (extract(epoch FROM now()) * 1000000)::bigint)))::text END,
            approved_digest = $50
        WHERE id IN (SELECT id FROM target) AND ($3::text IS NULL OR EXISTS (SELECT FROM won))
        RETURNING id, status, generation, fence, updated_at, revision, deleted_at, version, feed_key
    ), rewritten AS (
        UPDATE payout_details AS payout
        SET revision = changed.revision,
            deleted_at = changed.deleted_at,
            amount = $13,
            currency = $14,
            recipient_account = $15,
            recipient_name = $16,
            recipient_name_folded = $17,
            recipient_details = $39,
            sealed = $28,
            mac = $29,
            changed_version = CASE WHEN $29::bytea IS NOT NULL THEN $6::bigint END,
            description = $18,
            external_id = $40,
            metadata = $41::text::jsonb,
            statement_text = $42,
            scheduled_at = $43,
            edited_person = $51,
            recipient_id = $52
        FROM changed
        WHERE payout.id = $1 AND payout.id = changed.id
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, feed_key,
            amount_before, currency_before, scheduled_at
        )
        SELECT
            id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL, version,
            GREATEST(feed_key, payout_feed_key()), NULL, NULL, NULL::timestamptz
        FROM target
        WHERE claimed_by IS NOT NULL AND EXISTS (SELECT FROM changed)
        UNION ALL
        SELECT
            changed.id, generation, fence, updated_at, $23, status, $24, $25, $26, version, changed.feed_key,
            before.amount, before.currency,
            CASE WHEN $9 = 'pending' AND $23 IN ('edited', 'approved') AND $43 > now() THEN $43 END
        FROM changed
        -- As it was when the statement began: at the version that is expected, since the state has that version.
        LEFT JOIN payout_details AS before ON before.id = $1 AND $23 = 'edited'
    )
    SELECT EXISTS (SELECT FROM target) AS found, (SELECT updated_at FROM changed) AS changed_at";

/// Records a refused change as evidence; the payout stays as it is. If the current claim has no outcome yet, its event
/// becomes a row first.
const RECORD_EVIDENCE: &str = "
    WITH open AS (
        SELECT id, generation, fence, claimed_at, claimed_by, version, feed_key FROM payout_states
        WHERE id = $1 AND deleted_at IS NULL AND claimed_by IS NOT NULL
        FOR UPDATE
    ), told AS (
        UPDATE payout_states SET claimed_by = NULL, feed_key = GREATEST(feed_key, payout_feed_key())
        WHERE id IN (SELECT id FROM open)
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, feed_key
        )
        SELECT
            id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, NULL, NULL, version,
            GREATEST(feed_key, payout_feed_key())
        FROM open
        UNION ALL
        SELECT
            id, generation, fence, now(), $2, status, $3, $4, $5, version, GREATEST(feed_key, payout_feed_key())
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
    let mut pauses = PAUSES.iter();
    let (Applied { found, changed_at }, change) = loop {
        let began = link.monotonic();
        match apply_once(link, change, request).await {
            // Retried only where it gave up at once: after a wait for a lock, another wait would help little.
            Err(RepositoryError::Locked { .. })
                if link.monotonic().saturating_sub(began) < WAITED
                    && let Some(pause) = pauses.next() =>
            {
                tokio::time::sleep(*pause).await;
            }
            Err(error) if breaks_constraint(&error, EXTERNAL_ID_INDEX) => {
                return Err(external_id_taken(link, change).await?);
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

/// Returns the error for a change to an external id that another payout has.
async fn external_id_taken(link: &Link, change: &Change) -> Result<RepositoryError, RepositoryError> {
    let external_id = change.after.details().external_id.as_ref();
    let ids: Vec<&str> = external_id.map(ExternalId::as_str).into_iter().collect();
    let holders = link
        .read(|| sqlx::query_as::<_, (String, Uuid)>(HOLDERS).bind(&ids))
        .await?;
    let holder = holders.into_iter().next();
    Ok(holder.map_or(
        // It was deleted since.
        RepositoryError::VersionConflict,
        |(_, id)| RepositoryError::ExternalIdTaken(PayoutId::from(id)),
    ))
}

/// Makes one attempt. Returns the change as it was written, which may be held.
async fn apply_once<'c>(
    link: &Link,
    change: &'c Change,
    request: Option<&IdempotentRequest>,
) -> Result<(Applied, Cow<'c, Change>), RepositoryError> {
    if let Some(new) = &change.approval {
        let written = Written::of(change, request, &link.keyring)?;
        let applied = approve_once(link, change, new, statement(change, request, &written)?).await?;
        return Ok((applied, Cow::Borrowed(change)));
    }
    if change.charge.is_none() && change.duplicates_within.is_none() {
        let written = Written::of(change, request, &link.keyring)?;
        let applied = only(link.write(statement(change, request, &written)?).await?)?;
        return Ok((applied, Cow::Borrowed(change)));
    }
    let buckets = change.charge.iter().map(|charge| charge.bucket());
    let mut locked_totals = LockedTotals::begin(link, buckets.collect()).await?;
    let transaction = &mut locked_totals.transaction;
    duplicates::lock_changes(transaction, std::slice::from_ref(change), &link.keyring).await?;
    let change = duplicates::held_change(transaction, change, &link.keyring).await?;
    let written = Written::of(&change, request, &link.keyring)?;
    let applied: Applied = only(transaction.run(statement(&change, request, &written)?).await?)?;
    drop(written);
    if applied.changed_at.is_none() {
        locked_totals.rollback().await?;
    } else if let Some(charge) = &change.charge
        && let Err(over) = locked_totals.take(charge)
    {
        locked_totals.rollback().await?;
        return Err(RepositoryError::OverLimit(over));
    } else {
        locked_totals.commit().await?;
    }
    Ok((applied, Cow::Owned(change)))
}

/// Writes an approval with its change, in one transaction.
async fn approve_once(
    link: &Link,
    change: &Change,
    new: &NewApproval,
    statement: Statement<'_, Applied>,
) -> Result<Applied, RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    if !approvals::record(&mut transaction, change, new).await? {
        transaction.rollback().await?;
        return Ok(Applied {
            found: false,
            changed_at: None,
        });
    }
    let applied: Applied = only(transaction.run(statement).await?)?;
    if applied.changed_at.is_some() {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(applied)
}

/// Applies a change to a payout whose state the transaction has locked at the expected version.
pub(super) async fn apply_locked(
    transaction: &mut Transaction<'_>,
    change: &Change,
    keys: &EncryptionKeys,
) -> Result<(), RepositoryError> {
    let written = Written::of(change, None, keys)?;
    let applied: Applied = only(transaction.run(statement(change, None, &written)?).await?)?;
    match applied.changed_at {
        Some(_) => Ok(()),
        None => Err(RepositoryError::refused("a payout that is locked has changed")),
    }
}

/// The encrypted or plain columns of a change.
struct Written<'a> {
    recipient: StoredRecipient<'a>,
    answer: Option<WrittenAnswer>,
    mac: Option<Vec<u8>>,
    metadata: Option<String>,
    approval: ApprovalColumns,
    /// The approval that the change gives, without its time.
    given: Option<String>,
}

impl<'a> Written<'a> {
    fn of(
        change: &'a Change,
        request: Option<&IdempotentRequest>,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let after = change.after.parts();
        let answer = request.map(|request| WrittenAnswer::of(&change.after, request, keys));
        let given = change.approval.as_ref();
        let given = given.map(|new| without_time(new, &change.caller.actor));
        Ok(Self {
            recipient: StoredRecipient::of(after.id.as_uuid(), &after.details.recipient, keys)?,
            answer: answer.transpose()?,
            mac: mac(&change.after, as_i64("version", after.version)?, keys)?,
            metadata: metadata_column(&after.details.metadata)?,
            approval: ApprovalColumns::of(after)?,
            given: given.transpose()?,
        })
    }
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
        Due::After(_) => "after",
        Due::At(_) => "at",
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
        .bind(written.mac.as_deref())
        .bind(match change.due {
            Due::After(wait) => Some(interval(wait)),
            Due::Keep | Due::Now | Due::At(_) | Due::Never => None,
        })
        .bind(
            after
                .failure
                .as_ref()
                .and_then(|failure| failure.reason())
                .map(DeclineCode::as_str),
        )
        .bind(provider_column(after.provider.as_ref()))
        .bind(after.waiting_for.map(WaitReason::as_str))
        .bind(after.waiting_since)
        .bind(after.completed_at)
        .bind(after.returned_at)
        .bind(after.returned_amount)
        .bind(after.recheck_at)
        .bind(written.recipient.details.as_deref())
        .bind(after.details.external_id.as_ref().map(ExternalId::as_str))
        .bind(written.metadata.as_deref())
        .bind(after.details.statement_text.as_ref().map(StatementText::as_str))
        .bind(after.details.scheduled_at)
        .bind(match change.due {
            Due::At(at) => Some(at),
            Due::Keep | Due::Now | Due::After(_) | Due::Never => None,
        })
        .bind(written.approval.required)
        .bind(written.approval.round)
        .bind(written.approval.reasons.as_deref())
        .bind(written.approval.given.as_deref())
        .bind(written.given.as_deref())
        .bind(written.approval.digest)
        .bind(written.approval.edited_person.as_deref())
        .bind(after.details.recipient_id.map(RecipientId::as_uuid)))
}

pub(super) async fn record_evidence(
    link: &Link,
    id: PayoutId,
    evidence: Evidence,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(RECORD_EVIDENCE)
        .bind(id.as_uuid())
        .bind(evidence.kind().as_str())
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
