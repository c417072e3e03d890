//! Facts about a provider besides its payments: the calls that it received, and the balances that it tells.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::money::Currency;
use crate::provider::ProviderName;

/// The calls of all workers to one provider within some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCalls {
    /// The provider; absent where the program names none.
    pub provider: Option<ProviderName>,
    /// The number of calls: submissions and look-ups.
    pub calls: u64,
    /// The number of those without a reliable answer: not sent, refused, or with an unknown outcome. A decline is an
    /// answer.
    pub errors: u64,
}

impl ProviderCalls {
    /// The time for which a store keeps the counts of a minute.
    pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
}

/// The money with which a provider can pay in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The currency.
    pub currency: Currency,
    /// The available amount, in the currency's main unit. It may be negative.
    pub available: Decimal,
}
