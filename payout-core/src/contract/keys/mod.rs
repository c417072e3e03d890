//! What every `ApiKeyRepository` must do.

pub mod lives;
pub mod pulses;
pub mod races;
