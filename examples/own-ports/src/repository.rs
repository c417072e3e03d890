//! A repository in this process's memory: one mutex around a map. A real repository is a database, in which each method
//! is one transaction.
//!
//! The state machine belongs to the core: [`NewPayout::stored_at`], [`Change::made_at`], [`Payout::claim`] and
//! [`Payout::settle`] compute the row that a write stores. The repository adds the guard of each write, its event, and
//! the reads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::{Settlement, SettlementOutcome};
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{
    Actor, Caller, Change, Event, Evidence, ExternalId, NewPayout, PaymentDetails, Payout, PayoutId,
    ProviderKey,
};
use payout_core::ports::{
    ClaimRequest, Claims, Clock, Count, Cursor, Deleted, DeletedPayout, EventPage, EventPlace, EventQuery,
    Filter, Insertion, ListQuery, Listed, Order, PayoutRepository, PayoutStats, Position, RepositoryError,
    Search, Settled, StatusCount, System,
};
use payout_core::spending::DailyTotals;

/// Payouts in this process's memory.
#[derive(Default)]
pub struct Shelf {
    clock: System,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<PayoutId, Row>,
    answers: HashMap<ScopedKey, (Timestamp, IdempotencyRecord)>,
    totals: DailyTotals,
    /// The provider keys in use.
    provider_keys: HashSet<ProviderKey>,
    latest: Timestamp,
}

struct Row {
    payout: Payout,
    deleted_at: Option<Timestamp>,
    events: Vec<Event>,
    /// The actor of each claim, by the claim's fence.
    claimants: HashMap<u64, Actor>,
}

impl Row {
    fn deleted(&self) -> Option<DeletedPayout> {
        let deleted_at = self.deleted_at?;
        Some(DeletedPayout {
            payout: self.payout.clone(),
            deleted_at,
        })
    }

    fn place(&self, order: Order) -> Cursor {
        Cursor::of(&self.payout, order)
    }
}

impl State {
    fn visible(&self) -> Vec<&Row> {
        self.among(Deleted::Without)
    }

    /// Returns the selected rows, oldest first.
    fn among(&self, deleted: Deleted) -> Vec<&Row> {
        let is_wanted = |row: &&Row| match deleted {
            Deleted::Without => row.deleted_at.is_none(),
            Deleted::Only => row.deleted_at.is_some(),
            Deleted::With => true,
        };
        let mut rows: Vec<&Row> = self.rows.values().filter(is_wanted).collect();
        rows.sort_by_key(|row| row.place(Order::OldestFirst));
        rows
    }

    fn find(&self, id: PayoutId) -> Option<&Row> {
        self.rows.get(&id).filter(|row| row.deleted_at.is_none())
    }

    /// Returns the answer stored under this key, or under its form without an API key.
    fn found_answer(&self, key: &ScopedKey) -> Option<&IdempotencyRecord> {
        let own = self.answers.get(key);
        let found = own.or_else(|| self.answers.get(&key.without_owner()?));
        found.map(|(_, answer)| answer)
    }

    fn is_answered(&self, request: Option<&IdempotentRequest>) -> bool {
        request.is_some_and(|request| self.found_answer(&request.key).is_some())
    }

    fn answer(&mut self, request: Option<&IdempotentRequest>, payout: &Payout, now: Timestamp) {
        if let Some(request) = request {
            let answer = IdempotencyRecord {
                fingerprint: request.fingerprint,
                payout: payout.clone(),
            };
            self.answers.insert(request.key.clone(), (now, answer));
        }
    }

    /// Returns the payout that is not deleted and has this external id.
    fn holder_of(&self, external_id: Option<&ExternalId>) -> Option<PayoutId> {
        let external_id = Some(external_id?);
        let mut visible = self.rows.values().filter(|row| row.deleted_at.is_none());
        let holder = visible.find(|row| row.payout.details().external_id.as_ref() == external_id);
        holder.map(|row| row.payout.id())
    }

