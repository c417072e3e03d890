//! Encryption of the recipient before it is stored, and protection of the payment against changes in the database.
//!
//! - [`EncryptionKeys`] (`keyring`) holds the keys: the first key seals, every key opens. With an empty keyring, texts
//!   are stored as plain text.
//! - `key` is a single key with the keys derived from it. It **seals** a text into bytes that open only for the place
//!   for which they were sealed. It **digests** a text, so that an equal text can be found.
//! - `sealed` defines the form of the sealed bytes, and `Place`: the payout and the column to which a text belongs.
//! - `mac` binds the payment to its row, so that a worker refuses an altered row and does not pay it.
//! - [`KeyCheck`] (`check`) reports whether the keys are those with which a database is sealed; [`ReencryptedBatch`]
//!   reports the result of re-sealing one range of rows.
//!
//! The cipher is XChaCha20-Poly1305: its nonces are long enough to be drawn at random for any number of texts. The
//! digest is HMAC-SHA256. The keys of the cipher, the digest and the MAC are derived from the configured key
//! (HKDF-SHA256), so that none of them reveals anything about the others.

mod check;
mod key;
mod keyring;
mod mac;
mod sealed;

pub use crate::storage::sql::reseal::ReencryptedBatch;
pub use check::KeyCheck;
pub(crate) use check::{KnownKey, Proof};
pub use keyring::{EncryptionKeys, InvalidKeys};
pub(crate) use mac::Paid;
pub use sealed::OpenError;
pub(crate) use sealed::Place;

#[cfg(test)]
mod tests;
