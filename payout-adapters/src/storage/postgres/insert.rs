//! Inserts of payouts: idempotency records, details and states of the whole batch in one statement. Where a batch is
//! charged to a day's limit, the statement runs in a transaction that holds the daily totals.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use payout_core::Timestamp;
use payout_core::payout::{NewPayout, ProviderKey};
use payout_core::ports::{Insertion, RepositoryError};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::link::{Link, Statement};
use super::totals::LockedTotals;
use super::transaction::Transaction;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::{StoredRecipient, WrittenAnswer, mac};
use crate::storage::sql::stored::{StoredTime, without_nul};
use crate::storage::sql::totals::{self, Decision, Stored};

/// Inserts the records, details and states of a batch.
///
/// UNNEST pads shorter arrays with NULL: without an encryption key, the last two arrays are empty. The details carry
/// the event of the creation.
///
/// - A payout is written if it has no idempotency key, or won it. Keys are taken in their order, so that two batches
///   which share some wait for each other in one direction only. Of two rows with one key, the first in the batch wins.
/// - A key in the scope of an API key cannot be won while a record without an API key exists for it; `$18` has these
///   keys in their form without an API key.
/// - Once an API key exists, no record is written without one: a process that still does so has not read the API keys
///   yet.
/// - A payout is not written if its provider keys would begin like those of a request whose record was forgotten. The
///   statement returns these spent keys, and the caller runs it again without them.
const INSERT: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST(
            $1::uuid[], $2::numeric[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::text[], $15::uuid[],
            $16::bytea[], $17::bytea[], $19::bytea[]
        ) WITH ORDINALITY AS row (
            id, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
            scheduled_at, actor, request_id, reason, key, fingerprint, snapshot, provider_key, sealed, sealed_answer,
            mac, place
        )
    ), answered AS (
        SELECT key FROM idempotency_keys WHERE key = ANY ($18)
    ), spent AS (
        SELECT provider_key FROM spent_provider_keys WHERE provider_key = ANY ($15)
    ), won AS (
        INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
        SELECT key, now(), id, fingerprint, snapshot, sealed_answer
        FROM incoming
        WHERE key IS NOT NULL AND CASE position(' ' IN key)
            WHEN 0 THEN NOT EXISTS (SELECT FROM api_keys)
            ELSE split_part(key, ' ', 2) <> ALL (ARRAY(SELECT key FROM answered)) END
            AND (provider_key IS NULL OR provider_key <> ALL (ARRAY(SELECT provider_key FROM spent)))
        ORDER BY key COLLATE \"C\", place
        ON CONFLICT (key) DO NOTHING
        RETURNING payout_id
    ), chosen AS (
        SELECT * FROM incoming
        WHERE key IS NULL OR id IN (SELECT payout_id FROM won)
    ), stored AS (
        INSERT INTO payout_details (
            id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, sealed,
            description, provider_key, mac, changed_version, created_by, created_in, created_because
        )
        SELECT
            id, now(), amount, currency, recipient_account, recipient_name, recipient_name_folded, sealed,
            description, provider_key, mac, CASE WHEN mac IS NOT NULL THEN 1 END, actor, request_id, reason
        FROM chosen
        RETURNING id, created_at
    ), standing AS (
        INSERT INTO payout_states (
            id, created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status
        )
        SELECT id, now(), 0, 0, 0, 1, now(), GREATEST(scheduled_at, now()), false, 'pending'
        FROM chosen
    )
    SELECT id, created_at, NULL::uuid AS spent FROM stored
    UNION ALL
    SELECT NULL, NULL, provider_key FROM spent";

pub(super) async fn insert(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    if batch.iter().any(|new| new.charge.is_some()) {
        return charged(link, batch).await;
    }
    let beaten = totals::beaten(batch);
    let free = batch.iter().filter(|new| !beaten.contains(&new.id.as_uuid()));
    let stored = write(free.collect(), &link.keyring, By::Itself(link)).await?;
    batch
        .iter()
        .map(|new| match (stored.get(&new.id.as_uuid()), &new.request) {
            (Some(stored), _) => Ok(Decision::Store.answer(new, Some(*stored))),
            (None, Some(_)) => Ok(Insertion::KeyTaken),
            (None, None) => Err(unanswered()),
        })
        .collect()
}

/// Inserts the payouts that fit into their daily limits.
async fn charged(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    loop {
        // Each retry finds one more key with a record, so the loop ends.
        if let Some(answers) = charged_once(link, batch).await? {
            return Ok(answers);
        }
    }
}

