//! Payment providers.

#[cfg(feature = "http")]
pub mod http_contract;
#[cfg(feature = "simulated")]
pub mod simulated;
