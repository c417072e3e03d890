//! Inserts of payouts: a transaction of at most three statements, whatever the size of the batch. If the batch is
//! charged to a day's limit, there are three more.

use std::borrow::Cow;
use std::collections::HashSet;

use payout_core::Timestamp;
use payout_core::payout::{NewPayout, StatementText};
use payout_core::ports::{Insertion, RepositoryError};
use serde::Serialize;
use uuid::Uuid;

use super::duplicates;
use super::feed;
use super::store::{Store, Write, hex, json, run_detached};
use super::totals as daily;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::approvals::{ApprovalColumns, created_status};
use crate::storage::sql::details::metadata_column;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::row::provider_column;
use crate::storage::sql::stored::without_nul;
use crate::storage::sql::totals::{self, Decision, Stored, Taken};

/// Takes the idempotency keys of a batch. Of two rows with one key, the first in the batch wins. A key in the scope of
/// an API key cannot be won while a record without an API key exists for it. Once an API key exists, no record is
/// written without one: a process that still does so has not read the API keys yet.
const TAKE_KEYS: &str = "
    INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
    SELECT
        value ->> 'key', ?2, unhex(value ->> 'id'), unhex(value ->> 'fingerprint'), value ->> 'snapshot',
        unhex(value ->> 'sealed_answer')
    FROM jsonb_each(?1) AS incoming
    WHERE value ->> 'key' IS NOT NULL AND CASE
        WHEN value ->> 'unscoped_key' IS NULL THEN NOT EXISTS (SELECT 1 FROM api_keys)
        ELSE NOT EXISTS (SELECT 1 FROM idempotency_keys AS open WHERE open.key = value ->> 'unscoped_key') END
    ORDER BY incoming.key
    ON CONFLICT (key) DO NOTHING
    RETURNING payout_id";

/// Inserts the details, which carry the event of the creation.
const INSERT: &str = "
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, sealed,
        recipient_details, description, provider_key, mac, changed_version, created_by, created_in, created_because,
        external_id, metadata, statement_text, scheduled_at, batch_id, created_person, created_status,
        created_scheduled_at, recipient_id, feed_after, feed_number
    )
    SELECT
        unhex(value ->> 'id'), ?2, value ->> 'amount', value ->> 'currency', value ->> 'recipient_account',
        value ->> 'recipient_name', value ->> 'recipient_name_folded', unhex(value ->> 'sealed'),
        value ->> 'recipient_details', value ->> 'description', unhex(value ->> 'provider_key'), unhex(value ->> 'mac'),
        CASE WHEN value ->> 'mac' IS NOT NULL THEN 1 END, value ->> 'actor', value ->> 'request_id', value ->> 'reason',
        value ->> 'external_id', value ->> 'metadata', value ->> 'statement_text', value ->> 'scheduled_at',
        unhex(value ->> 'batch_id'), value ->> 'created_person', value ->> 'created_status',
        CASE WHEN value ->> 'created_status' IS NULL AND value ->> 'scheduled_at' > ?2 THEN value ->> 'scheduled_at' END,
        unhex(value ->> 'recipient_id'), ?3, ?4
    FROM jsonb_each(?1)";

/// Inserts the states. A payout of a batch waits in the queue of its batch (migration 0017).
const INSERT_STATES: &str = "
    INSERT INTO payout_states (
        id, created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status, provider,
        batch_id, batch_due_at, approvals_required, approval_reasons
    )
    SELECT
        unhex(value ->> 'id'), ?2, 0, 0, 0, 1, ?2,
        CASE WHEN value ->> 'created_status' IS NOT NULL THEN NULL
            WHEN value ->> 'batch_id' IS NULL THEN max(coalesce(value ->> 'scheduled_at', ?2), ?2)
            ELSE 253370764800000000 END,
        0, coalesce(value ->> 'created_status', 'pending'), value ->> 'provider', unhex(value ->> 'batch_id'),
        CASE WHEN value ->> 'batch_id' IS NOT NULL AND value ->> 'created_status' IS NULL
            THEN max(coalesce(value ->> 'scheduled_at', ?2), ?2) END,
        value ->> 'approvals_required', value ->> 'approval_reasons'
    FROM jsonb_each(?1)";

/// Finds spent provider keys: those of a request whose record was forgotten.
const SPENT: &str = "
    SELECT provider_key FROM spent_provider_keys
    WHERE provider_key IN (SELECT unhex(value ->> 'provider_key') FROM jsonb_each(?1))";

