//! Payment providers.

#[cfg(feature = "adyen")]
pub mod adyen;
#[cfg(feature = "http")]
pub mod http_contract;
#[cfg(feature = "paypal")]
pub mod paypal;
#[cfg(feature = "simulated")]
pub mod simulated;
#[cfg(feature = "stripe")]
pub mod stripe;
#[cfg(any(feature = "http", feature = "stripe"))]
pub mod timed_signature;
