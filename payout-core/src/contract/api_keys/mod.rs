//! The cases for an `ApiKeyRepository`.

pub mod lives;
pub mod pulses;
pub mod races;
