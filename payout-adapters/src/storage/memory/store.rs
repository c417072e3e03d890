//! The rows, their indexes, and the transactions that keep both consistent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use chrono::TimeDelta;
use payout_core::Timestamp;
use payout_core::attempt::{Claim, Settlement, SettlementOutcome};
use payout_core::batch::{Batch, BatchId};
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{
    Caller, Change, Evidence, ExternalId, NewPayout, PaymentDetails, Payout, PayoutId, ProviderKey,
};
use payout_core::ports::{
    ClaimRequest, Count, Cursor, Deleted, DeletedPayout, EventPage, EventPlace, EventQuery, Insertion,
    RepositoryError, Settled,
};
use payout_core::spending::DailyTotals;

use super::feed::Log;
use super::rechecks::Providers;
use super::row::Row;

/// A range of cursors in the order of creation.
pub(super) type Places = (Bound<Cursor>, Bound<Cursor>);

/// All stored data. Each method is one transaction that checks everything before it writes.
#[derive(Default)]
pub(super) struct Store {
    /// All rows by id. Every ordered read uses an index instead.
    rows: HashMap<PayoutId, Row>,
    /// The payouts that have something left to do, longest due first.
    pub(super) due: BTreeSet<(Timestamp, PayoutId)>,
    /// The payouts that wait for their first claim in the queue of their batch, instead of in `due`.
    pub(super) queues: BTreeMap<BatchId, BTreeSet<(Timestamp, PayoutId)>>,
    /// The number of sweeps that claimed from queues.
    pub(super) turn: usize,
    /// The batches, in the order in which they were stored.
    pub(super) batches: Vec<Batch>,
    /// The batches whose completion was not told.
    pub(super) open_batches: HashSet<BatchId>,
    /// The payouts that are not deleted, oldest first.
    visible: BTreeSet<Cursor>,
    /// The deleted payouts, oldest first.
    deleted: BTreeSet<Cursor>,
    answers: HashMap<ScopedKey, (Timestamp, IdempotencyRecord)>,
    /// The keys of `answers`, oldest first.
    answered: BTreeSet<(Timestamp, ScopedKey)>,
    pub(super) totals: DailyTotals,
    /// The payouts that are not deleted, by their external ids.
    external_ids: HashMap<ExternalId, PayoutId>,
    /// The provider keys in use, deleted payouts included.
    provider_keys: HashSet<ProviderKey>,
    pub(super) providers: Providers,
    /// The events of all payouts.
    pub(super) log: Log,
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RepositoryError {
    RepositoryError::Refused(why.into())
}

impl Store {
    pub(super) fn insert(
        &mut self,
        batch: &[NewPayout],
        now: Timestamp,
    ) -> Result<Vec<Insertion>, RepositoryError> {
        let mut ids = HashSet::new();
        let is_answered = |new: &NewPayout| {
            new.request
                .as_ref()
                .is_some_and(|request| self.is_answered(&request.key))
        };
        for new in batch.iter().filter(|new| !is_answered(new)) {
            if self.rows.contains_key(&new.id) || !ids.insert(new.id) {
                return Err(refused(format!("payout {} is stored already", new.id)));
            }
        }
        Ok(batch.iter().map(|new| self.insert_one(new, now)).collect())
    }

    fn insert_one(&mut self, new: &NewPayout, now: Timestamp) -> Insertion {
        let held = self
            .duplicate_of(new, now)
            .map(|other| new.clone().held_as_duplicate_of(other));
        let new = held.as_ref().unwrap_or(new);
        let mut payout = new.stored_at(now);
        if let Some(request) = &new.request
            && self.is_answered(&request.key)
        {
            return Insertion::KeyTaken;
        }
        if let Some(holder) = self.holder_of(payout.details().external_id.as_ref()) {
            return Insertion::ExternalIdTaken(holder);
        }
        if let Some(charge) = &new.charge
            && let Err(over) = self.totals.take(charge, now.date_naive())
        {
            return Insertion::OverLimit(over);
        }
        if payout
            .parts()
            .provider_key
            .is_some_and(|key| !self.provider_keys.insert(key))
        {
            payout = payout.under_its_id();
        }
        if let Some(request) = &new.request {
            self.answer(request, &payout, now);
        }
        self.rows.insert(new.id, Row::stored(new, payout.clone(), now));
        self.index(&payout, false);
        self.publish(new.id);
        Insertion::Stored(payout)
    }

    /// Returns the latest payout that a new one likely duplicates, if it is to be looked for.
    pub(super) fn duplicate_of(&self, new: &NewPayout, now: Timestamp) -> Option<PayoutId> {
        self.likely_duplicate(new.id, &new.details, new.duplicates_within()?, now)
    }

