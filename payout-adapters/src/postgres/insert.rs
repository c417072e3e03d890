//! Inserting payouts: idempotency records, payouts and events of the whole batch in one statement; where a day's limit is
//! charged, between two looks at what is left of it.

use std::borrow::Cow;
use std::collections::HashMap;

use payout_core::Timestamp;
use payout_core::payout::NewPayout;
use payout_core::ports::{Insertion, RepositoryError};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::link::{Link, Statement};
use super::totals::Holding;
use crate::seal::Keyring;
use crate::sql::error::refused;
use crate::sql::recipient::{StoredRecipient, WrittenAnswer};
use crate::sql::row::stored_at;
use crate::sql::stored::{StoredTime, without_nul};
use crate::sql::totals::{self, Decision};

/// UNNEST pads what is shorter with NULL: without a key to seal with, the last two are empty.
///
/// A payout is written if it has no key or won it. Keys are taken in their order, so that two batches which share some
/// wait for each other in one direction only; of two rows with one key, the first in the batch wins.
const INSERT: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST(
            $1::uuid[], $2::numeric[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::text[], $15::bytea[],
            $16::bytea[]
        ) WITH ORDINALITY AS row (
            id, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
            scheduled_at, actor, request_id, reason, key, fingerprint, snapshot, sealed, sealed_answer, place
        )
    ), won AS (
        INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
        SELECT key, now(), id, fingerprint, snapshot, sealed_answer
        FROM incoming
        WHERE key IS NOT NULL
        ORDER BY key COLLATE \"C\", place
        ON CONFLICT (key) DO NOTHING
        RETURNING payout_id
    ), stored AS (
        INSERT INTO payouts (
            id, generation, claims, fence, version, created_at, updated_at, due_at, needs_review, amount, currency,
            status, recipient_account, recipient_name, recipient_name_folded, sealed, description
        )
        SELECT
            id, 0, 0, 0, 1, now(), now(), GREATEST(scheduled_at, now()), false, amount, currency,
            'pending', recipient_account, recipient_name, recipient_name_folded, sealed, description
        FROM incoming
        WHERE key IS NULL OR id IN (SELECT payout_id FROM won)
        RETURNING id, created_at
    ), logged AS (
        INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail)
        SELECT id, 0, 0, created_at, 'created', 'pending', actor, request_id, reason
        FROM stored JOIN incoming USING (id)
    )
    SELECT id, created_at FROM stored";

pub(super) async fn insert(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    if batch.iter().any(|new| new.charge.is_some()) {
        return charged(link, batch).await;
    }
    let mut stored = stored_of(link.write(statement(batch, &link.keyring)?).await?);
    batch
        .iter()
        .map(|new| match (stored.remove(&new.id.as_uuid()), &new.request) {
            (Some(now), _) => Ok(Insertion::Stored(stored_at(new, now))),
            (None, Some(_)) => Ok(Insertion::KeyTaken),
            (None, None) => Err(unanswered()),
        })
        .collect()
}

/// Inserts what fits into its day.
async fn charged(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    loop {
        // Each time round, a key has a record that had none before.
        if let Some(answers) = charged_once(link, batch).await? {
            return Ok(answers);
        }
    }
}

/// Nothing, if what was refused for its amount may fit after all: a key was taken, by somebody who is not charged, between
/// the look at it and the insert.
async fn charged_once(link: &Link, batch: &[NewPayout]) -> Result<Option<Vec<Insertion>>, RepositoryError> {
    let mut holding = Holding::begin(link, totals::purses(batch)).await?;
    let taken = holding.taken(totals::keys(batch)).await?;
    let mut left = holding.totals.clone();
    let mut decisions = totals::decide(batch, taken, &mut left, holding.today);
    let fitting = batch.iter().zip(&decisions);
    let fitting = fitting.filter(|(_, decision)| **decision == Decision::Store);
    let fitting: Vec<&NewPayout> = fitting.map(|(new, _)| new).collect();
    if fitting.is_empty() {
        holding.rollback().await?;
        return Ok(Some(answers(batch, &decisions, &HashMap::new())));
    }
    let insert = statement(fitting.iter().copied(), &link.keyring)?;
    let stored = stored_of(holding.transaction.run(insert).await?);
    let is_stored = |new: &NewPayout| stored.contains_key(&new.id.as_uuid());
    if fitting.iter().any(|new| new.request.is_none() && !is_stored(new)) {
        return Err(unanswered());
    }
    if stored.len() < fitting.len() {
        let over = |decision: &Decision| matches!(decision, Decision::OverLimit(_));
        if decisions.iter().any(over) {
            holding.rollback().await?;
            return Ok(None);
        }
        for (new, decision) in batch.iter().zip(&mut decisions) {
            if !is_stored(new) {
                *decision = Decision::KeyTaken;
            }
        }
    }
    let written = fitting.iter().filter(|new| is_stored(new));
    for charge in written.filter_map(|new| new.charge.as_ref()) {
        holding.take(charge).map_err(refused)?;
    }
    holding.commit().await?;
    Ok(Some(answers(batch, &decisions, &stored)))
}

