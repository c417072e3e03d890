//! The cases for a repository that imports payouts of another service.

use crate::ports::{PayoutImport, PayoutRepository};

pub mod takeovers;

/// A repository and its import in one: the cases write through the one and read through the other.
pub trait Importing: PayoutRepository + PayoutImport {}

impl<T: PayoutRepository + PayoutImport> Importing for T {}