    fn likely_duplicate(
        &self,
        id: PayoutId,
        details: &PaymentDetails,
        within: Duration,
        now: Timestamp,
    ) -> Option<PayoutId> {
        let within = TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX);
        let since = now.checked_sub_signed(within).unwrap_or(Timestamp::MIN_UTC);
        let latest = self.visible(..).rev();
        let recent = latest.take_while(|row| row.payout.parts().created_at > since);
        let mut alike = recent.filter(|row| {
            let other = &row.payout;
            other.id() != id
                && other.status().may_be_paid()
                && details.is_likely_duplicate_of(other.details())
        });
        alike.next().map(|row| row.payout.id())
    }

    /// Returns the change as it is to be written: held, if it looks for a likely duplicate and there is one.
    fn held(&self, change: &Change, now: Timestamp) -> Change {
        let other = change.duplicates_within.and_then(|within| {
            let after = &change.after;
            self.likely_duplicate(after.id(), after.details(), within, now)
        });
        match other {
            Some(other) => change.clone().held_as_duplicate_of(other),
            None => change.clone(),
        }
    }

    /// Adds a row under a free id; returns false when the id is taken.
    pub(super) fn add(&mut self, id: PayoutId, make: impl FnOnce() -> Row) -> bool {
        if self.rows.contains_key(&id) {
            return false;
        }
        let row = make();
        let payout = row.payout.clone();
        self.rows.insert(id, row);
        self.index(&payout, false);
        self.publish(id);
        true
    }

    pub(super) fn apply(
        &mut self,
        change: &Change,
        request: Option<&IdempotentRequest>,
        now: Timestamp,
    ) -> Result<Payout, RepositoryError> {
        if request.is_some_and(|request| self.is_answered(&request.key)) {
            return Err(RepositoryError::KeyTaken);
        }
        let change = &self.held(change, now);
        let id = change.after.id();
        let at_version =
            |row: &&mut Row| row.deleted_at.is_none() && row.payout.version() == change.expected_version;
        let holder = self.holder_of(change.after.details().external_id.as_ref());
        let Some(row) = self.rows.get_mut(&id).filter(at_version) else {
            return Err(RepositoryError::VersionConflict);
        };
        if let Some(holder) = holder.filter(|holder| *holder != id) {
            return Err(RepositoryError::ExternalIdTaken(holder));
        }
        if let Some(charge) = &change.charge {
            self.totals
                .take(charge, now.date_naive())
                .map_err(RepositoryError::OverLimit)?;
        }
        let before = row.payout.clone();
        row.change(change, now);
        let after = row.payout.clone();
        self.unindex(&before);
        self.index(&after, change.deleted);
        self.open_batch_again(&after);
        self.publish(id);
        if let Some(request) = request {
            self.answer(request, &after, now);
        }
        Ok(after)
    }

    pub(super) fn find(&self, id: PayoutId) -> Option<Payout> {
        self.row(id).map(|row| row.payout.clone())
    }

