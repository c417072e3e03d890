//! Capabilities of a provider: the facts about it that the worker and the routes depend on.

use std::time::Duration;

use crate::money::Currency;
use crate::payout::{PaymentDetails, RecipientType};

/// The facts that a provider's adapter states about the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The kind of the provider: `adyen`, `simulated` …
    pub kind: &'static str,
    /// The duration for which the provider remembers an idempotency key. Absent: the worker's
    /// [`Policy::key_window`](crate::attempt::Policy::key_window) applies.
    pub key_window: Option<Duration>,
    /// True if a key whose look-up [cannot tell](crate::provider::LookUpAnswer::CannotTell) may be submitted again
    /// within the key window, because the provider's idempotency guarantees at most one payment.
    pub repeat_is_safe: bool,
    /// The currencies that the provider can pay. Absent: all.
    pub currencies: Option<Vec<Currency>>,
    /// The types of recipients that the provider can pay. Absent: all.
    pub recipients: Option<Vec<RecipientType>>,
    /// The time after *paid* within which a payment may be returned.
    pub returns: ReturnWindow,
    /// The longest time that a payment which the provider accepted may take to settle. Absent: the key window.
    pub settles_within: Option<Duration>,
    /// The shortest time between two look-ups of one payment that the provider has accepted or paid.
    pub poll_interval: Duration,
    /// The maximum number of calls per second. Absent: no limit.
    pub calls_per_second: Option<u32>,
    /// The maximum number of calls at the same time. Absent: the worker's concurrency.
    pub concurrent_calls: Option<usize>,
}

/// The time after *paid* within which a payment may be returned.
#[derive(Debug, Clone, Copy)]
pub enum ReturnWindow {
    /// The provider never returns a payment.
    Never,
    /// The provider may return a payment for this duration.
    Within(Duration),
    /// The duration depends on the payment; absent where it cannot be returned.
    Depends(fn(&PaymentDetails) -> Option<Duration>),
}

impl PartialEq for ReturnWindow {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Never, Self::Never) => true,
            (Self::Within(one), Self::Within(another)) => one == another,
            (Self::Depends(one), Self::Depends(another)) => std::ptr::fn_addr_eq(*one, *another),
            (Self::Never | Self::Within(_) | Self::Depends(_), _) => false,
        }
    }
}

impl Eq for ReturnWindow {}

impl ReturnWindow {
    /// Returns the duration for a payment; `None` if it cannot be returned.
    pub fn of(self, details: &PaymentDetails) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Within(window) => Some(window),
            Self::Depends(window) => window(details),
        }
    }
}

impl Default for Capabilities {
    /// A provider without limits that looks up every key and returns no payment.
    fn default() -> Self {
        Self {
            kind: "custom",
            key_window: None,
            repeat_is_safe: false,
            currencies: None,
            recipients: None,
            returns: ReturnWindow::Never,
            settles_within: None,
            poll_interval: Duration::ZERO,
            calls_per_second: None,
            concurrent_calls: None,
        }
    }
}

impl Capabilities {
    /// Returns the reason why the provider cannot make this payment; `None` if it can.
    pub fn refuses(&self, details: &PaymentDetails) -> Option<&'static str> {
        let currency = details.money.currency();
        let recipient = details.recipient.kind();
        if self
            .currencies
            .as_ref()
            .is_some_and(|paid| !paid.contains(&currency))
        {
            Some("currency")
        } else if self
            .recipients
            .as_ref()
            .is_some_and(|paid| !paid.contains(&recipient))
        {
            Some("recipient type")
        } else {
            None
        }
    }
}
