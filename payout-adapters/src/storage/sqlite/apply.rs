//! A client's or an operator's change to one payout, and the idempotency records.

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::access::ApiKeyId;
use payout_core::idempotency::IdempotentRequest;
use payout_core::payout::{Caller, Change, Due, EventKind, Evidence, Payout, PayoutId};
use payout_core::ports::RepositoryError;
use payout_core::provider::{DeclineCode, WaitReason};
use payout_core::stored_recipient::RecipientId;
use uuid::Uuid;

use super::claim::write_open_claims;
use super::duplicates;
use super::store::{Store, Write, json, run_detached};
use super::totals::{self, HOLDERS};
use super::writer::Transaction;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::approvals::ApprovalColumns;
use crate::storage::sql::details::metadata_column;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::{as_i64, provider_column};
use crate::storage::sql::stored::{as_micros, without_nul};

/// Takes an idempotency key. A record without an API key excludes one with an API key. Once an API key exists, no
/// record is written without one.
const TAKE_KEY: &str = "
    INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6
    WHERE CASE
        WHEN ?7 IS NULL THEN NOT EXISTS (SELECT 1 FROM api_keys)
        ELSE NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE key = ?7) END
    ON CONFLICT (key) DO NOTHING";

/// Applies a change to the state; the guard is the last line. A payout of a batch that was approved waits in the queue of
/// its batch. An edit (`?25`) keeps the times that are written without a
/// new version: those of rechecks, and those that a clock ahead wrote.
const APPLY: &str = "
    UPDATE payout_states
    SET version = ?4,
        revision = revision + 1,
        updated_at = ?1,
        due_at = CASE
            WHEN batch_id IS NOT NULL AND status = 'awaiting_approval' AND ?7 = 'pending' THEN 253370764800000000
            WHEN ?5 = 'keep' THEN due_at WHEN ?5 = 'now' THEN ?1 WHEN ?5 = 'after' THEN ?1 + ?15
            WHEN ?5 = 'at' THEN max(?24, ?1) END,
        batch_due_at = CASE
            WHEN batch_id IS NOT NULL AND status = 'awaiting_approval' AND ?7 = 'pending'
                THEN CASE ?5 WHEN 'at' THEN max(?24, ?1) ELSE ?1 END
            WHEN ?5 = 'keep' THEN batch_due_at END,
        deleted_at = CASE WHEN ?6 THEN ?1 END,
        status = ?7,
        needs_review = ?8,
        generation = ?9,
        claims = ?10,
        failure_code = ?11,
        failure_message = ?12,
        provider_reference = ?13,
        first_submitted_at = CASE WHEN ?25 THEN first_submitted_at ELSE ?14 END,
        failure_reason = ?16,
        provider = ?17,
        waiting_for = ?18,
        waiting_since = ?19,
        completed_at = CASE WHEN ?7 = 'completed' THEN coalesce(?20, ?1) ELSE ?20 END,
        returned_at = ?21,
        returned_amount = ?22,
        recheck_at = CASE WHEN ?25 THEN recheck_at ELSE ?23 END,
        approvals_required = ?26,
        approval_round = ?27,
        approval_reasons = ?28,
        approvals_given = ?29,
        approved_digest = ?30
    WHERE id = ?2 AND version = ?3 AND deleted_at IS NULL";

/// Rewrites the details, after their state was changed.
const REWRITE: &str = "
    UPDATE payout_details
    SET revision = revision + 1,
        deleted_at = (SELECT deleted_at FROM payout_states WHERE payout_states.id = payout_details.id),
        amount = ?2,
        currency = ?3,
        recipient_account = ?4,
        recipient_name = ?5,
        recipient_name_folded = ?6,
        description = ?7,
        sealed = ?8,
        mac = ?9,
        changed_version = CASE WHEN ?9 IS NOT NULL THEN ?10 END,
        recipient_details = ?11,
        external_id = ?12,
        metadata = ?13,
        statement_text = ?14,
        scheduled_at = ?15,
        edited_person = ?16,
        recipient_id = ?17
    WHERE id = ?1";

/// Records an approval, if the payout still has the version and awaits it. A trigger refuses people who may not approve.
const APPROVE: &str = "
    INSERT INTO payout_approvals (payout_id, round, person, name, api_key_id, at, digest)
    SELECT id, approval_round, ?3, ?4, ?5, ?6, ?7 FROM payout_states
    WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL AND status = 'awaiting_approval'";

/// Writes the event, before the details are rewritten: an edit's has the amount before it.
const LOG: &str = "
    INSERT INTO payout_events (
        payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, amount_before,
        currency_before, scheduled_at
    )
    SELECT
        state.id, generation, fence, updated_at, ?2, status, ?3, ?4, ?5, version, before.amount, before.currency,
        CASE WHEN status = 'pending' AND ?2 IN ('edited', 'approved') AND ?6 > updated_at THEN ?6 END
    FROM payout_states AS state
    LEFT JOIN payout_details AS before ON before.id = ?1 AND ?2 = 'edited'
    WHERE state.id = ?1";

