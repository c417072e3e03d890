//! The cases for a repository of stored recipients.

pub mod lives;
