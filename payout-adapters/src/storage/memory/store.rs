//! The rows, their indexes, and the transactions that keep both consistent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::{Bound, RangeBounds};

use payout_core::Timestamp;
use payout_core::attempt::{Claim, Settlement, SettlementOutcome};
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Caller, Change, NewPayout, Payout, PayoutId, ProviderKey};
use payout_core::ports::{
    ClaimRequest, Count, Cursor, Deleted, DeletedPayout, EventPage, EventPlace, EventQuery, Insertion,
    RepositoryError, Settled,
};
use payout_core::spending::DailyTotals;

use super::row::Row;

/// A range of cursors in the order of creation.
pub(super) type Places = (Bound<Cursor>, Bound<Cursor>);

/// All stored data. Each method is one transaction that checks everything before it writes.
#[derive(Default)]
pub(super) struct Store {
    /// All rows by id. Every ordered read uses an index instead.
    rows: HashMap<PayoutId, Row>,
    /// The payouts that have something left to do, longest due first.
    due: BTreeSet<(Timestamp, PayoutId)>,
    /// The payouts that are not deleted, oldest first.
    visible: BTreeSet<Cursor>,
    /// The deleted payouts, oldest first.
    deleted: BTreeSet<Cursor>,
    answers: HashMap<ScopedKey, (Timestamp, IdempotencyRecord)>,
    /// The keys of `answers`, oldest first.
    answered: BTreeSet<(Timestamp, ScopedKey)>,
    totals: DailyTotals,
    /// The provider keys in use, deleted payouts included.
    provider_keys: HashSet<ProviderKey>,
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
        let mut payout = new.stored_at(now);
        if let Some(request) = &new.request
            && self.is_answered(&request.key)
        {
            return Insertion::KeyTaken;
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
        Insertion::Stored(payout)
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
        let id = change.after.id();
        let at_version =
            |row: &&mut Row| row.deleted_at.is_none() && row.payout.version() == change.expected_version;
        let Some(row) = self.rows.get_mut(&id).filter(at_version) else {
            return Err(RepositoryError::VersionConflict);
        };
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
        if let Some(request) = request {
            self.answer(request, &after, now);
        }
        Ok(after)
    }

    pub(super) fn find(&self, id: PayoutId) -> Option<Payout> {
        self.row(id).map(|row| row.payout.clone())
    }

    pub(super) fn record_refusal(&mut self, id: PayoutId, caller: &Caller, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.deleted_at.is_none()) {
            row.record_refusal(caller, now);
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
        self.due.first().map(|(due_at, _)| *due_at)
    }

    pub(super) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Vec<Claim>, RepositoryError> {
        let limit = request.limit as usize;
        let candidates: Vec<PayoutId> = match &request.only {
            Some(ids) => ids.clone(),
            None => self
                .due
                .iter()
                .take_while(|(due_at, _)| *due_at <= now)
                .take(limit)
                .map(|(_, id)| *id)
                .collect(),
        };
        let mut claims = Vec::new();
        for id in candidates {
            if claims.len() == limit {
                break;
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
                Ok(row.stands())
            }
            SettlementOutcome::Written(after) => {
                row.settle(after.clone(), settlement, now);
                self.unindex(&before);
                self.index(&after, false);
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
        let due = self.due.iter().take_while(move |(due_at, _)| *due_at <= now);
        due.filter_map(|(_, id)| self.rows.get(id))
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
        }
    }

    fn row(&self, id: PayoutId) -> Option<&Row> {
        self.rows.get(&id).filter(|row| row.deleted_at.is_none())
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
        self.due.extend(parts.due_at.map(|due_at| (due_at, parts.id)));
        let places = if deleted {
            &mut self.deleted
        } else {
            &mut self.visible
        };
        places.insert(Cursor {
            created_at: parts.created_at,
            id: parts.id,
        });
    }

    fn unindex(&mut self, payout: &Payout) {
        let parts = payout.parts();
        if let Some(due_at) = parts.due_at {
            self.due.remove(&(due_at, parts.id));
        }
        self.visible.remove(&Cursor {
            created_at: parts.created_at,
            id: parts.id,
        });
    }
}
