//! The cases for a repository that counts its payouts.

use crate::ports::{PayoutImport, PayoutRepository, StatsRepository};

pub mod counts;

/// A repository and its statistics in one: the cases write through the one and read through the other.
pub trait Counting: PayoutRepository + PayoutImport + StatsRepository {}

impl<T: PayoutRepository + PayoutImport + StatsRepository> Counting for T {}
