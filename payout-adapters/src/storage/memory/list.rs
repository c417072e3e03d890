//! Lists of payouts: filters, order and counts.

use std::ops::Bound;

use payout_core::Timestamp;
use payout_core::payout::PayoutId;
use payout_core::ports::{Count, Cursor, Filter, ListQuery, Listed, PayoutStats, Position, StatusCount};
use payout_core::stats::{Days, Grouping, StatsRow};

use super::row::Row;
use super::store::{Places, Store};

impl Store {
    /// Returns one page in the list's order.
    pub(super) fn list(&self, query: &ListQuery) -> Vec<Listed> {
        let limit = query.limit as usize;
        let pick = |rows: &mut dyn Iterator<Item = &Row>, skipped: u64| -> Vec<Listed> {
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            rows.filter(|row| matches(&query.filter, row))
                .skip(skipped)
                .take(limit)
                .map(Row::listed)
                .collect()
        };
        if query.order.is_by_schedule() {
            return self.list_by_schedule(query);
        }
        let within = |places: Places| self.among(query.filter.deleted, places);
        let newest_first = query.order.is_descending();
        match query.position {
            Position::Offset(offset) if newest_first => pick(&mut within(ALL).rev(), offset),
            Position::Offset(offset) => pick(&mut within(ALL), offset),
            Position::After(cursor) if newest_first => pick(&mut within(below(cursor)).rev(), 0),
            Position::After(cursor) => pick(&mut within(above(cursor)), 0),
            // The page right before the cursor is collected backwards, then reversed into the list's order.
            Position::Before(cursor) => {
                let mut page = if newest_first {
                    pick(&mut within(above(cursor)), 0)
                } else {
                    pick(&mut within(below(cursor)).rev(), 0)
                };
                page.reverse();
                page
            }
        }
    }

    /// Returns one page of the payouts with a schedule, in the order of these.
    fn list_by_schedule(&self, query: &ListQuery) -> Vec<Listed> {
        let order = query.order;
        let rows = self.among(query.filter.deleted, ALL);
        let rows =
            rows.filter(|row| row.payout.details().scheduled_at.is_some() && matches(&query.filter, row));
        let mut rows: Vec<(Cursor, &Row)> = rows.map(|row| (Cursor::of(&row.payout, order), row)).collect();
        rows.sort_unstable_by_key(|(place, _)| *place);
        if order.is_descending() {
            rows.reverse();
        }
        let is_before = |place: Cursor, end: Cursor| place != end && (place < end) != order.is_descending();
        let limit = query.limit as usize;
        let listed = |rows: &[(Cursor, &Row)]| rows.iter().map(|(_, row)| row.listed()).collect();
        match query.position {
            Position::Offset(offset) => {
                let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(rows.len());
                listed(&rows[skipped..rows.len().min(skipped.saturating_add(limit))])
            }
            Position::After(start) => {
                rows.retain(|(place, _)| *place != start && !is_before(*place, start));
                listed(&rows[..rows.len().min(limit)])
            }
            Position::Before(end) => {
                rows.retain(|(place, _)| is_before(*place, end));
                listed(&rows[rows.len().saturating_sub(limit)..])
            }
        }
    }

    /// Counts the matching payouts, but no further than `at_most`.
    pub(super) fn count(&self, filter: &Filter, at_most: Option<u64>) -> Count {
        let mut matching = self.among(filter.deleted, ALL).filter(|row| matches(filter, row));
        let Some(at_most) = at_most else {
            return Count {
                count: matching.count() as u64,
                exact: true,
            };
        };
        let count = matching
            .by_ref()
            .take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .count() as u64;
        Count {
            count,
            exact: matching.next().is_none(),
        }
    }

    /// Finds payouts by the provider's reference or key, or by the id of a request.
    pub(super) fn find_by_reference(&self, reference: &str, limit: u32) -> Vec<PayoutId> {
        let is_known_by = |row: &&Row| {
            let mut requests = row.events.iter().map(|event| event.request_id.as_deref());
            row.payout.is_known_as(reference) || requests.any(|request| request == Some(reference))
        };
        let found = self.visible(..).filter(is_known_by).take(limit as usize);
        found.map(|row| row.payout.id()).collect()
    }

    /// Counts the payouts of these days, one by one.
    pub(super) fn stats(&self, days: Days, by: Option<Grouping>) -> Vec<StatsRow> {
        let payouts = self.visible(..).map(|row| &row.payout);
        let within = payouts.filter(|payout| days.contain(payout.parts().created_at));
        within.map(|payout| StatsRow::of(payout, by)).collect()
    }

    /// Counts the payouts that are not deleted, by status and currency.
    pub(super) fn payout_stats(&self, now: Timestamp) -> PayoutStats {
        let mut payout_stats = PayoutStats::default();
        for row in self.visible(..) {
            let parts = row.payout.parts();
            let (status, currency) = (parts.status, parts.details.money.currency());
            payout_stats.in_review += u64::from(parts.needs_review);
            let mut counts = payout_stats.counts.iter_mut();
            match counts.find(|tally| (tally.status, tally.currency) == (status, currency)) {
                Some(tally) => tally.count += 1,
                None => payout_stats.counts.push(StatusCount {
                    status,
                    currency,
                    count: 1,
                }),
            }
        }
        let longest_due = self.longest_due();
        payout_stats.overdue = longest_due
            .and_then(|due_at| (now - due_at).to_std().ok())
            .unwrap_or_default();
        payout_stats
    }
}

const ALL: Places = (Bound::Unbounded, Bound::Unbounded);

fn above(cursor: Cursor) -> Places {
    (Bound::Excluded(cursor), Bound::Unbounded)
}

fn below(cursor: Cursor) -> Places {
    (Bound::Unbounded, Bound::Excluded(cursor))
}

fn matches(filter: &Filter, row: &Row) -> bool {
    let Filter {
        statuses,
        currency,
        created_after,
        created_before,
        needs_review,
        search,
        external_id,
        metadata,
        created_by,
        batch,
        recipient_id,
        scheduled_after,
        scheduled_before,
        approvable_by,
        // Already applied: it selected the rows.
        deleted: _,
    } = filter;
    let parts = row.payout.parts();
    let scheduled_at = parts.details.scheduled_at;
    (statuses.is_empty() || statuses.contains(&parts.status))
        && currency.is_none_or(|currency| parts.details.money.currency() == currency)
        && created_after.is_none_or(|after| parts.created_at >= after)
        && created_before.is_none_or(|before| parts.created_at < before)
        && needs_review.is_none_or(|needs_review| parts.needs_review == needs_review)
        && (external_id.is_none() || *external_id == parts.details.external_id)
        && metadata.iter().all(|entry| parts.details.metadata.has(entry))
        && (created_by.is_none() || *created_by == parts.created_by)
        && (batch.is_none() || *batch == parts.batch)
        && (recipient_id.is_none() || *recipient_id == parts.details.recipient_id)
        && scheduled_after.is_none_or(|after| scheduled_at.is_some_and(|at| at >= after))
        && scheduled_before.is_none_or(|before| scheduled_at.is_some_and(|at| at < before))
        && approvable_by
            .as_ref()
            .is_none_or(|person| row.payout.is_approvable_by(person))
        && search.as_ref().is_none_or(|search| {
            search.finds_account(parts.details.recipient.account().as_str())
                || row.folded_name.starts_with(&search.name_prefix())
        })
}
