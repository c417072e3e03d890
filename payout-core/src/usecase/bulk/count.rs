//! The count and the sums of the payouts that a filter matches, before an action is confirmed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{BulkActions, BulkError, selection};
use crate::Timestamp;
use crate::access::Principal;
use crate::bulk::{BulkActionId, BulkFilter};
use crate::money::{Currency, Money};
use crate::ports::{ExportQuery, Listed, Order};

/// The payouts of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkSum {
    /// The currency.
    pub currency: Currency,
    /// The number of payouts.
    pub payouts: u64,
    /// The sum of their amounts.
    pub sum: Decimal,
}

/// The payouts that a filter matches at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkCount {
    /// The id for the action that is made from this count.
    pub id: BulkActionId,
    /// The moment, by the store's clock.
    pub counted_at: Timestamp,
    /// The number of payouts, including those that cannot be read.
    pub payouts: u64,
    /// The sums by currency, in the order of their codes.
    pub sums: Vec<BulkSum>,
    /// The number of payouts whose rows cannot be read.
    pub unreadable: u64,
}

impl BulkActions {
    /// Counts and sums up the payouts that a filter matches for this person.
    ///
    /// # Errors
    /// [`BulkError::Selection`], [`BulkError::TooMany`], [`BulkError::Service`].
    pub async fn count(&self, filter: &BulkFilter, principal: &Principal) -> Result<BulkCount, BulkError> {
        let counted_at = self.payouts.store_now().await?;
        let tally = self.tally(filter, principal, counted_at).await?;
        Ok(BulkCount {
            id: BulkActionId::generate(counted_at, self.payouts.randomness()),
            counted_at,
            payouts: tally.payouts,
            sums: tally.sums.into_values().collect(),
            unreadable: tally.unreadable,
        })
    }

    /// Counts what a person's action, counted at this time, selects now.
    pub(super) async fn tally(
        &self,
        filter: &BulkFilter,
        principal: &Principal,
        counted_at: Timestamp,
    ) -> Result<Tally, BulkError> {
        let selection = selection::read(self.read_filter, filter)?;
        let query = ExportQuery {
            filter: selection.of(principal, counted_at),
            order: Order::OldestFirst,
        };
        let mut rows = self.payouts.export(&query).await?;
        let mut tally = Tally::default();
        while let Some(rows) = rows.next().await? {
            rows.iter().for_each(|row| tally.add(row));
            if tally.payouts > Self::MOST {
                return Err(BulkError::TooMany);
            }
        }
        Ok(tally)
    }
}

/// The result of a count.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) payouts: u64,
    unreadable: u64,
    sums: BTreeMap<&'static str, BulkSum>,
}

impl Tally {
    fn add(&mut self, row: &Listed) {
        self.payouts += 1;
        match row {
            Listed::Payout(payout) => self.add_money(payout.money()),
            Listed::Deleted(deleted) => self.add_money(deleted.payout.money()),
            Listed::Unreadable(_) => self.unreadable += 1,
        }
    }

    fn add_money(&mut self, money: Money) {
        let sum = self.sums.entry(money.currency().code()).or_insert(BulkSum {
            currency: money.currency(),
            payouts: 0,
            sum: Decimal::ZERO,
        });
        sum.payouts += 1;
        sum.sum = sum.sum.saturating_add(money.amount());
    }
}