fn answers(batch: &[NewPayout], decisions: &[Decision], stored: &HashMap<Uuid, Timestamp>) -> Vec<Insertion> {
    let answered = batch.iter().zip(decisions).map(|(new, decision)| {
        let now = stored.get(&new.id.as_uuid()).copied();
        decision.answer(new, now.unwrap_or(Timestamp::UNIX_EPOCH))
    });
    answered.collect()
}

fn unanswered() -> RepositoryError {
    refused("the insert did not answer for a payout")
}

/// When each was stored.
fn stored_of(rows: Vec<(Uuid, StoredTime)>) -> HashMap<Uuid, Timestamp> {
    rows.into_iter().map(|(id, at)| (id, at.0)).collect()
}

fn statement<'a>(
    batch: impl IntoIterator<Item = &'a NewPayout>,
    keys: &Keyring,
) -> Result<Statement<'a, (Uuid, StoredTime)>, RepositoryError> {
    let columns = Columns::of(batch, keys)?;
    Ok(sqlx::query_as::<_, (Uuid, StoredTime)>(INSERT)
        .bind(columns.ids)
        .bind(columns.amounts)
        .bind(columns.currencies)
        .bind(columns.accounts)
        .bind(columns.names)
        .bind(columns.folded_names)
        .bind(columns.descriptions)
        .bind(columns.scheduled)
        .bind(columns.actors)
        .bind(columns.request_ids)
        .bind(columns.reasons)
        .bind(columns.keys)
        .bind(columns.fingerprints)
        .bind(columns.snapshots)
        .bind(columns.sealed)
        .bind(columns.sealed_answers))
}

/// The batch by columns, as UNNEST takes it.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    amounts: Vec<Decimal>,
    currencies: Vec<&'a str>,
    accounts: Vec<Cow<'a, str>>,
    names: Vec<&'a str>,
    folded_names: Vec<String>,
    descriptions: Vec<&'a str>,
    scheduled: Vec<Option<Timestamp>>,
    actors: Vec<&'a str>,
    request_ids: Vec<Option<String>>,
    reasons: Vec<Option<String>>,
    keys: Vec<Option<&'a str>>,
    fingerprints: Vec<Option<[u8; 32]>>,
    snapshots: Vec<Option<String>>,
    sealed: Vec<Option<Vec<u8>>>,
    sealed_answers: Vec<Option<Vec<u8>>>,
}

impl<'a> Columns<'a> {
    fn of(batch: impl IntoIterator<Item = &'a NewPayout>, keys: &Keyring) -> Result<Self, RepositoryError> {
        let mut columns = Self::default();
        for new in batch {
            let draft = &new.draft;
            let (account, name) = (&draft.recipient_account, &draft.recipient_name);
            let recipient = StoredRecipient::of(new.id.as_uuid(), account, name, keys)?;
            columns.ids.push(new.id.as_uuid());
            columns.amounts.push(draft.money.amount());
            columns.currencies.push(draft.money.currency().code());
            columns.accounts.push(recipient.account);
            columns.names.push(recipient.name);
            columns.folded_names.push(recipient.name_folded);
            columns.descriptions.push(draft.description.as_str());
            columns.scheduled.push(new.scheduled_at);
            columns.actors.push(new.caller.actor.as_str());
            columns
                .request_ids
                .push(new.caller.request_id.as_deref().map(without_nul));
            columns
                .reasons
                .push(new.caller.reason.as_deref().map(without_nul));
            let request = new.request.as_ref();
            columns.keys.push(request.map(|request| request.key.as_str()));
            // The times in it are put in when it is read.
            let answered = |request| WrittenAnswer::of(&stored_at(new, Timestamp::UNIX_EPOCH), request, keys);
            let answer = request.map(answered).transpose()?;
            columns
                .fingerprints
                .push(answer.as_ref().map(|answer| answer.fingerprint));
            let (snapshot, sealed_answer) = match answer {
                Some(answer) => (Some(answer.snapshot), answer.sealed),
                None => (None, None),
            };
            columns.snapshots.push(snapshot);
            if !keys.is_empty() {
                columns.sealed.push(recipient.sealed);
                columns.sealed_answers.push(sealed_answer);
            }
        }
        Ok(columns)
    }
}