pub(super) async fn insert(store: &Store, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    // The detached task needs a batch of its own.
    let (store, batch) = (store.clone(), batch.to_vec());
    run_detached(async move {
        let mut write = store.begin().await.map_err(repository_error)?;
        let held = duplicates::held(&mut write, &batch, &store.keyring).await?;
        let batch = held.unwrap_or(batch);
        let mut rows = incoming(&batch, &HashSet::new(), &store.keyring)?;
        let mut all = json(&rows)?;
        let spent = spent(&mut write, &batch, &all).await?;
        if !spent.is_empty() {
            rows = incoming(&batch, &spent, &store.keyring)?;
            all = json(&rows)?;
        }
        // Where each payout must be decided about after those before it.
        let one_by_one = batch
            .iter()
            .any(|new| new.charge.is_some() || new.details.external_id.is_some());
        let decisions = if one_by_one {
            decide(&mut write, &batch).await?
        } else {
            let beaten = totals::beaten(&batch);
            let won = if beaten.is_empty() {
                take_keys(&mut write, &batch, &all).await?
            } else {
                let free = batch.iter().zip(&rows);
                let free = free.filter(|(new, _)| !beaten.contains(&new.id.as_uuid()));
                let free: Vec<_> = free.map(|(_, row)| row).collect();
                take_keys(&mut write, &batch, &json(&free)?).await?
            };
            let decide = |new: &NewPayout| match &new.request {
                Some(_) if !won.contains(&new.id.as_uuid()) => Decision::KeyTaken,
                Some(_) | None => Decision::Store,
            };
            batch.iter().map(decide).collect()
        };
        let written: Vec<&Incoming<'_>> = rows
            .iter()
            .zip(&decisions)
            .filter(|(_, decision)| **decision == Decision::Store)
            .map(|(row, _)| row)
            .collect();
        let written = if written.len() == rows.len() {
            all
        } else {
            json(&written)?
        };
        if one_by_one {
            take_keys(&mut write, &batch, &written).await?;
        }
        insert_rows(&mut write, &written).await?;
        let Write { transaction, now } = write;
        transaction.commit().await.map_err(repository_error)?;
        let answers = batch.iter().zip(decisions).map(|(new, decision)| {
            let under_its_id = is_spent(new, &spent);
            decision.answer(
                new,
                Some(Stored {
                    at: now,
                    under_its_id,
                }),
            )
        });
        Ok(answers.collect())
    })
    .await
}

async fn insert_rows(write: &mut Write, rows: &str) -> Result<(), RepositoryError> {
    let now = write.now.timestamp_micros();
    let (feed_after, feed_number) = feed::place(&mut write.transaction).await?;
    let details = sqlx::query(INSERT).bind(rows).bind(now);
    let details = details.bind(feed_after).bind(feed_number);
    let states = sqlx::query(INSERT_STATES).bind(rows).bind(now);
    for statement in [details, states] {
        statement
            .execute(&mut *write.transaction)
            .await
            .map_err(repository_error)?;
    }
    Ok(())
}

/// Writes payouts of a batch within its transaction. Returns false if one of their external ids is taken; nothing is
/// written then.
pub(super) async fn write_members(
    part: &[NewPayout],
    keys: &EncryptionKeys,
    write: &mut Write,
) -> Result<bool, RepositoryError> {
    let external_ids = totals::external_ids(part);
    if !daily::taken_external_ids(write, &external_ids).await?.is_empty() {
        return Ok(false);
    }
    let held = duplicates::held(write, part, keys).await?;
    let part = held.as_deref().unwrap_or(part);
    let rows = json(&incoming(part, &HashSet::new(), keys)?)?;
    let spent = spent_keys(write, &rows).await?;
    let rows = if spent.is_empty() {
        rows
    } else {
        json(&incoming(part, &spent, keys)?)?
    };
    insert_rows(write, &rows).await?;
    Ok(true)
}

/// Decides about each payout of the batch, and charges the batch to its daily limits, as far as they suffice.
async fn decide(write: &mut Write, batch: &[NewPayout]) -> Result<Vec<Decision>, RepositoryError> {
    let buckets = totals::buckets(batch);
    let mut left = daily::read(write, &buckets).await?;
    let taken = Taken {
        keys: daily::taken(write, &totals::keys(batch)).await?,
        external_ids: daily::taken_external_ids(write, &totals::external_ids(batch)).await?,
    };
    let decisions = totals::decide(batch, taken, &mut left, write.now.date_naive());
    daily::keep(write, &buckets, &left).await?;
    Ok(decisions)
}

/// Converts the batch to rows for `jsonb_each`.
fn incoming<'a>(
    batch: &'a [NewPayout],
    spent: &HashSet<Uuid>,
    keys: &EncryptionKeys,
) -> Result<Vec<Incoming<'a>>, RepositoryError> {
    batch.iter().map(|new| Incoming::of(new, spent, keys)).collect()
}

fn is_spent(new: &NewPayout, spent: &HashSet<Uuid>) -> bool {
    let key = new.provider_key();
    key.is_some_and(|key| spent.contains(&key.as_uuid()))
}

