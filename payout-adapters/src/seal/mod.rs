//! Who is paid, encrypted before it is stored.
//!
//! - [`Keyring`] (`keyring`) holds the keys: the first seals, every one opens. An empty one leaves everything as it is.
//! - `key` is one key: what is derived from it, and the two things that it does. It **seals** a text into bytes that only
//!   the place which they were sealed for opens again, and it **digests** a text, so that an equal one can be found.
//! - `sealed` has the form of the bytes, and `Place`: which payout and which column a text belongs to.
//! - `mac` binds what is paid to its row, so that a row that somebody altered is refused and not paid.
//! - [`KeyCheck`] (`check`) tells whether the keys are those that a database is sealed with, and [`Stretch`] what became of
//!   a stretch of rows that was sealed anew.
//!
//! The cipher is XChaCha20-Poly1305, whose nonces are long enough to be drawn at random for any number of texts; the
//! digest is HMAC-SHA256. A key of each, and one for the codes of `mac`, is derived from the configured one (HKDF-SHA256),
//! so that none says anything of the others.

mod check;
mod key;
mod keyring;
mod mac;
mod sealed;

pub use crate::sql::reseal::Stretch;
pub use check::KeyCheck;
pub(crate) use check::{KnownKey, Proof};
pub use keyring::{InvalidKeys, Keyring};
pub(crate) use mac::Paid;
pub use sealed::OpenError;
pub(crate) use sealed::Place;

#[cfg(test)]
mod tests;