    fn insert_one(&mut self, new: &NewPayout, now: Timestamp) -> Insertion {
        if self.is_answered(new.request.as_ref()) {
            return Insertion::KeyTaken;
        }
        if let Some(holder) = self.holder_of(new.details.external_id.as_ref()) {
            return Insertion::ExternalIdTaken(holder);
        }
        if let Some(charge) = &new.charge
            && let Err(over) = self.totals.take(charge, now.date_naive())
        {
            return Insertion::OverLimit(over);
        }
        let held = self
            .duplicate_of(new.id, &new.details, new.duplicates_within(), now)
            .map(|other| new.clone().held_as_duplicate_of(other));
        let new = held.as_ref().unwrap_or(new);
        let mut payout = new.stored_at(now);
        // When a key's record was deleted, a repeated request is a new payment and needs another provider key.
        let key = payout.parts().provider_key;
        if key.is_some_and(|key| !self.provider_keys.insert(key)) {
            payout = payout.under_its_id();
        }
        let row = Row {
            events: vec![Event::created(new, &payout, now)],
            payout: payout.clone(),
            deleted_at: None,
            claimants: HashMap::new(),
        };
        self.rows.insert(new.id, row);
        self.answer(new.request.as_ref(), &payout, now);
        Insertion::Stored(payout)
    }

    /// Finds another payout that this one likely duplicates, if that is to be looked for.
    fn duplicate_of(
        &self,
        id: PayoutId,
        details: &PaymentDetails,
        within: Option<Duration>,
        now: Timestamp,
    ) -> Option<PayoutId> {
        let within = within?;
        let rows = self.rows.values().filter(|row| row.deleted_at.is_none());
        let alike = rows.map(|row| &row.payout).filter(|payout| {
            let age = (now - payout.parts().created_at).to_std();
            age.is_ok_and(|age| age < within)
                && payout.id() != id
                && payout.status().may_be_paid()
                && details.is_likely_duplicate_of(payout.details())
        });
        let latest = alike.max_by_key(|payout| (payout.parts().created_at, payout.id()));
        latest.map(Payout::id)
    }

