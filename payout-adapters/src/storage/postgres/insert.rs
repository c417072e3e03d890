//! Inserts of payouts: idempotency records, details and states of the whole batch in one statement. Where a batch is
//! charged to a day's limit, the statement runs in a transaction that holds the daily totals.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use payout_core::payout::{NewPayout, PayoutId};
use payout_core::ports::{Insertion, RepositoryError};
use uuid::Uuid;

use super::columns::Columns;
use super::duplicates;
use super::insert_statement::statement;
use super::link::Link;
use super::totals::LockedTotals;
use super::transaction::Transaction;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::error::{breaks_constraint, refused};
use crate::storage::sql::stored::StoredTime;
use crate::storage::sql::totals::{self, Decision, Stored, Taken};

/// The index that keeps external ids apart.
pub(super) const EXTERNAL_ID_INDEX: &str = "payout_details_external_id";

pub(super) async fn insert(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    link.single_inserts.fetch_add(1, Ordering::Relaxed);
    let is_decided = |new: &NewPayout| new.charge.is_some() || new.duplicates_within().is_some();
    if batch.iter().any(is_decided) || repeats_an_external_id(batch) {
        return charged(link, batch).await;
    }
    let beaten = totals::beaten(batch);
    let free = batch.iter().filter(|new| !beaten.contains(&new.id.as_uuid()));
    let written = write(free.collect(), &link.keyring, By::Itself(link)).await?;
    batch
        .iter()
        .map(|new| match written.stored.get(&new.id.as_uuid()) {
            Some(stored) => Ok(Decision::Store.answer(new, Some(*stored))),
            None => Ok(written.refusal(new)?.answer(new, None)),
        })
        .collect()
}

/// Returns whether two payouts of a batch have one external id, so that the first must be decided about before the
/// second.
fn repeats_an_external_id(batch: &[NewPayout]) -> bool {
    let mut seen = HashSet::new();
    let mut ids = batch.iter().filter_map(totals::external_id_of);
    ids.any(|id| !seen.insert(id))
}

/// Inserts the payouts that fit into their daily limits, each decided about after those before it. Likely duplicates are
/// held.
async fn charged(link: &Link, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
    let mut races = 0;
    loop {
        // Each retry finds one more key with a record, or one more external id of another payout, so the loop ends.
        match charged_once(link, batch).await {
            Ok(Some(answers)) => return Ok(answers),
            Ok(None) => (),
            Err(error) if is_lost_race(&error) && races < MAX_RACES => races += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Makes one attempt; returns `None` if a payout that was refused for its amount may fit after all. That happens when a
/// client that is not charged takes a key or an external id between the lookup and the insert.
async fn charged_once(link: &Link, batch: &[NewPayout]) -> Result<Option<Vec<Insertion>>, RepositoryError> {
    let mut locked_totals = LockedTotals::begin(link, totals::buckets(batch)).await?;
    let held = duplicates::held(&mut locked_totals.transaction, batch, &link.keyring).await?;
    let batch = held.as_deref().unwrap_or(batch);
    let taken = Taken {
        keys: locked_totals.taken(totals::keys(batch)).await?,
        external_ids: locked_totals
            .taken_external_ids(totals::external_ids(batch))
            .await?,
    };
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
    let written = write(fitting.clone(), &link.keyring, within).await?;
    let is_stored = |new: &NewPayout| written.stored.contains_key(&new.id.as_uuid());
    if written.stored.len() < fitting.len() {
        // Refused because of a payout of the batch that is not stored after all.
        let perhaps = |decision: &Decision| match decision {
            Decision::OverLimit(_) => true,
            Decision::ExternalIdTaken(holder) => fitting.iter().any(|new| new.id == *holder),
            Decision::Store | Decision::KeyTaken => false,
        };
        if decisions.iter().any(perhaps) {
            locked_totals.rollback().await?;
            return Ok(None);
        }
        for (new, decision) in batch.iter().zip(&mut decisions) {
            if *decision == Decision::Store && !is_stored(new) {
                *decision = written.refusal(new)?;
            }
        }
    }
    let charged = fitting.iter().filter(|new| is_stored(new));
    for charge in charged.filter_map(|new| new.charge.as_ref()) {
        locked_totals.take(charge).map_err(refused)?;
    }
    locked_totals.commit().await?;
    Ok(Some(answers(batch, &decisions, &written.stored)))
}

/// Writes payouts of a batch within its transaction. Returns false if one of their external ids is taken; the
/// transaction can then only be rolled back.
pub(super) async fn write_members(
    part: &[NewPayout],
    keys: &EncryptionKeys,
    transaction: &mut Transaction<'_>,
) -> Result<bool, RepositoryError> {
    let held = duplicates::held(transaction, part, keys).await?;
    let part = held.as_deref().unwrap_or(part);
    match write(part.iter().collect(), keys, By::Transaction(transaction)).await {
        Ok(written) => Ok(written.stored.len() == part.len()),
        Err(error) if is_lost_race(&error) => Ok(false),
        Err(error) => Err(error),
    }
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

/// The number of times that an insert is tried again because another session took an external id at the same time.
const MAX_RACES: u32 = 8;

/// Returns whether another session took one of the external ids while the statement ran. The next attempt finds it
/// taken.
fn is_lost_race(error: &RepositoryError) -> bool {
    breaks_constraint(error, EXTERNAL_ID_INDEX)
}

/// The result of a write.
#[derive(Default)]
struct Written {
    stored: HashMap<Uuid, Stored>,
    /// The payouts that were not stored, with those that have their external ids.
    beaten: HashMap<Uuid, PayoutId>,
}

impl Written {
    /// Returns the reason why a payout was not stored.
    fn refusal(&self, new: &NewPayout) -> Result<Decision, RepositoryError> {
        match (self.beaten.get(&new.id.as_uuid()), &new.request) {
            (Some(holder), _) => Ok(Decision::ExternalIdTaken(*holder)),
            (None, Some(_)) => Ok(Decision::KeyTaken),
            (None, None) => Err(unanswered()),
        }
    }
}

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
) -> Result<Written, RepositoryError> {
    let (mut spent, mut races) = (HashSet::new(), 0);
    let mut written = Written::default();
    let mut left = batch;
    // The second round writes payouts whose provider keys the first round found to be spent.
    while !left.is_empty() {
        let under_their_ids = !spent.is_empty();
        let statement = statement(Columns::of(&left, under_their_ids, keys)?)?;
        let rows = match &mut by {
            By::Itself(link) => match link.write(statement).await {
                Err(error) if is_lost_race(&error) && races < MAX_RACES => {
                    races += 1;
                    continue;
                }
                rows => rows?,
            },
            By::Transaction(transaction) => transaction.run(statement).await?,
        };
        for (id, at, key, holder) in rows {
            if let (Some(id), Some(StoredTime(at))) = (id, at) {
                written.stored.insert(
                    id,
                    Stored {
                        at,
                        under_its_id: under_their_ids,
                    },
                );
            }
            if let (Some(id), Some(holder)) = (id, holder) {
                written.beaten.insert(id, PayoutId::from(holder));
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
    Ok(written)
}
