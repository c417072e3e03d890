//! The cases for the [`ReconciliationReader`] of a repository.

use crate::ports::{PayoutRepository, ReconciliationReader};

pub mod presumptions;
pub mod records;

/// A repository and its reconciliation reads in one: the cases write through the one and read through the other.
pub trait Reconcilable: PayoutRepository + ReconciliationReader {}

impl<T: PayoutRepository + ReconciliationReader> Reconcilable for T {}