    fn apply(
        &mut self,
        change: &Change,
        request: Option<&IdempotentRequest>,
        now: Timestamp,
    ) -> Result<Payout, RepositoryError> {
        if self.is_answered(request) {
            return Err(RepositoryError::KeyTaken);
        }
        let id = change.after.id();
        let held = self
            .duplicate_of(id, change.after.details(), change.duplicates_within, now)
            .map(|other| change.clone().held_as_duplicate_of(other));
        let change = held.as_ref().unwrap_or(change);
        let holder = self.holder_of(change.after.details().external_id.as_ref());
        let row = self.rows.get_mut(&id).filter(|row| row.deleted_at.is_none());
        let row = row.filter(|row| row.payout.version() == change.expected_version);
        let row = row.ok_or(RepositoryError::VersionConflict)?;
        if let Some(holder) = holder.filter(|holder| *holder != id) {
            return Err(RepositoryError::ExternalIdTaken(holder));
        }
        if let Some(charge) = &change.charge {
            self.totals
                .take(charge, now.date_naive())
                .map_err(RepositoryError::OverLimit)?;
        }
        row.payout = change.made_at(now);
        row.deleted_at = change.deleted.then_some(now);
        row.events.push(Event::changed(change, &row.payout, now));
        let payout = row.payout.clone();
        self.answer(request, &payout, now);
        Ok(payout)
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Claims {
        let mut ids: Vec<PayoutId> = match &request.only {
            Some(ids) => ids.clone(),
            None => self.rows.keys().copied().collect(),
        };
        if request.only.is_none() {
            ids.sort_by_key(|id| self.rows.get(id).and_then(|row| row.payout.parts().due_at));
        }
        let mut claims = Claims::default();
        for id in ids {
            if claims.won.len() == request.limit as usize {
                break;
            }
            let Some(row) = self.rows.get_mut(&id) else {
                continue;
            };
            // The domain refuses payouts that are not due, which is the guard of this write.
            let claim = row
                .payout
                .clone()
                .claim(now, request.lease, request.calls_end_after);
            let Ok(claim) = claim else { continue };
            row.payout = claim.payout().clone();
            row.claimants.insert(row.payout.fence(), request.worker.clone());
            row.events.push(Event::claimed(&row.payout, &request.worker, now));
            claims.won.push(claim);
        }
        claims
    }

    fn settle_one(&mut self, settlement: &Settlement, now: Timestamp) -> Result<Settled, RepositoryError> {
        let row = self.rows.get_mut(&settlement.id);
        let row = row.ok_or_else(|| RepositoryError::refused("it was never stored"))?;
        let claimant = row.claimants.get(&settlement.fence);
        match row.payout.clone().settle(settlement, now) {
            SettlementOutcome::Repeated => Ok(Settled::Applied),
            SettlementOutcome::Written(after) => {
                row.events.push(Event::settled(settlement, &after, claimant, now));
                row.payout = after;
                Ok(Settled::Applied)
            }
            // The claim no longer holds: the outcome is recorded as an event and changes nothing.
            SettlementOutcome::Late => {
                row.events
                    .push(Event::late(settlement, &row.payout, claimant, now));
                Ok(Settled::Late {
                    status: row.payout.status(),
                    generation: row.payout.generation(),
                    deleted: row.deleted_at.is_some(),
                })
            }
        }
    }

    fn payout_stats(&self, now: Timestamp) -> PayoutStats {
        let mut payout_stats = PayoutStats::default();
        for row in self.visible() {
            let parts = row.payout.parts();
            let (status, currency) = (parts.status, parts.details.money.currency());
            payout_stats.in_review += u64::from(parts.needs_review);
            let waited = parts.due_at.and_then(|due_at| (now - due_at).to_std().ok());
            payout_stats.overdue = payout_stats.overdue.max(waited.unwrap_or_default());
            let same = |tally: &&mut StatusCount| tally.status == status && tally.currency == currency;
            match payout_stats.counts.iter_mut().find(same) {
                Some(tally) => tally.count += 1,
                None => payout_stats.counts.push(StatusCount {
                    status,
                    currency,
                    count: 1,
                }),
            }
        }
        payout_stats
    }
}

fn matches(filter: &Filter, row: &Row) -> bool {
    let parts = row.payout.parts();
    let found = |search: &Search| {
        search.finds_account(parts.details.recipient.account().as_str())
            || Search::fold_name(parts.details.recipient.name().as_str()).starts_with(&search.name_prefix())
    };
    (filter.statuses.is_empty() || filter.statuses.contains(&parts.status))
        && filter
            .currency
            .is_none_or(|currency| parts.details.money.currency() == currency)
        && filter.created_after.is_none_or(|after| parts.created_at >= after)
        && filter
            .created_before
            .is_none_or(|before| parts.created_at < before)
        && filter
            .needs_review
            .is_none_or(|needs_review| parts.needs_review == needs_review)
        && filter.search.as_ref().is_none_or(found)
        && has_fields(filter, &row.payout)
}

/// Returns whether the payout's fields beside its payment match.
fn has_fields(filter: &Filter, payout: &Payout) -> bool {
    let (parts, details) = (payout.parts(), payout.details());
    let at = details.scheduled_at;
    (filter.external_id.is_none() || filter.external_id == details.external_id)
        && filter.metadata.iter().all(|entry| details.metadata.has(entry))
        && (filter.created_by.is_none() || filter.created_by == parts.created_by)
        && (filter.recipient_id.is_none() || filter.recipient_id == details.recipient_id)
        && (filter.batch.is_none() || filter.batch == parts.batch)
        && filter
            .approvable_by
            .as_ref()
            .is_none_or(|person| payout.is_approvable_by(person))
        && filter
            .scheduled_after
            .is_none_or(|after| at.is_some_and(|at| at >= after))
        && filter
            .scheduled_before
            .is_none_or(|before| at.is_some_and(|at| at < before))
}

impl Shelf {
    /// Runs one transaction at a time, with a clock that never runs backwards.
    fn transact<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.latest = state.latest.max(self.clock.now());
        let now = state.latest;
        work(&mut state, now)
    }
}