/// Returns the ids that no payout's provider keys may begin with.
async fn spent(write: &mut Write, batch: &[NewPayout], rows: &str) -> Result<HashSet<Uuid>, RepositoryError> {
    if batch.iter().all(|new| new.request.is_none()) {
        return Ok(HashSet::new());
    }
    spent_keys(write, rows).await
}

async fn spent_keys(write: &mut Write, rows: &str) -> Result<HashSet<Uuid>, RepositoryError> {
    let spent = sqlx::query_as::<_, (Uuid,)>(SPENT).bind(rows);
    let spent = spent
        .fetch_all(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    Ok(spent.into_iter().map(|(key,)| key).collect())
}

/// Takes the free idempotency keys; returns the payouts that now have them.
async fn take_keys(
    write: &mut Write,
    batch: &[NewPayout],
    rows: &str,
) -> Result<HashSet<Uuid>, RepositoryError> {
    if batch.iter().all(|new| new.request.is_none()) {
        return Ok(HashSet::new());
    }
    let take = sqlx::query_as::<_, (Uuid,)>(TAKE_KEYS)
        .bind(rows)
        .bind(write.now.timestamp_micros());
    let won = take
        .fetch_all(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    Ok(won.into_iter().map(|(id,)| id).collect())
}

/// A payout as a row for `jsonb_each`.
#[derive(Serialize)]
struct Incoming<'a> {
    id: String,
    amount: String,
    currency: &'a str,
    recipient_account: Cow<'a, str>,
    recipient_name: &'a str,
    recipient_name_folded: String,
    sealed: Option<String>,
    description: &'a str,
    external_id: Option<&'a str>,
    metadata: Option<String>,
    statement_text: Option<&'a str>,
    scheduled_at: Option<i64>,
    batch_id: Option<String>,
    created_person: Option<String>,
    created_status: Option<&'static str>,
    approvals_required: i16,
    approval_reasons: Option<String>,
    recipient_id: Option<String>,
    actor: &'a str,
    request_id: Option<String>,
    reason: Option<String>,
    key: Option<&'a str>,
    fingerprint: Option<String>,
    unscoped_key: Option<&'a str>,
    snapshot: Option<String>,
    sealed_answer: Option<String>,
    provider_key: Option<String>,
    mac: Option<String>,
    recipient_details: Option<Cow<'a, str>>,
    provider: &'a str,
}

impl<'a> Incoming<'a> {
    fn of(new: &'a NewPayout, spent: &HashSet<Uuid>, keys: &EncryptionKeys) -> Result<Self, RepositoryError> {
        let (details, request) = (&new.details, new.request.as_ref());
        let recipient = StoredRecipient::of(new.id.as_uuid(), &details.recipient, keys)?;
        // The times in the snapshot are filled in when it is read.
        let under_its_id = is_spent(new, spent);
        let at = Timestamp::UNIX_EPOCH;
        let stored = Stored { at, under_its_id }.payout(new);
        let answered = |request| WrittenAnswer::of(&stored, request, keys);
        let answer = request.map(answered).transpose()?;
        let mac = mac(&stored, 1, keys)?;
        let approval = ApprovalColumns::of_new(new)?;
        Ok(Self {
            id: hex(new.id.as_uuid().as_bytes()),
            amount: details.money.amount().to_string(),
            currency: details.money.currency().code(),
            recipient_account: recipient.account,
            recipient_name: recipient.name,
            recipient_name_folded: recipient.name_folded,
            sealed: recipient.sealed.as_deref().map(hex),
            description: details.description.as_str(),
            external_id: totals::external_id_of(new),
            metadata: metadata_column(&details.metadata)?,
            statement_text: details.statement_text.as_ref().map(StatementText::as_str),
            scheduled_at: details.scheduled_at.map(|at| at.timestamp_micros()),
            batch_id: new.batch.map(|place| hex(place.id.as_uuid().as_bytes())),
            created_person: approval.created_person,
            created_status: created_status(approval.required),
            approvals_required: approval.required,
            approval_reasons: approval.reasons,
            recipient_id: details.recipient_id.map(|id| hex(id.as_uuid().as_bytes())),
            actor: new.caller.actor.as_str(),
            request_id: new.caller.request_id.as_deref().map(without_nul),
            reason: new.caller.reason.as_deref().map(without_nul),
            mac: mac.as_deref().map(hex),
            recipient_details: recipient.details,
            provider: provider_column(new.provider.as_ref()),
            key: request.map(|request| request.key.as_str()),
            unscoped_key: request.and_then(|request| request.key.unscoped()),
            provider_key: new
                .provider_key()
                .filter(|_| !under_its_id)
                .map(|key| hex(key.as_uuid().as_bytes())),
            fingerprint: answer.as_ref().map(|answer| hex(&answer.fingerprint)),
            sealed_answer: answer
                .as_ref()
                .and_then(|answer| answer.sealed.as_deref())
                .map(hex),
            snapshot: answer.map(|answer| answer.snapshot),
        })
    }
}