/// Makes one attempt; returns `None` if a payout that was refused for its amount may fit after all. That happens when a
/// client that is not charged takes a key between the lookup and the insert.
async fn charged_once(link: &Link, batch: &[NewPayout]) -> Result<Option<Vec<Insertion>>, RepositoryError> {
    let mut locked_totals = LockedTotals::begin(link, totals::buckets(batch)).await?;
    let taken = locked_totals.taken(totals::keys(batch)).await?;
    let mut left = locked_totals.totals.clone();
    let mut decisions = totals::decide(batch, taken, &mut left, locked_totals.today);
    let fitting = batch.iter().zip(&decisions);
    let fitting = fitting.filter(|(_, decision)| **decision == Decision::Store);
    let fitting: Vec<&NewPayout> = fitting.map(|(new, _)| new).collect();
    if fitting.is_empty() {
        locked_totals.rollback().await?;
        return Ok(Some(answers(batch, &decisions, &HashMap::new())));
    }
    let within = By::Transaction(&mut locked_totals.transaction);
    let stored = write(fitting.clone(), &link.keyring, within).await?;
    let is_stored = |new: &NewPayout| stored.contains_key(&new.id.as_uuid());
    if fitting.iter().any(|new| new.request.is_none() && !is_stored(new)) {
        return Err(unanswered());
    }
    if stored.len() < fitting.len() {
        let over = |decision: &Decision| matches!(decision, Decision::OverLimit(_));
        if decisions.iter().any(over) {
            locked_totals.rollback().await?;
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
        locked_totals.take(charge).map_err(refused)?;
    }
    locked_totals.commit().await?;
    Ok(Some(answers(batch, &decisions, &stored)))
}

fn answers(batch: &[NewPayout], decisions: &[Decision], stored: &HashMap<Uuid, Stored>) -> Vec<Insertion> {
    let answered = batch.iter().zip(decisions).map(|(new, decision)| {
        let stored = stored.get(&new.id.as_uuid()).copied();
        decision.answer(new, stored)
    });
    answered.collect()
}

fn unanswered() -> RepositoryError {
    refused("the insert did not answer for a payout")
}

/// A payout's id and the time when it was stored, or a spent provider key.
type WrittenRow = (Option<Uuid>, Option<StoredTime>, Option<Uuid>);

/// The way an insert is run.
enum By<'t, 'l> {
    /// A statement that is a transaction by itself.
    Itself(&'t Link),
    /// Within a transaction.
    Transaction(&'t mut Transaction<'l>),
}

/// Writes the payouts that can be written, and returns these.
async fn write(
    batch: Vec<&NewPayout>,
    keys: &EncryptionKeys,
    mut by: By<'_, '_>,
) -> Result<HashMap<Uuid, Stored>, RepositoryError> {
    let mut spent = HashSet::new();
    let mut stored = HashMap::new();
    let mut left = batch;
    // The second round writes payouts whose provider keys the first round found to be spent.
    while !left.is_empty() {
        let under_their_ids = !spent.is_empty();
        let statement = statement(left.iter().copied(), under_their_ids, keys)?;
        let rows = match &mut by {
            By::Itself(link) => link.write(statement).await?,
            By::Transaction(transaction) => transaction.run(statement).await?,
        };
        for (id, at, key) in rows {
            if let (Some(id), Some(StoredTime(at))) = (id, at) {
                stored.insert(
                    id,
                    Stored {
                        at,
                        under_its_id: under_their_ids,
                    },
                );
            }
            spent.extend(key);
        }
        if under_their_ids {
            break;
        }
        let is_spent = |new: &&NewPayout| {
            new.provider_key()
                .is_some_and(|key| spent.contains(&key.as_uuid()))
        };
        left.retain(is_spent);
    }
    Ok(stored)
}

fn statement<'a>(
    batch: impl IntoIterator<Item = &'a NewPayout>,
    under_their_ids: bool,
    keys: &EncryptionKeys,
) -> Result<Statement<'a, WrittenRow>, RepositoryError> {
    let columns = Columns::of(batch, under_their_ids, keys)?;
    Ok(sqlx::query_as::<_, WrittenRow>(INSERT)
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
        .bind(columns.provider_keys)
        .bind(columns.sealed)
        .bind(columns.sealed_answers)
        .bind(columns.unscoped_keys)
        .bind(columns.macs))
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
    provider_keys: Vec<Option<Uuid>>,
    unscoped_keys: Vec<&'a str>,
    sealed: Vec<Option<Vec<u8>>>,
    sealed_answers: Vec<Option<Vec<u8>>>,
    macs: Vec<Option<Vec<u8>>>,
}

impl<'a> Columns<'a> {
    fn of(
        batch: impl IntoIterator<Item = &'a NewPayout>,
        under_their_ids: bool,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let mut columns = Self::default();
        for new in batch {
            let details = &new.details;
            let recipient = StoredRecipient::of(new.id.as_uuid(), &details.recipient, keys)?;
            columns.ids.push(new.id.as_uuid());
            columns.amounts.push(details.money.amount());
            columns.currencies.push(details.money.currency().code());
            columns.accounts.push(recipient.account);
            columns.names.push(recipient.name);
            columns.folded_names.push(recipient.name_folded);
            columns.descriptions.push(details.description.as_str());
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
            let stored = Stored {
                at: Timestamp::UNIX_EPOCH,
                under_its_id: under_their_ids,
            };
            let answered = |request| WrittenAnswer::of(&stored.payout(new), request, keys);
            let answer = request.map(answered).transpose()?;
            columns
                .fingerprints
                .push(answer.as_ref().map(|answer| answer.fingerprint));
            let (snapshot, sealed_answer) = match answer {
                Some(answer) => (Some(answer.snapshot), answer.sealed),
                None => (None, None),
            };
            columns.snapshots.push(snapshot);
            let provider_key = new.provider_key().filter(|_| !under_their_ids);
            columns.provider_keys.push(provider_key.map(ProviderKey::as_uuid));
            columns
                .unscoped_keys
                .extend(request.and_then(|request| request.key.unscoped()));
            if !keys.is_empty() {
                columns.sealed.push(recipient.sealed);
                columns.sealed_answers.push(sealed_answer);
                columns.macs.push(mac(&stored.payout(new), 1, keys));
            }
        }
        Ok(columns)
    }
}
