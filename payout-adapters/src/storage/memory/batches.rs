//! Batches: stored whole or not at all, and their queues, which claims take from in turn.

use std::collections::{BTreeMap, HashMap};

use payout_core::Timestamp;
use payout_core::approval::ApproverError;
use payout_core::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Caller, Change, ExternalId, IllegalStep, NewPayout, Payout, PayoutId, Status};
use payout_core::ports::{
    BatchInsertion, ClaimRequest, Insertion, ListedMember, MemberRetry, MembersQuery, RepositoryError,
};
use payout_core::spending::{DailyTotals, SpendingBucket};

use super::store::Store;

impl Store {
    /// Stores a batch and its payouts, unless one of them cannot be stored.
    pub(super) fn store_batch(
        &mut self,
        batch: &NewBatch,
        payouts: &[NewPayout],
        now: Timestamp,
    ) -> Result<BatchInsertion, RepositoryError> {
        if usize::try_from(batch.payouts) != Ok(payouts.len()) {
            return Err(RepositoryError::refused("the rows of the batch ended early"));
        }
        if let Some(known) = self.same_batch(batch.external_id.as_ref(), &batch.content) {
            return Ok(BatchInsertion::Known(known));
        }
        let ids: Vec<ExternalId> = payouts
            .iter()
            .filter_map(|new| new.details.external_id.clone())
            .collect();
        if !self.taken_external_ids(&ids).is_empty() {
            return Ok(BatchInsertion::ExternalIdTaken);
        }
        let before = self.totals.clone();
        let mut charges = payouts.iter().filter_map(|new| new.charge.as_ref());
        let charged = charges.try_for_each(|charge| self.totals.take(charge, now.date_naive()));
        // Each insert charges its own payout.
        self.totals = before;
        if let Err(over) = charged {
            return Ok(BatchInsertion::OverLimit(over));
        }
        for answer in self.insert(payouts, now)? {
            match answer {
                Insertion::Stored(_) => (),
                Insertion::KeyTaken | Insertion::ExternalIdTaken(_) | Insertion::OverLimit(_) => {
                    return Err(RepositoryError::refused(
                        "two payouts of a batch exclude each other",
                    ));
                }
            }
        }
        let stored = batch.stored_at(now);
        self.batches.push(stored.clone());
        self.open_batches.insert(stored.id);
        let created = Announcement::of_batch(EventType::BatchCreated, &stored, &batch.caller);
        self.announce(created, now);
        Ok(BatchInsertion::Stored(stored))
    }

    pub(super) fn batch(&self, id: BatchId) -> Option<Batch> {
        self.batches.iter().find(|batch| batch.id == id).cloned()
    }

    pub(super) fn same_batch(
        &self,
        external_id: Option<&ExternalId>,
        content: &ContentHash,
    ) -> Option<Batch> {
        let mut batches = self.batches.iter();
        let named = batches.find(|batch| external_id.is_some() && batch.external_id.as_ref() == external_id);
        let mut batches = self.batches.iter();
        named
            .or_else(|| batches.find(|batch| batch.content == *content))
            .cloned()
    }

    pub(super) fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Vec<Batch> {
        let mut batches = self.batches.clone();
        batches.sort_by_key(|batch| std::cmp::Reverse((batch.created_at, batch.id)));
        let from = match before {
            None => 0,
            Some(id) => batches
                .iter()
                .position(|batch| batch.id == id)
                .map_or(batches.len(), |place| place + 1),
        };
        batches.into_iter().skip(from).take(limit as usize).collect()
    }

    /// Returns the payouts of a batch, in the order of their ids.
    pub(super) fn members(&self, batch: &Batch) -> impl Iterator<Item = &Payout> {
        let id = batch.id;
        let at_its_time = self.created_at(batch.created_at);
        at_its_time.filter(move |payout| payout.parts().batch == Some(id))
    }

    pub(super) fn batch_totals(&self, batch: &Batch) -> Vec<BatchTotal> {
        let mut totals: BTreeMap<(&str, &str), BatchTotal> = BTreeMap::new();
        for payout in self.members(batch) {
            let (parts, money) = (payout.parts(), payout.money());
            let key = (parts.status.as_str(), money.currency().code());
            let total = totals.entry(key).or_insert(BatchTotal {
                status: parts.status,
                currency: money.currency(),
                count: 0,
                sum: rust_decimal::Decimal::ZERO,
                in_review: 0,
                updated_at: parts.updated_at,
            });
            total.count += 1;
            total.sum += money.amount();
            total.in_review += u64::from(parts.needs_review);
            total.updated_at = total.updated_at.max(parts.updated_at);
        }
        totals.into_values().collect()
    }

