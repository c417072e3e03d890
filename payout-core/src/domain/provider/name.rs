//! Names of configured providers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a configured provider: 1–40 lower-case letters, digits and dashes, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(Arc<str>);

/// The text is not a provider name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use 1 to 40 lower-case letters, digits and dashes, starting with a letter or a digit")]
pub struct InvalidProviderName;

impl ProviderName {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 40;

    /// Takes a name.
    ///
    /// # Errors
    /// [`InvalidProviderName`].
    pub fn new(text: &str) -> Result<Self, InvalidProviderName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=Self::MAX_BYTES).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidProviderName)
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = InvalidProviderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_and_short() {
        for name in ["adyen-eu", "a", "1", &"x".repeat(40)] {
            assert!(ProviderName::new(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "Adyen", "a b", "ä", &"x".repeat(41)] {
            assert_eq!(ProviderName::new(name), Err(InvalidProviderName), "{name}");
        }
    }
}