#[async_trait]
impl PayoutRepository for Shelf {
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        self.transact(|state, now| {
            let stored = |new: &&NewPayout| {
                !state.is_answered(new.request.as_ref()) && state.rows.contains_key(&new.id)
            };
            if batch.iter().any(|new| stored(&new)) {
                return Err(RepositoryError::refused("an id is stored already"));
            }
            Ok(batch.iter().map(|new| state.insert_one(new, now)).collect())
        })
    }

    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError> {
        self.transact(|state, now| state.apply(change, request, now))
    }

    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
        Ok(self.transact(|state, _| state.find(id).map(|row| row.payout.clone())))
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
        Ok(self.transact(|state, _| {
            let found = ids.iter().filter_map(|id| state.find(*id));
            found.map(|row| row.payout.clone()).collect()
        }))
    }

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
        Ok(self.transact(|state, _| {
            let visible = state.rows.values().filter(|row| row.deleted_at.is_none());
            let known = visible.filter(|row| {
                let mut requests = row.events.iter().map(|event| event.request_id.as_deref());
                row.payout.is_known_as(reference) || requests.any(|request| request == Some(reference))
            });
            known.take(limit as usize).map(|row| row.payout.id()).collect()
        }))
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        Ok(self.transact(|state, _| state.rows.get(&id).and_then(Row::deleted)))
    }

    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError> {
        self.transact(|state, now| {
            if let Some(row) = state.rows.get_mut(&id).filter(|row| row.deleted_at.is_none()) {
                row.events
                    .push(Event::evidence(evidence, &row.payout, caller, now));
            }
        });
        Ok(())
    }

    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
        Ok(self.transact(|state, _| state.found_answer(key).cloned()))
    }

    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError> {
        Ok(self.transact(|state, _| {
            // An event's number is its index.
            let row = state.rows.get(&id)?;
            let is_asked_for = match row.deleted_at {
                Some(_) => query.deleted.has_deleted(),
                None => query.deleted.has_others(),
            };
            let events = is_asked_for.then_some(&row.events)?;
            let after = query.after.map_or(0, |EventPlace(place)| place);
            let from = usize::try_from(after).map_or(events.len(), |from| from.min(events.len()));
            let to = from.saturating_add(query.limit as usize).min(events.len());
            let counted = events.len() as u64;
            Some(EventPage {
                events: events[from..to].to_vec(),
                next: (to < events.len()).then_some(EventPlace(to as u64)),
                count: Count {
                    count: counted.min(EventPage::COUNTED_EXACTLY),
                    exact: counted <= EventPage::COUNTED_EXACTLY,
                },
            })
        }))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        Ok(self.transact(|state, _| {
            let mut rows = state.among(query.filter.deleted);
            rows.retain(|row| matches(&query.filter, row));
            let order = query.order;
            if order.is_by_schedule() {
                rows.retain(|row| row.payout.details().scheduled_at.is_some());
                rows.sort_by_key(|row| row.place(order));
            }
            if order.is_descending() {
                rows.reverse();
            }
            let is_after = |row: &Row, place: Cursor| {
                row.place(order) != place && (row.place(order) > place) != order.is_descending()
            };
            let limit = query.limit as usize;
            let page = match query.position {
                Position::Offset(offset) => {
                    rows.drain(..rows.len().min(usize::try_from(offset).unwrap_or(usize::MAX)));
                    &rows[..]
                }
                Position::After(place) => {
                    rows.retain(|row| is_after(row, place));
                    &rows[..]
                }
                Position::Before(place) => {
                    rows.retain(|row| row.place(order) != place && !is_after(row, place));
                    &rows[rows.len().saturating_sub(limit)..]
                }
            };
            page.iter()
                .take(limit)
                .map(|row| match row.deleted() {
                    Some(deleted) => Listed::Deleted(deleted),
                    None => Listed::Payout(row.payout.clone()),
                })
                .collect()
        }))
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
        Ok(self.transact(|state, _| {
            let all = state
                .among(filter.deleted)
                .iter()
                .filter(|row| matches(filter, row))
                .count() as u64;
            let count = at_most.map_or(all, |at_most| all.min(at_most));
            Count {
                count,
                exact: count == all,
            }
        }))
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
        Ok(self.transact(|state, now| state.claim(request, now)))
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        self.transact(|state, now| {
            batch
                .iter()
                .map(|settlement| state.settle_one(settlement, now))
                .collect()
        })
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
        Ok(self.transact(|state, now| {
            let old =
                |(at, _): &(Timestamp, IdempotencyRecord)| (now - *at).to_std().is_ok_and(|old| old > age);
            let mut keys: Vec<(Timestamp, ScopedKey)> = state
                .answers
                .iter()
                .filter(|(_, answer)| old(answer))
                .map(|(key, (at, _))| (*at, key.clone()))
                .collect();
            keys.sort();
            keys.truncate(limit as usize);
            for (_, key) in &keys {
                state.answers.remove(key);
            }
            keys.len() as u64
        }))
    }

    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
        Ok(self.transact(|state, now| state.payout_stats(now)))
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.transact(|_, now| now))
    }
}
