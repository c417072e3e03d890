//! Whether the configured keys are those that a database is sealed with.
//!
//! A database keeps, by the id of each key that it may be sealed with, a text that only this key opens: so a process
//! that lacks one, or has another one under its id, finds out when it starts and not when it meets the first payout.

use std::fmt;

use super::key::NotSealed;
use super::{Keyring, Place};

const PROVEN: &[u8] = b"this is the key";
const PROTECTED: &[u8] = b"every row has a MAC";

/// A key that a database knows: its id, what proves it, and, once every row has a MAC, what proves that.
pub(crate) type KnownKey = (String, Vec<u8>, Option<Vec<u8>>);

/// The current key's id, what proves it, and what would prove that every row has a MAC.
pub(crate) struct Proof<'a> {
    pub(crate) id: &'a str,
    pub(crate) proof: Vec<u8>,
    pub(crate) protected: Vec<u8>,
}

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
    /// What makes the current key known.
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

    /// Checks the keys against what a database knows of its own. Where one of them says that every row has a MAC, a row
    /// without one is refused from now on.
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
