//! Whether the configured keys are those that a database is sealed with.
//!
//! A database keeps, by the id of each key that it may be sealed with, a text that only this key opens: so a process
//! that lacks one, or has another one under its id, finds out when it starts and not when it meets the first payout.

use std::fmt;

use super::key::NotSealed;
use super::{Keyring, Place};

const PROVEN: &[u8] = b"this is the key";

/// Whether the configured keys are those that a database is sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    /// They are.
    Fits,
    /// Something may be sealed with a key that is not configured.
    Missing {
        /// Its id.
        key_id: String,
    },
    /// The key of this id is not the one that the database knows by it.
    Wrong {
        /// The id.
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

impl Keyring {
    /// The current key's id, and what proves it.
    pub(crate) fn proof(&self) -> Result<Option<(&str, Vec<u8>)>, NotSealed> {
        self.current()
            .map(|key| Ok((key.id(), key.seal(PROVEN, &Place::Proof)?)))
            .transpose()
    }

    /// Holds the keys against what a database knows of its own.
    pub(crate) fn check(&self, known: &[(String, Vec<u8>)]) -> KeyCheck {
        for (key_id, proof) in known {
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
