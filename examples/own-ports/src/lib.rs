//! The three ports, each in the smallest implementation that passes its contract suite.

mod processor;
mod queue;
mod repository;

pub use processor::Bank;
pub use queue::Line;
pub use repository::Shelf;
