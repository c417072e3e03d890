//! What every [`JobQueue`](crate::ports::JobQueue) must do while nothing of it is lost.

pub mod delivery;
