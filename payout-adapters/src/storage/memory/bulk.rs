//! Bulk actions in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::bulk::{
    BulkAction, BulkActionId, BulkEnd, BulkOutcome, BulkResult, BulkState, NewBulkAction,
};
use payout_core::payout::Actor;
use payout_core::ports::{
    BulkActionRepository, BulkLease, BulkOutcomeQuery, BulkPage, Clock, HeldBulkAction, RepositoryError,
};

/// Bulk actions in this process's memory, kept until the process ends.
pub struct MemoryBulkActions {
    clock: Arc<dyn Clock>,
    actions: Mutex<BTreeMap<BulkActionId, Stored>>,
}

/// An action with its outcomes and its lease.
struct Stored {
    action: BulkAction,
    outcomes: Vec<BulkOutcome>,
    fence: u64,
    leased_until: Option<Timestamp>,
    /// The number of the lease among all leases.
    turn: u64,
}

impl Stored {
    fn is_free(&self, now: Timestamp) -> bool {
        let is_open = self.action.state.is_running() || self.action.unsettled() > 0;
        is_open && self.leased_until.is_none_or(|until| until < now)
    }

    fn end(&mut self, end: &BulkEnd, now: Timestamp) {
        if self.action.state.is_running() {
            self.action.state = match end {
                BulkEnd::Finished => BulkState::Finished { at: now },
                BulkEnd::Stopped(why) => BulkState::Stopped {
                    why: why.clone(),
                    at: now,
                },
            };
        }
    }
}

impl MemoryBulkActions {
    /// Creates an empty set of actions that reads the time from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            actions: Mutex::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<BulkActionId, Stored>, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut actions = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut actions, now)
    }

    /// Works on an action that is held under this lease; returns `None` if the lease is lost.
    fn with_held<T>(&self, lease: BulkLease, work: impl FnOnce(&mut Stored, Timestamp) -> T) -> Option<T> {
        self.with(|actions, now| {
            let held = actions.get_mut(&lease.id);
            held.filter(|held| held.fence == lease.fence)
                .map(|held| work(held, now))
        })
    }
}

#[async_trait]
impl BulkActionRepository for MemoryBulkActions {
    async fn start_bulk(&self, new: &NewBulkAction) -> Result<BulkAction, RepositoryError> {
        Ok(self.with(|actions, now| {
            let stored = actions.entry(new.id).or_insert_with(|| Stored {
                action: new.stored_at(now),
                outcomes: Vec::new(),
                fence: 0,
                leased_until: None,
                turn: 0,
            });
            stored.action.clone()
        }))
    }

    async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, RepositoryError> {
        Ok(self.with(|actions, _| actions.get(&id).map(|stored| stored.action.clone())))
    }

    async fn bulk_actions(
        &self,
        before: Option<BulkActionId>,
        limit: u32,
    ) -> Result<Vec<BulkAction>, RepositoryError> {
        Ok(self.with(|actions, _| {
            let older = actions
                .values()
                .rev()
                .filter(|stored| before.is_none_or(|before| stored.action.id < before));
            older
                .take(limit as usize)
                .map(|stored| stored.action.clone())
                .collect()
        }))
    }

    async fn bulk_outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, RepositoryError> {
        Ok(self.with(|actions, _| {
            let outcomes = actions.get(&id).into_iter().flat_map(|stored| &stored.outcomes);
            let asked_for = outcomes.filter(|outcome| {
                let is_refused = matches!(outcome.result, BulkResult::Refused(_));
                outcome.number > query.after && (is_refused || !query.refused_only)
            });
            asked_for.take(query.limit as usize).cloned().collect()
        }))
    }

    async fn stop_bulk(&self, id: BulkActionId, why: &str) -> Result<Option<BulkAction>, RepositoryError> {
        Ok(self.with(|actions, now| {
            let stored = actions.get_mut(&id)?;
            stored.end(&BulkEnd::Stopped(why.to_owned()), now);
            Some(stored.action.clone())
        }))
    }

    async fn lease_bulk(
        &self,
        _worker: &Actor,
        lease: Duration,
    ) -> Result<Option<HeldBulkAction>, RepositoryError> {
        Ok(self.with(|actions, now| {
            let turn = actions.values().map(|stored| stored.turn).max()? + 1;
            let free = actions.values_mut().filter(|stored| stored.is_free(now));
            let next = free.min_by_key(|stored| stored.turn)?;
            next.fence += 1;
            next.turn = turn;
            next.leased_until = Some(now + lease);
            let unsettled = next.outcomes.iter();
            Some(HeldBulkAction {
                lease: BulkLease {
                    id: next.action.id,
                    fence: next.fence,
                },
                action: next.action.clone(),
                unsettled: unsettled
                    .filter(|outcome| outcome.result == BulkResult::Planned)
                    .cloned()
                    .collect(),
            })
        }))
    }

    async fn plan_bulk(
        &self,
        lease: BulkLease,
        page: &BulkPage,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError> {
        let planned = self.with_held(lease, |held, _| {
            if !held.action.state.is_running() || held.action.unsettled() > 0 {
                return None;
            }
            let numbered = page.payouts.iter().zip(held.action.planned + 1..);
            let outcomes: Vec<BulkOutcome> = numbered
                .map(|(planned, number)| BulkOutcome {
                    number,
                    planned: *planned,
                    result: BulkResult::Planned,
                })
                .collect();
            held.action.planned += outcomes.len() as u64;
            held.action.place = Some(page.place);
            held.outcomes.extend(outcomes.iter().cloned());
            Some(outcomes)
        });
        Ok(planned.flatten())
    }

    async fn settle_bulk(
        &self,
        lease: BulkLease,
        results: &[(u64, BulkResult)],
    ) -> Result<Option<BulkAction>, RepositoryError> {
        Ok(self.with_held(lease, |held, _| {
            for (number, result) in results {
                let planned = held.outcomes.iter_mut().find(|outcome| outcome.number == *number);
                let Some(planned) = planned.filter(|outcome| outcome.result == BulkResult::Planned) else {
                    continue;
                };
                match result {
                    BulkResult::Planned => (),
                    BulkResult::Changed => held.action.changed += 1,
                    BulkResult::Refused(_) => held.action.refused += 1,
                }
                planned.result = result.clone();
            }
            held.leased_until = None;
            held.action.clone()
        }))
    }

    async fn end_bulk(&self, lease: BulkLease, end: &BulkEnd) -> Result<bool, RepositoryError> {
        let ended = self.with_held(lease, |held, now| {
            held.end(end, now);
            held.leased_until = None;
        });
        Ok(ended.is_some())
    }

    async fn release_bulk(&self, lease: BulkLease) -> Result<(), RepositoryError> {
        self.with_held(lease, |held, _| held.leased_until = None);
        Ok(())
    }
}
