//! Inserting payouts: a transaction of at most three statements, whatever the size of the batch.

use std::borrow::Cow;
use std::collections::HashSet;

use payout_core::Timestamp;
use payout_core::payout::NewPayout;
use payout_core::ports::{Insertion, RepositoryError};
use serde::Serialize;
use uuid::Uuid;

use super::store::{Store, Write, hex, json, to_its_end};
use crate::seal::Keyring;
use crate::sql::error::repository_error;
use crate::sql::recipient::{StoredRecipient, WrittenAnswer};
use crate::sql::row::stored_at;
use crate::sql::stored::without_nul;

/// Of two rows with one key, the first in the batch wins.
const TAKE_KEYS: &str = "
    INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
    SELECT
        value ->> 'key', ?2, unhex(value ->> 'id'), unhex(value ->> 'fingerprint'), value ->> 'snapshot',
        unhex(value ->> 'sealed_answer')
    FROM json_each(?1) AS incoming
    WHERE value ->> 'key' IS NOT NULL
    ORDER BY incoming.key
    ON CONFLICT (key) DO NOTHING
    RETURNING payout_id";

const INSERT: &str = "
    INSERT INTO payouts (
        id, generation, claims, fence, version, created_at, updated_at, due_at, needs_review, amount, currency,
        status, recipient_account, recipient_name, recipient_name_folded, sealed, description
    )
    SELECT
        unhex(value ->> 'id'), 0, 0, 0, 1, ?2, ?2, max(coalesce(value ->> 'scheduled_at', ?2), ?2), 0,
        value ->> 'amount', value ->> 'currency', 'pending', value ->> 'recipient_account', value ->> 'recipient_name',
        value ->> 'recipient_name_folded', unhex(value ->> 'sealed'), value ->> 'description'
    FROM json_each(?1)";

const LOG: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
    SELECT
        unhex(value ->> 'id'), 0, 0, ?2, 'created', 'pending', value ->> 'actor', value ->> 'request_id',
        value ->> 'reason'
    FROM json_each(?1)";

pub(super) async fn insert(store: &Store, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let keyed = batch.iter().any(|new| new.request.is_some());
    // The task needs a batch of its own.
    let (store, batch) = (store.clone(), batch.to_vec());
    to_its_end(async move {
        let rows = batch
            .iter()
            .map(|new| Incoming::of(new, &store.keyring))
            .collect::<Result<Vec<_>, _>>()?;
        let all = json(&rows)?;
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let mut won = HashSet::new();
        if keyed {
            let taken = sqlx::query_as::<_, (Uuid,)>(TAKE_KEYS)
                .bind(&all)
                .bind(now.timestamp_micros());
            let taken = taken
                .fetch_all(&mut *transaction)
                .await
                .map_err(repository_error)?;
            won.extend(taken.into_iter().map(|(id,)| id));
        }
        let is_written = |new: &NewPayout| new.request.is_none() || won.contains(&new.id.as_uuid());
        let written: Vec<&Incoming<'_>> = rows
            .iter()
            .zip(&batch)
            .filter(|(_, new)| is_written(new))
            .map(|(row, _)| row)
            .collect();
        let written = if written.len() == rows.len() {
            all
        } else {
            json(&written)?
        };
        for statement in [INSERT, LOG] {
            let run = sqlx::query(statement).bind(&written).bind(now.timestamp_micros());
            run.execute(&mut *transaction).await.map_err(repository_error)?;
        }
        transaction.commit().await.map_err(repository_error)?;
        let answer = |new: &NewPayout| {
            if is_written(new) {
                Insertion::Stored(stored_at(new, now))
            } else {
                Insertion::KeyTaken
            }
        };
        Ok(batch.iter().map(answer).collect())
    })
    .await
}

/// A payout as `json_each` takes it.
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
    scheduled_at: Option<i64>,
    actor: &'a str,
    request_id: Option<String>,
    reason: Option<String>,
    key: Option<&'a str>,
    fingerprint: Option<String>,
    snapshot: Option<String>,
    sealed_answer: Option<String>,
}

impl<'a> Incoming<'a> {
    fn of(new: &'a NewPayout, keys: &Keyring) -> Result<Self, RepositoryError> {
        let (draft, request) = (&new.draft, new.request.as_ref());
        let (account, name) = (&draft.recipient_account, &draft.recipient_name);
        let recipient = StoredRecipient::of(new.id.as_uuid(), account, name, keys)?;
        // The times in it are put in when it is read.
        let answered = |request| WrittenAnswer::of(&stored_at(new, Timestamp::UNIX_EPOCH), request, keys);
        let answer = request.map(answered).transpose()?;
        Ok(Self {
            id: hex(new.id.as_uuid().as_bytes()),
            amount: draft.money.amount().to_string(),
            currency: draft.money.currency().code(),
            recipient_account: recipient.account,
            recipient_name: recipient.name,
            recipient_name_folded: recipient.name_folded,
            sealed: recipient.sealed.as_deref().map(hex),
            description: draft.description.as_str(),
            scheduled_at: new.scheduled_at.map(|at| at.timestamp_micros()),
            actor: new.caller.actor.as_str(),
            request_id: new.caller.request_id.as_deref().map(without_nul),
            reason: new.caller.reason.as_deref().map(without_nul),
            key: request.map(|request| request.key.as_str()),
            fingerprint: answer.as_ref().map(|answer| hex(&answer.fingerprint)),
            sealed_answer: answer
                .as_ref()
                .and_then(|answer| answer.sealed.as_deref())
                .map(hex),
            snapshot: answer.map(|answer| answer.snapshot),
        })
    }
}