/// Records a refused change as evidence; the payout stays as it is.
const RECORD_EVIDENCE: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail, version)
    SELECT id, generation, fence, ?2, ?3, status, ?4, ?5, ?6, version FROM payout_states WHERE id = ?1 AND deleted_at IS NULL";

const FORGET_ANSWERS: &str = "
    DELETE FROM idempotency_keys
    WHERE key IN (SELECT key FROM idempotency_keys WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";

pub(super) async fn apply(
    store: &Store,
    change: &Change,
    request: Option<&IdempotentRequest>,
) -> Result<Payout, RepositoryError> {
    let (store, change, request) = (store.clone(), change.clone(), request.cloned());
    run_detached(async move {
        let mut write = store.begin().await.map_err(repository_error)?;
        match apply_in(&mut write, &change, request.as_ref(), &store.keyring).await {
            Ok(payout) => {
                write.transaction.commit().await.map_err(repository_error)?;
                Ok(payout)
            }
            Err(error) => {
                // After some errors SQLite has rolled back by itself.
                let _ = write.transaction.rollback().await;
                Err(error)
            }
        }
    })
    .await
}

/// Applies a change within a transaction, which must be rolled back after an error.
pub(super) async fn apply_in(
    write: &mut Write,
    change: &Change,
    request: Option<&IdempotentRequest>,
    keys: &EncryptionKeys,
) -> Result<Payout, RepositoryError> {
    let change = &duplicates::held_change(write, change, keys).await?;
    let after = change.after.parts();
    let due = match change.due {
        Due::Keep => "keep",
        Due::Now => "now",
        Due::After(_) => "after",
        Due::At(_) => "at",
        Due::Never => "never",
    };
    let (transaction, now) = (&mut write.transaction, write.now);
    if let Some(request) = request {
        let answer = WrittenAnswer::of(&change.after, request, keys)?;
        let take = sqlx::query(TAKE_KEY)
            .bind(request.key.as_str())
            .bind(now.timestamp_micros())
            .bind(after.id.as_uuid())
            .bind(answer.fingerprint.to_vec())
            .bind(answer.snapshot)
            .bind(answer.sealed)
            .bind(request.key.unscoped());
        let taken = take.execute(&mut **transaction).await.map_err(repository_error)?;
        if taken.rows_affected() == 0 {
            return Err(RepositoryError::KeyTaken);
        }
    }
    let approval = ApprovalColumns::of(change.made_at(now).parts())?;
    let apply = sqlx::query(APPLY)
        .bind(now.timestamp_micros())
        .bind(after.id.as_uuid())
        .bind(as_i64("version", change.expected_version)?)
        .bind(as_i64("version", after.version)?)
        .bind(due)
        .bind(change.deleted)
        .bind(after.status.as_str())
        .bind(after.needs_review)
        .bind(i64::from(after.generation))
        .bind(i64::from(after.claims))
        .bind(after.failure.as_ref().map(|failure| failure.code()))
        .bind(after.failure.as_ref().map(|failure| failure.message()))
        .bind(
            after
                .provider_reference
                .as_ref()
                .map(|reference| reference.as_str()),
        )
        .bind(micros(after.first_submitted_at))
        .bind(match change.due {
            Due::After(wait) => Some(as_micros(wait)),
            Due::Keep | Due::Now | Due::At(_) | Due::Never => None,
        })
        .bind(
            after
                .failure
                .as_ref()
                .and_then(|failure| failure.reason())
                .map(DeclineCode::as_str),
        )
        .bind(provider_column(after.provider.as_ref()).to_owned())
        .bind(after.waiting_for.map(WaitReason::as_str))
        .bind(micros(after.waiting_since))
        .bind(micros(after.completed_at))
        .bind(micros(after.returned_at))
        .bind(after.returned_amount.map(|amount| amount.to_string()))
        .bind(micros(after.recheck_at))
        .bind(match change.due {
            Due::At(at) => Some(at.timestamp_micros()),
            Due::Keep | Due::Now | Due::After(_) | Due::Never => None,
        })
        .bind(change.event == EventKind::Edited)
        .bind(approval.required)
        .bind(approval.round)
        .bind(approval.reasons)
        .bind(approval.given)
        .bind(approval.digest.map(|digest| digest.to_vec()));
    if !record_approval(transaction, change, now).await? {
        return Err(RepositoryError::VersionConflict);
    }
    write_open_claims(transaction, &[after.id.as_uuid()]).await?;
    if apply
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?
        .rows_affected()
        == 0
    {
        return Err(RepositoryError::VersionConflict);
    }
    if let Some(holder) = external_id_holder(transaction, &change.after).await? {
        return Err(RepositoryError::ExternalIdTaken(holder));
    }
    let log = sqlx::query(LOG)
        .bind(after.id.as_uuid())
        .bind(change.event.as_str())
        .bind(change.caller.actor.as_str())
        .bind(change.caller.request_id.as_deref().map(without_nul))
        .bind(change.caller.reason.as_deref().map(without_nul))
        .bind(micros(after.details.scheduled_at));
    log.execute(&mut **transaction).await.map_err(repository_error)?;
    rewrite(transaction, &change.after, keys).await?;
    if let Some(charge) = &change.charge {
        totals::take(write, charge).await?;
    }
    Ok(change.made_at(now))
}

/// Finds another payout that has the external id of a changed one. No other session writes between this and the change.
async fn external_id_holder(
    transaction: &mut Transaction,
    payout: &Payout,
) -> Result<Option<PayoutId>, RepositoryError> {
    let Some(external_id) = &payout.details().external_id else {
        return Ok(None);
    };
    let ids = json(&[external_id.as_str()])?;
    let holders = sqlx::query_as::<_, (String, Uuid)>(HOLDERS).bind(ids);
    let holders = holders
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let mut ids = holders.into_iter().map(|(_, id)| PayoutId::from(id));
    Ok(ids.find(|id| *id != payout.id()))
}

/// Records the approval that a change gives; returns false if the payout does not await it any more.
async fn record_approval(
    transaction: &mut Transaction,
    change: &Change,
    now: Timestamp,
) -> Result<bool, RepositoryError> {
    let Some(new) = &change.approval else {
        return Ok(true);
    };
    let approve = sqlx::query(APPROVE)
        .bind(change.after.id().as_uuid())
        .bind(as_i64("version", change.expected_version)?)
        .bind(new.person.as_str())
        .bind(change.caller.actor.as_str())
        .bind(change.caller.api_key.map(ApiKeyId::as_uuid))
        .bind(now.timestamp_micros())
        .bind(new.digest.as_bytes().to_vec());
    let approved = approve
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?;
    Ok(approved.rows_affected() > 0)
}

/// Writes the details of a changed payout.
async fn rewrite(
    transaction: &mut Transaction,
    payout: &Payout,
    keys: &EncryptionKeys,
) -> Result<(), RepositoryError> {
    let (after, version) = (payout.parts(), as_i64("version", payout.version())?);
    let recipient = StoredRecipient::of(after.id.as_uuid(), &after.details.recipient, keys)?;
    let rewrite = sqlx::query(REWRITE)
        .bind(after.id.as_uuid())
        .bind(after.details.money.amount().to_string())
        .bind(after.details.money.currency().code())
        .bind(recipient.account.into_owned())
        .bind(recipient.name.to_owned())
        .bind(recipient.name_folded)
        .bind(after.details.description.as_str().to_owned())
        .bind(recipient.sealed)
        .bind(mac(payout, version, keys)?)
        .bind(version)
        .bind(recipient.details.map(std::borrow::Cow::into_owned))
        .bind(
            after
                .details
                .external_id
                .as_ref()
                .map(|id| id.as_str().to_owned()),
        )
        .bind(metadata_column(&after.details.metadata)?)
        .bind(
            after
                .details
                .statement_text
                .as_ref()
                .map(|text| text.as_str().to_owned()),
        )
        .bind(micros(after.details.scheduled_at))
        .bind(
            after
                .approval
                .as_ref()
                .and_then(|approval| approval.editor.as_ref())
                .map(|person| person.as_str().to_owned()),
        )
        .bind(after.details.recipient_id.map(RecipientId::as_uuid));
    rewrite
        .execute(&mut **transaction)
        .await
        .map(drop)
        .map_err(repository_error)
}

pub(super) async fn record_evidence(
    store: &Store,
    id: PayoutId,
    evidence: Evidence,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let (store, caller) = (store.clone(), caller.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        write_open_claims(&mut transaction, &[id.as_uuid()]).await?;
        let record = sqlx::query(RECORD_EVIDENCE)
            .bind(id.as_uuid())
            .bind(now.timestamp_micros())
            .bind(evidence.kind().as_str())
            .bind(caller.actor.as_str())
            .bind(caller.request_id.as_deref().map(without_nul))
            .bind(caller.reason.as_deref().map(without_nul));
        record
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)
    })
    .await
}

pub(super) async fn forget_answers(store: &Store, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let forget = sqlx::query(FORGET_ANSWERS)
            .bind(now.timestamp_micros().saturating_sub(as_micros(age)))
            .bind(i64::from(limit));
        let forgotten = forget
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?
            .rows_affected();
        transaction.commit().await.map_err(repository_error)?;
        Ok(forgotten)
    })
    .await
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.timestamp_micros())
}
