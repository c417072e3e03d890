//! Spending limits: the money that may be paid out in one payout, and in one day by one API key.
//!
//! - [`MoneyLimits`] is set by the operator, by currency. It checks single payouts, and determines the charge to the
//!   daily limit.
//! - A [`Charge`] accompanies the write that it is for. The repository checks it against the stored [`DailyTotals`] in
//!   the transaction of the write, so that no two writes spend the same money.

mod charge;
mod settings;

pub use charge::{Charge, DailyTotal, DailyTotals, Day, OverLimit, SpendingBucket};
pub use settings::{InvalidLimits, MoneyLimits};
