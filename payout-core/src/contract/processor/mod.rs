//! What every `Processor` must do when it pays what it is asked to.

pub mod answers;
