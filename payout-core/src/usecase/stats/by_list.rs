//! Statistics of a store that keeps no sums: every payout is read.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{NaiveTime, TimeDelta};

use crate::ports::{ExportQuery, Filter, Listed, Order, PayoutExport, RepositoryError, StatsRepository};
use crate::stats::{Days, Grouping, StatsRow};

/// Counts the payouts of an export, for a repository that has no statistics of its own.
///
/// The cost grows with the number of payouts. A payout whose row cannot be read is not counted.
pub struct CountedList(Arc<dyn PayoutExport>);

impl CountedList {
    /// Creates statistics over these exports.
    pub fn new(exports: Arc<dyn PayoutExport>) -> Self {
        Self(exports)
    }
}

#[async_trait]
impl StatsRepository for CountedList {
    async fn stats(&self, days: Days, by: Option<Grouping>) -> Result<Vec<StatsRow>, RepositoryError> {
        let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let filter = Filter {
            created_after: Some(midnight(days.first())),
            created_before: midnight(days.last()).checked_add_signed(TimeDelta::days(1)),
            ..Filter::default()
        };
        let query = ExportQuery {
            filter,
            order: Order::OldestFirst,
        };
        let mut export = self.0.export(&query).await?;
        let mut counted = HashMap::<_, StatsRow>::new();
        while let Some(rows) = export.next().await? {
            for row in rows {
                let Listed::Payout(payout) = row else { continue };
                let row = StatsRow::of(&payout, by);
                let key = (row.group.clone(), row.currency, row.time_class);
                match counted.get_mut(&key) {
                    Some(sum) => {
                        sum.payouts += row.payouts;
                        sum.amount = sum.amount.saturating_add(row.amount);
                    }
                    None => drop(counted.insert(key, row)),
                }
            }
        }
        Ok(counted.into_values().collect())
    }

    async fn fold_stats(&self, _limit: u32) -> Result<u64, RepositoryError> {
        Ok(0)
    }
}
