//! How much money may be paid out: in one payout, and in one day by one API key.
//!
//! - [`MoneyLimits`] is what an operator sets, by currency. It judges a payout alone, and says what the day's limit is
//!   charged with.
//! - A [`Charge`] goes with the write that it is for. The repository holds it against the [`DailyTotals`] that it keeps, in
//!   the write's own transaction, so that no two writes spend the same money.

mod charge;
mod settings;

pub use charge::{Charge, DailyTotal, DailyTotals, Day, OverLimit, Purse};
pub use settings::{InvalidLimits, MoneyLimits};
