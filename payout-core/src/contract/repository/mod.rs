//! What every [`PayoutRepository`](crate::ports::PayoutRepository) must do.

pub mod insert;
