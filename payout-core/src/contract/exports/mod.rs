//! The cases for a repository that exports its payouts.

use crate::ports::{PayoutExport, PayoutRepository};

pub mod rows;

/// A repository and its exports in one: the cases write through the one and read through the other.
pub trait Exporting: PayoutRepository + PayoutExport {}

impl<T: PayoutRepository + PayoutExport> Exporting for T {}