    pub(super) fn batch_members(&self, batch: &Batch, query: &MembersQuery) -> Vec<ListedMember> {
        self.members(batch)
            .filter(|payout| query.after.is_none_or(|after| payout.id() > after))
            .filter(|payout| query.statuses.is_empty() || query.statuses.contains(&payout.status()))
            .filter(|payout| {
                let person = query.approvable_by.as_ref();
                person.is_none_or(|person| payout.is_approvable_by(person))
            })
            .take(query.limit as usize)
            .map(|payout| ListedMember::Payout(payout.clone()))
            .collect()
    }

    pub(super) fn taken_external_ids(&self, ids: &[ExternalId]) -> HashMap<ExternalId, PayoutId> {
        let holder = |id: &ExternalId| Some((id.clone(), self.holder_of(Some(id))?));
        ids.iter().filter_map(holder).collect()
    }

    pub(super) fn cancel_members(
        &mut self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, RepositoryError> {
        let is_open = |payout: &Payout| matches!(payout.status(), Status::AwaitingApproval | Status::Pending);
        let step = |payout: Payout| payout.cancel(caller.clone());
        let count = self.step_members(batch, limit, now, is_open, step)?;
        self.announce_members(EventType::BatchCancelled, batch, count, caller, now);
        Ok(count)
    }

    pub(super) fn batch_approvals(&self, batch: &Batch, caller: &Caller) -> BatchApprovals {
        let person = caller.person();
        let mut counts = BatchApprovals::default();
        for payout in self.members(batch) {
            let parts = payout.parts();
            let Some(approval) = parts.approval.as_ref().filter(|approval| approval.required > 0) else {
                continue;
            };
            let has_given = approval.given.iter().any(|given| given.person == person);
            if parts.status != Status::AwaitingApproval {
                counts.settled_with += u64::from(has_given);
                counts.settled_without += u64::from(!has_given);
                counts.cancelled += u64::from(parts.status == Status::Cancelled);
                continue;
            }
            counts.awaiting += 1;
            match approval.admits(&person, &caller.actor, parts.created_by.as_ref()) {
                Err(ApproverError::Creator | ApproverError::Editor) => counts.own += 1,
                Err(ApproverError::Twice) => counts.given += 1,
                Ok(()) | Err(ApproverError::Anyone) => (),
            }
        }
        counts
    }

    /// Makes approvals, except those of payouts that have changed.
    pub(super) fn approve_members(
        &mut self,
        batch: &Batch,
        approvals: &[Change],
        now: Timestamp,
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        for change in approvals {
            self.check_approver(change)?;
        }
        let mut written = Vec::with_capacity(approvals.len());
        for change in approvals {
            match self.apply(change, None, now) {
                Ok(_) => written.push(change.after.id()),
                Err(RepositoryError::VersionConflict) => (),
                Err(error) => return Err(error),
            }
        }
        if let Some(first) = approvals.first() {
            let count = written.len() as u64;
            self.announce_members(EventType::BatchApproved, batch, count, &first.caller, now);
        }
        Ok(written)
    }

    /// Makes retries, except those of payouts that have changed or exceed a daily limit.
    pub(super) fn retry_members(
        &mut self,
        batch: &Batch,
        retries: &[Change],
        now: Timestamp,
    ) -> Result<Vec<MemberRetry>, RepositoryError> {
        let mut results = Vec::with_capacity(retries.len());
        for change in retries {
            results.push(match self.apply(change, None, now) {
                Ok(_) => MemberRetry::Written,
                Err(RepositoryError::VersionConflict) => MemberRetry::Missed,
                Err(RepositoryError::OverLimit(over)) => MemberRetry::OverLimit(over),
                Err(error) => return Err(error),
            });
        }
        if let Some(first) = retries.first() {
            let written = results.iter().filter(|result| **result == MemberRetry::Written);
            let count = written.count() as u64;
            self.announce_members(EventType::BatchRetried, batch, count, &first.caller, now);
        }
        Ok(results)
    }

    /// Refuses what is no approval, or not one that the person may give, as the triggers of the databases do.
    fn check_approver(&self, change: &Change) -> Result<(), RepositoryError> {
        let Some(new) = &change.approval else {
            return Err(RepositoryError::refused("a change is not an approval"));
        };
        let stored = self.find(change.after.id());
        let approval = stored
            .as_ref()
            .and_then(|payout| payout.parts().approval.as_deref());
        let asked_for = approval.into_iter().flat_map(|approval| {
            let people = [&approval.creator, &approval.editor];
            people.into_iter().flatten()
        });
        if asked_for.into_iter().any(|person| *person == new.person) {
            return Err(RepositoryError::refused(
                "a payout is approved by others than those who created and edited it",
            ));
        }
        Ok(())
    }

    pub(super) fn reject_members(
        &mut self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, RepositoryError> {
        let awaits = |payout: &Payout| payout.status() == Status::AwaitingApproval;
        let step = |payout: Payout| payout.reject(caller.clone());
        let count = self.step_members(batch, limit, now, awaits, step)?;
        self.announce_members(EventType::BatchRejected, batch, count, caller, now);
        Ok(count)
    }

    /// Takes a step with those payouts of a batch that can take it, at most `limit` of them. Returns their number.
    fn step_members(
        &mut self,
        batch: &Batch,
        limit: u32,
        now: Timestamp,
        can: impl Fn(&Payout) -> bool,
        step: impl Fn(Payout) -> Result<Change, IllegalStep>,
    ) -> Result<u64, RepositoryError> {
        let members = self.members(batch).filter(|payout| can(payout));
        let members: Vec<Payout> = members.take(limit as usize).cloned().collect();
        let count = members.len() as u64;
        for payout in members {
            let change = step(payout).map_err(RepositoryError::refused)?;
            self.apply(&change, None, now)?;
        }
        Ok(count)
    }

    /// Announces a step with payouts of a batch, if any took it.
    fn announce_members(
        &mut self,
        event_type: EventType,
        batch: &Batch,
        count: u64,
        caller: &Caller,
        now: Timestamp,
    ) {
        if count > 0 {
            self.announce(Announcement::of_members(event_type, batch, count, caller), now);
        }
    }

    pub(super) fn likely_duplicates(
        &self,
        payouts: &[NewPayout],
        now: Timestamp,
    ) -> HashMap<PayoutId, PayoutId> {
        let found = payouts
            .iter()
            .map(|new| Some((new.id, self.duplicate_of(new, now)?)));
        found.flatten().collect()
    }

    pub(super) fn daily_totals(&self, buckets: &[SpendingBucket], now: Timestamp) -> DailyTotals {
        let totals = buckets
            .iter()
            .map(|bucket| Some((*bucket, self.totals.of(*bucket)?)));
        let totals: DailyTotals = totals.flatten().collect();
        totals.as_of(now.date_naive())
    }

    /// Chooses the payouts of a sweep: a share of everything else, then one payout of each batch in turn, and at last
    /// more of everything else.
    pub(super) fn swept(&mut self, request: &ClaimRequest, now: Timestamp) -> Vec<PayoutId> {
        let limit = request.limit as usize;
        let due = |queue: &std::collections::BTreeSet<(Timestamp, PayoutId)>| -> Vec<PayoutId> {
            queue
                .iter()
                .take_while(|(due_at, _)| *due_at <= now)
                .map(|(_, id)| *id)
                .filter(|id| self.is_asked_for(*id, request))
                .take(limit)
                .collect()
        };
        let mut chosen = due(&self.due);
        let mut queues: Vec<Vec<PayoutId>> = self.queues.values().map(&due).collect();
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            return chosen;
        }
        let groups = queues.len() + 1;
        let share = limit / groups + usize::from(self.turn % groups < limit % groups);
        let first = self.turn % queues.len();
        queues.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let more = chosen.split_off(chosen.len().min(share));
        for place in 0..limit {
            let left = limit - chosen.len();
            let in_turn = queues.iter().filter_map(|queue| queue.get(place));
            chosen.extend(in_turn.take(left));
        }
        chosen.extend(more.into_iter().take(limit - chosen.len()));
        chosen
    }
}
