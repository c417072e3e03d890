//! The cases for a `Processor` that pays every instruction.

pub mod answers;
