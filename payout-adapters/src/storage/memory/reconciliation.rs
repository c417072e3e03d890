//! Reconciliation records and presumed claims, for payouts in memory.

use payout_core::Timestamp;
use payout_core::payout::{Actor, PayoutId, Status};
use payout_core::ports::{Cursor, ReconciliationQuery, Record};

use super::row::Row;
use super::store::Store;

impl Store {
    /// Returns one page of records, deleted payouts included.
    pub(super) fn records(&self, query: &ReconciliationQuery) -> Vec<Record> {
        let mut records: Vec<Record> = self.rows().map(record).collect();
        let place = |record: &Record| Cursor {
            at: record.created_at,
            id: record.id,
        };
        records.retain(|record| {
            query.since <= record.created_at
                && record.created_at < query.until
                && query.after.is_none_or(|after| place(record) > after)
        });
        records.sort_by_key(place);
        records.truncate(query.limit as usize);
        records
    }

    /// Presumes a claim on up to `limit` due payouts; returns their number.
    pub(super) fn presume_claimed(&mut self, limit: u32, by: &Actor, now: Timestamp) -> u64 {
        let may_be_claimed = |row: &&Row| row.payout.clone().presume_claimed(now).is_ok();
        let due = self.due_at(now).filter(may_be_claimed).take(limit as usize);
        let held = self
            .visible(..)
            .filter(|row| row.payout.status() == Status::AwaitingApproval);
        let held = held.filter(may_be_claimed).take(limit as usize);
        let ids: Vec<PayoutId> = due.chain(held).map(|row| row.payout.id()).collect();
        for id in &ids {
            self.rewrite(*id, |row| {
                if let Ok(claimed) = row.payout.clone().presume_claimed(now) {
                    row.presume_claimed(claimed, by, now);
                }
            });
        }
        ids.len() as u64
    }
}

fn record(row: &Row) -> Record {
    let parts = row.payout.parts();
    Record {
        id: parts.id,
        money: parts.details.money,
        digest: Some(parts.details.digest()),
        status: parts.status,
        needs_review: parts.needs_review,
        deleted: row.deleted_at.is_some(),
        provider_key: parts.provider_key,
        provider: parts.provider.clone(),
        generation: parts.generation,
        version: parts.version,
        provider_reference: parts.provider_reference.clone(),
        first_submitted_at: parts.first_submitted_at,
        created_at: parts.created_at,
    }
}
