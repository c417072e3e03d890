//! The cases for a `ConsoleSessionRepository`.

pub mod sessions;
