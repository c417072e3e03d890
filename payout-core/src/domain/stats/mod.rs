//! Statistics of payouts: counts, sums and times to pay, by the day of their creation.

mod days;
mod summary;
mod time_to_pay;

pub use days::{Days, DaysError};
pub use summary::{CurrencySum, Group, GroupKey, Grouping, Stats, StatsRow, Summary};
pub use time_to_pay::{TimeToPay, time_class};