    pub(super) fn record_evidence(
        &mut self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
        now: Timestamp,
    ) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.deleted_at.is_none()) {
            row.record_evidence(evidence, caller, now);
            self.publish(id);
        }
    }

    pub(super) fn find_deleted(&self, id: PayoutId) -> Option<DeletedPayout> {
        self.rows.get(&id).and_then(Row::deleted)
    }

    /// Returns a page of a payout's events. The place of an event is its number in the trail.
    pub(super) fn events(&self, id: PayoutId, query: EventQuery) -> Option<EventPage> {
        let row = self.rows.get(&id)?;
        let is_asked_for = match row.deleted_at {
            Some(_) => query.deleted.has_deleted(),
            None => query.deleted.has_others(),
        };
        let events = is_asked_for.then_some(&row.events)?;
        let after = query.after.map_or(0, |EventPlace(place)| place);
        let from = usize::try_from(after).map_or(events.len(), |from| from.min(events.len()));
        let limit = query.limit.min(EventPage::LONGEST) as usize;
        let to = from.saturating_add(limit).min(events.len());
        let counted = events.len() as u64;
        Some(EventPage {
            events: events[from..to].to_vec(),
            next: (to < events.len()).then_some(EventPlace(to as u64)),
            count: Count {
                count: counted.min(EventPage::COUNTED_EXACTLY),
                exact: counted <= EventPage::COUNTED_EXACTLY,
            },
        })
    }

    pub(super) fn find_answer(&self, key: &ScopedKey) -> Option<IdempotencyRecord> {
        let own = self.answers.get(key);
        let found = own.or_else(|| self.answers.get(&key.without_owner()?));
        found.map(|(_, answer)| answer.clone())
    }

    /// Returns whether a record exists for the key: its own, or one without an API key as its owner.
    fn is_answered(&self, key: &ScopedKey) -> bool {
        let has_record = |key: &ScopedKey| self.answers.contains_key(key);
        has_record(key) || key.without_owner().is_some_and(|open| has_record(&open))
    }

    /// Returns the rows that are not deleted and whose cursors lie within the range, oldest first.
    pub(super) fn visible(&self, places: impl RangeBounds<Cursor>) -> impl DoubleEndedIterator<Item = &Row> {
        self.visible
            .range(places)
            .filter_map(|cursor| self.rows.get(&cursor.id))
    }

    /// Returns the rows that a list may show and whose cursors lie within the range, oldest first.
    pub(super) fn among(
        &self,
        deleted: Deleted,
        places: Places,
    ) -> Box<dyn DoubleEndedIterator<Item = &Row> + '_> {
        let hidden = self.deleted.range(places);
        match deleted {
            Deleted::Without => Box::new(self.visible(places)),
            Deleted::Only => Box::new(hidden.filter_map(|cursor| self.rows.get(&cursor.id))),
            Deleted::With => {
                let mut both: Vec<&Cursor> = self.visible.range(places).chain(hidden).collect();
                both.sort_unstable();
                Box::new(both.into_iter().filter_map(|cursor| self.rows.get(&cursor.id)))
            }
        }
    }

    /// Returns the earliest due time; it may lie in the future.
    pub(super) fn longest_due(&self) -> Option<Timestamp> {
        let queues = self.queues.values().chain([&self.due]);
        queues.filter_map(|queue| Some(queue.first()?.0)).min()
    }

    pub(super) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Vec<Claim>, RepositoryError> {
        let limit = request.limit as usize;
        let candidates: Vec<PayoutId> = match &request.only {
            // A hint does not overtake the queue of a batch.
            Some(ids) => ids.iter().copied().filter(|id| !self.is_queued(*id)).collect(),
            None => self.swept(request, now),
        };
        let mut claims = Vec::new();
        for id in candidates {
            if claims.len() == limit {
                break;
            }
            if !self.is_asked_for(id, request) {
                continue;
            }
            let Some(row) = self.rows.get_mut(&id) else {
                continue;
            };
            let before = row.payout.clone();
            let Ok(claim) = before.clone().claim(now, request.lease, request.calls_end_after) else {
                continue;
            };
            row.claim(&claim, &request.worker, now);
            self.unindex(&before);
            self.index(claim.payout(), false);
            self.publish(id);
            claims.push(claim);
        }
        Ok(claims)
    }

    pub(super) fn settle(
        &mut self,
        batch: &[Settlement],
        now: Timestamp,
    ) -> Result<Vec<Settled>, RepositoryError> {
        if let Some(unknown) = batch
            .iter()
            .find(|settlement| !self.rows.contains_key(&settlement.id))
        {
            return Err(refused(format!("payout {} was never stored", unknown.id)));
        }
        batch
            .iter()
            .map(|settlement| self.settle_one(settlement, now))
            .collect()
    }

    fn settle_one(&mut self, settlement: &Settlement, now: Timestamp) -> Result<Settled, RepositoryError> {
        let Some(row) = self.rows.get_mut(&settlement.id) else {
            return Err(refused(format!("payout {} was never stored", settlement.id)));
        };
        let before = row.payout.clone();
        match before.clone().settle(settlement, now) {
            SettlementOutcome::Repeated => Ok(Settled::Applied),
            SettlementOutcome::Late => {
                row.record_late(settlement, now);
                let stands = row.stands();
                self.publish(settlement.id);
                Ok(stands)
            }
            SettlementOutcome::Written(after) => {
                row.settle(after.clone(), settlement, now);
                self.unindex(&before);
                self.index(&after, false);
                self.publish(settlement.id);
                Ok(Settled::Applied)
            }
        }
    }

    pub(super) fn forget_answers(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut forgotten = 0;
        while forgotten < u64::from(limit)
            && let Some((_, key)) = self.answered.first().filter(|(at, _)| *at < before)
        {
            self.answers.remove(key);
            self.answered.pop_first();
            forgotten += 1;
        }
        forgotten
    }

    /// Returns every row, in no particular order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Returns the payouts that are due, longest due first.
    pub(super) fn due_at(&self, now: Timestamp) -> impl Iterator<Item = &Row> {
        let is_due = move |(due_at, _): &&(Timestamp, PayoutId)| *due_at <= now;
        let queued = self
            .queues
            .values()
            .flat_map(move |queue| queue.iter().take_while(is_due));
        let due = self.due.iter().take_while(is_due).chain(queued);
        due.filter_map(|(_, id)| self.rows.get(id))
    }

    /// Returns the payouts that are not deleted and were stored at this time, in the order of their ids.
    pub(super) fn created_at(&self, at: Timestamp) -> impl Iterator<Item = &Payout> {
        let place = |id: u128| Cursor {
            at,
            id: PayoutId::from(uuid::Uuid::from_u128(id)),
        };
        self.visible(place(0)..=place(u128::MAX)).map(|row| &row.payout)
    }

    /// Returns the payouts whose times were written by a clock that was ahead, with these times corrected.
    pub(super) fn ahead(&self, now: Timestamp) -> impl Iterator<Item = Payout> {
        let waiting = self.due.iter().rev().take_while(move |(due_at, _)| *due_at > now);
        waiting.filter_map(move |(_, id)| self.rows.get(id)?.payout.brought_back(now))
    }

    /// Corrects up to `limit` payouts whose times were written by a clock that was ahead; returns their number.
    pub(super) fn bring_back(&mut self, now: Timestamp, limit: usize) -> u64 {
        let ahead: Vec<Payout> = self.ahead(now).take(limit).collect();
        for payout in &ahead {
            self.rewrite(payout.id(), |row| row.payout = payout.clone());
        }
        ahead.len() as u64
    }

    /// Changes a row that is not deleted, and updates the indexes.
    pub(super) fn rewrite(&mut self, id: PayoutId, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(&id) {
            let before = row.payout.clone();
            change(row);
            let after = row.payout.clone();
            self.unindex(&before);
            self.index(&after, false);
            self.publish(id);
        }
    }

    fn is_queued(&self, id: PayoutId) -> bool {
        let row = self.rows.get(&id);
        row.is_some_and(|row| queue_of(&row.payout).is_some())
    }

    /// Returns whether a claim asks for this payout, whether it is due or not.
    pub(super) fn is_asked_for(&self, id: PayoutId, request: &ClaimRequest) -> bool {
        self.rows.get(&id).is_some_and(|row| {
            let parts = row.payout.parts();
            parts.provider == request.provider && !(request.unsent_only && parts.first_submitted_at.is_some())
        })
    }

    /// Returns the payout that is not deleted and has this external id.
    pub(super) fn holder_of(&self, external_id: Option<&ExternalId>) -> Option<PayoutId> {
        self.external_ids.get(external_id?).copied()
    }

    fn row(&self, id: PayoutId) -> Option<&Row> {
        self.rows.get(&id).filter(|row| row.deleted_at.is_none())
    }

    /// Returns the row of a payout, deleted or not.
    pub(super) fn row_of(&self, id: PayoutId) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// Returns the row of a payout, deleted or not, for a change that touches no index.
    pub(super) fn row_mut(&mut self, id: PayoutId) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    /// Writes an idempotency record under a key that is free.
    fn answer(&mut self, request: &IdempotentRequest, payout: &Payout, now: Timestamp) {
        let answer = IdempotencyRecord {
            fingerprint: request.fingerprint,
            payout: payout.clone(),
        };
        self.answers.insert(request.key.clone(), (now, answer));
        self.answered.insert((now, request.key.clone()));
    }

    fn index(&mut self, payout: &Payout, deleted: bool) {
        let parts = payout.parts();
        let due = parts.due_at.map(|due_at| (due_at, parts.id));
        match queue_of(payout) {
            Some(batch) => self.queues.entry(batch).or_default().extend(due),
            None => self.due.extend(due),
        }
        let places = if deleted {
            &mut self.deleted
        } else {
            self.external_ids
                .extend(parts.details.external_id.clone().map(|id| (id, parts.id)));
            &mut self.visible
        };
        places.insert(Cursor {
            at: parts.created_at,
            id: parts.id,
        });
    }

    fn unindex(&mut self, payout: &Payout) {
        let parts = payout.parts();
        if let Some(due_at) = parts.due_at {
            self.due.remove(&(due_at, parts.id));
            if let Some(batch) = queue_of(payout)
                && let Some(queue) = self.queues.get_mut(&batch)
            {
                queue.remove(&(due_at, parts.id));
                if queue.is_empty() {
                    self.queues.remove(&batch);
                }
            }
        }
        self.visible.remove(&Cursor {
            at: parts.created_at,
            id: parts.id,
        });
        if let Some(external_id) = &parts.details.external_id {
            self.external_ids.remove(external_id);
        }
    }
}

/// Returns the batch in whose queue a payout waits: until it was claimed for the first time.
fn queue_of(payout: &Payout) -> Option<BatchId> {
    let parts = payout.parts();
    parts.batch.filter(|_| parts.fence == 0)
}
