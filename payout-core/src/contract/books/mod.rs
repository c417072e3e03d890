//! What everybody must do who opens the [`Books`] of a repository.

use crate::ports::{Books, PayoutRepository};

pub mod presumptions;
pub mod records;

/// A repository and its books: the cases write by the one and read by the other.
pub trait Bookkept: PayoutRepository + Books {}

impl<T: PayoutRepository + Books> Bookkept for T {}
