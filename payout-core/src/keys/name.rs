//! What people call a key.

use std::fmt;
use std::str::FromStr;

use crate::keys::OPEN_NAME;

/// A key's name: 1–64 letters, digits, dots, dashes and underscores, the first a letter or a digit. It is in the audit
/// trail as the actor, so that it is never used for a second key, and no key is called as the service calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// What the audit trail calls others than keys.
const RESERVED: [&str; 3] = [OPEN_NAME, "worker", "system"];

/// The text is no name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyName {
    /// It has other characters, or too many.
    #[error(
        "A name is 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit."
    )]
    Form,
    /// The service calls itself so.
    #[error("This name is the service's own.")]
    Reserved,
}

impl KeyName {
    /// Takes the name.
    ///
    /// # Errors
    /// [`InvalidKeyName`].
    pub fn new(name: &str) -> Result<Self, InvalidKeyName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = name.bytes().next().ok_or(InvalidKeyName::Form)?;
        if name.len() > 64 || !first.is_ascii_alphanumeric() || !name.bytes().all(plain) {
            return Err(InvalidKeyName::Form);
        }
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(InvalidKeyName::Reserved);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(name: &str) -> Result<Self, InvalidKeyName> {
        Self::new(name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for name in ["a", "billing-2026", "Shop.eu_1", &"n".repeat(64)] {
            assert!(KeyName::new(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".", "a b", "a/b", "ключ", "a\n", &"n".repeat(65)] {
            assert_eq!(KeyName::new(name), Err(InvalidKeyName::Form), "{name:?}");
        }
    }

    #[test]
    fn no_key_is_called_as_the_service_calls_itself() {
        for name in ["api", "API", "worker", "System"] {
            assert_eq!(KeyName::new(name), Err(InvalidKeyName::Reserved), "{name}");
        }
    }
}
