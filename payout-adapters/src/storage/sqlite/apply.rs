//! A client's or an operator's change to one payout, and the idempotency records.

use std::time::Duration;

use payout_core::idempotency::IdempotentRequest;
use payout_core::payout::{Caller, Change, Due, EventKind, Payout, PayoutId};
use payout_core::ports::RepositoryError;

use super::claim::write_open_claims;
use super::store::{Store, Write, run_detached};
use super::totals;
use super::writer::Transaction;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::as_i64;
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

/// Applies a change to the state; the guard is the last line.
const APPLY: &str = "
    UPDATE payout_states
    SET version = ?4,
        revision = revision + 1,
        updated_at = ?1,
        due_at = CASE ?5 WHEN 'keep' THEN due_at WHEN 'now' THEN ?1 END,
        deleted_at = CASE WHEN ?6 THEN ?1 END,
        status = ?7,
        needs_review = ?8,
        generation = ?9,
        claims = ?10,
        failure_code = ?11,
        failure_message = ?12,
        provider_reference = ?13,
        first_submitted_at = ?14
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
        changed_version = CASE WHEN ?9 IS NOT NULL THEN ?10 END
    WHERE id = ?1";

const LOG: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
    SELECT id, generation, fence, updated_at, ?2, status, ?3, ?4, ?5 FROM payout_states WHERE id = ?1";

/// Records a refused change as evidence; the payout stays as it is.
const RECORD_REFUSAL: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
    SELECT id, generation, fence, ?2, ?3, status, ?4, ?5, ?6 FROM payout_states WHERE id = ?1 AND deleted_at IS NULL";

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
        let after = change.after.parts();
        let due = match change.due {
            Due::Keep => "keep",
            Due::Now => "now",
            Due::Never => "never",
        };
        let mut write = store.begin().await.map_err(repository_error)?;
        let (transaction, now) = (&mut write.transaction, write.now);
        if let Some(request) = &request {
            let answer = WrittenAnswer::of(&change.after, request, &store.keyring)?;
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
                write.transaction.rollback().await.map_err(repository_error)?;
                return Err(RepositoryError::KeyTaken);
            }
        }
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
            .bind(after.first_submitted_at.map(|at| at.timestamp_micros()));
        write_open_claims(transaction, &[after.id.as_uuid()]).await?;
        if apply
            .execute(&mut **transaction)
            .await
            .map_err(repository_error)?
            .rows_affected()
            == 0
        {
            write.transaction.rollback().await.map_err(repository_error)?;
            return Err(RepositoryError::VersionConflict);
        }
        rewrite(transaction, &change.after, &store.keyring).await?;
        let log = sqlx::query(LOG)
            .bind(after.id.as_uuid())
            .bind(change.event.as_str())
            .bind(change.caller.actor.as_str())
            .bind(change.caller.request_id.as_deref().map(without_nul))
            .bind(change.caller.reason.as_deref().map(without_nul));
        log.execute(&mut **transaction).await.map_err(repository_error)?;
        if let Some(charge) = &change.charge
            && let Err(error) = totals::take(&mut write, charge).await
        {
            write.transaction.rollback().await.map_err(repository_error)?;
            return Err(error);
        }
        write.transaction.commit().await.map_err(repository_error)?;
        Ok(change.made_at(now))
    })
    .await
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
        .bind(mac(payout, version, keys))
        .bind(version);
    rewrite
        .execute(&mut **transaction)
        .await
        .map(drop)
        .map_err(repository_error)
}

pub(super) async fn record_refusal(
    store: &Store,
    id: PayoutId,
    caller: &Caller,
) -> Result<(), RepositoryError> {
    let (store, caller) = (store.clone(), caller.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        write_open_claims(&mut transaction, &[id.as_uuid()]).await?;
        let record = sqlx::query(RECORD_REFUSAL)
            .bind(id.as_uuid())
            .bind(now.timestamp_micros())
            .bind(EventKind::EditRefused.as_str())
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
