//! Names of API keys.

use std::fmt;
use std::str::FromStr;

use crate::access::OPEN_NAME;

/// A key's name: 1–64 letters, digits, dots, dashes and underscores, the first a letter or a digit. The audit trail
/// records it as the actor. So no two keys ever have the same name, and no new key has a name that the service uses for
/// itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// The actor in the audit trail of a start on a restored database.
pub const RESTORE_NAME: &str = "restore";

/// The names that the audit trail uses, or may use in the future, for actors other than keys: the service without API
/// keys, workers without a name, and the commands and tasks that write on their own.
const RESERVED: [&str; 13] = [
    OPEN_NAME,
    RESTORE_NAME,
    "worker",
    "system",
    "service",
    "janitor",
    "sweep",
    "reconcile",
    "import",
    "import-django",
    "migrate",
    "anonymous",
    "provider",
];

/// Returns whether a worker may have this name: its host, its process and six hexadecimal digits, separated by dashes.
fn is_of_a_worker(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '-');
    let (Some(random), Some(process), Some(_host)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    random.len() == 6
        && random
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && !process.is_empty()
        && process.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text is not a valid name for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyName {
    /// The text has other characters, or too many.
    #[error(
        "A name is 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit."
    )]
    Form,
    /// The service uses this name for itself.
    #[error("This name is the service's own.")]
    Reserved,
}

impl KeyName {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 64;

    /// The form of a name, as a regular expression.
    pub const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

    /// Takes the name of a new key.
    ///
    /// # Errors
    /// [`InvalidKeyName`] when the form is wrong, or the service uses the name for itself.
    pub fn new(name: &str) -> Result<Self, InvalidKeyName> {
        let name = Self::stored(name)?;
        let is_reserved = RESERVED.iter().any(|own| name.0.eq_ignore_ascii_case(own));
        if is_reserved || is_of_a_worker(&name.0) {
            return Err(InvalidKeyName::Reserved);
        }
        Ok(name)
    }

    /// Takes the name of an existing key, which may be older than the reservation of its name. Such a key keeps its
    /// permissions, and can be rotated, revoked and succeeded.
    ///
    /// # Errors
    /// [`InvalidKeyName::Form`] when the form is wrong.
    pub fn stored(name: &str) -> Result<Self, InvalidKeyName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = name.bytes().next().ok_or(InvalidKeyName::Form)?;
        if name.len() > Self::MAX_CHARS || !first.is_ascii_alphanumeric() || !name.bytes().all(plain) {
            return Err(InvalidKeyName::Form);
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name.
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
        for name in [
            "api",
            "API",
            "worker",
            "System",
            "restore",
            "Restore",
            "janitor",
            "import-django",
            "anonymous",
            "web-1-4711-0a1b2c",
            "worker-1-ffffff",
        ] {
            assert_eq!(KeyName::new(name), Err(InvalidKeyName::Reserved), "{name}");
        }
        for name in [
            "restorer",
            "web-1",
            "web-1-4711",
            "a-4711-0a1b2",
            "a-x-0a1b2c",
            "worker-2",
        ] {
            assert!(KeyName::new(name).is_ok(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_the_pattern_allows_is_a_name(
            name in proptest::string::string_regex(KeyName::PATTERN.trim_matches(['^', '$'])).unwrap()
        ) {
            proptest::prop_assert_eq!(KeyName::stored(&name).is_ok(), name.len() <= KeyName::MAX_CHARS);
        }
    }

    #[test]
    fn a_key_that_was_made_before_its_name_was_reserved_keeps_it() {
        assert_eq!(KeyName::stored("restore").unwrap().as_str(), "restore");
        assert_eq!(KeyName::stored("a b"), Err(InvalidKeyName::Form));
    }
}
