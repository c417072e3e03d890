//! The cases for the [`Books`] of a repository.

use crate::ports::{Books, PayoutRepository};

pub mod presumptions;
pub mod records;

/// A repository and its reconciliation reads in one: the cases write through the one and read through the other.
pub trait Bookkept: PayoutRepository + Books {}

impl<T: PayoutRepository + Books> Bookkept for T {}
