//! Comparison of the configured keys with those with which a database is sealed.
//!
//! For each key id with which rows may be sealed, the database stores a text that only this key opens. A process that
//! lacks a key, or has another key under its id, finds out when it starts, not when it reads a payout.

use std::fmt;

use super::key::NotSealed;
use super::{EncryptionKeys, Place};

const PROVEN: &[u8] = b"this is the key";
const PROTECTED: &[u8] = b"every row has a MAC";

/// A key that the database knows: its id, the proof of the key and, once every row has a MAC, the proof of that.
pub(crate) type KnownKey = (String, Vec<u8>, Option<Vec<u8>>);

/// The current key's id, the proof of the key, and the proof to store once every row has a MAC.
pub(crate) struct Proof<'a> {
    pub(crate) id: &'a str,
    pub(crate) proof: Vec<u8>,
    pub(crate) protected: Vec<u8>,
}

/// The result of checking the configured keys against a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    /// The configured keys are those of the database.
    Fits,
    /// Rows may be sealed with a key that is not configured.
    Missing {
        /// The id of the missing key.
        key_id: String,
    },
    /// The configured key is not the one that the database knows under this id.
    Wrong {
        /// The key's id.
        key_id: String,
    },
}

impl fmt::Display for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fits => f.write_str("the keys are those that the database is sealed with"),
            Self::Missing { key_id } => {
                write!(
                    f,
                    "the database is sealed with the key {key_id:?}, which is not configured"
                )
            }
            Self::Wrong { key_id } => {
                write!(
                    f,
                    "the key {key_id:?} is not the one that the database is sealed with under this id"
                )
            }
        }
    }
}

impl EncryptionKeys {
    /// Creates the texts by which a database recognizes the current key; `None` without keys.
    pub(crate) fn proof(&self) -> Result<Option<Proof<'_>>, NotSealed> {
        let proof = |key: &'_ super::key::Key| -> Result<_, NotSealed> {
            let proof = key.seal(PROVEN, &Place::Proof)?;
            Ok((proof, key.seal(PROTECTED, &Place::Protected)?))
        };
        let Some(key) = self.current() else {
            return Ok(None);
        };
        let (proof, protected) = proof(key)?;
        Ok(Some(Proof {
            id: key.id(),
            proof,
            protected,
        }))
    }

    /// Checks the keys against those that the database knows. If an entry proves that every row has a MAC, the keyring
    /// refuses rows without one from then on.
    pub(crate) fn check(&self, known: &[KnownKey]) -> KeyCheck {
        let says_so = |mark: &Option<Vec<u8>>| {
            let mark = mark.as_deref();
            mark.is_some_and(|mark| self.open(mark, &Place::Protected).is_ok())
        };
        if known.iter().any(|(_, _, protected)| says_so(protected)) {
            self.become_strict();
        }
        for (key_id, proof, _) in known {
            let key_id = key_id.clone();
            if !self.ids().any(|id| id == key_id) {
                return KeyCheck::Missing { key_id };
            }
            if self.open(proof, &Place::Proof).is_err() {
                return KeyCheck::Wrong { key_id };
            }
        }
        KeyCheck::Fits
    }
}
