//! What everybody must do who takes payouts of another service over.

use crate::ports::{PayoutImport, PayoutRepository};

pub mod takeovers;

/// A repository that imports: the cases write by the one and read by the other.
pub trait Importing: PayoutRepository + PayoutImport {}

impl<T: PayoutRepository + PayoutImport> Importing for T {}
