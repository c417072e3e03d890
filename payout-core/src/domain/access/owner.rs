//! Owners of API keys: the people, or the teams, who hold them.

use std::fmt;
use std::str::FromStr;

use crate::text::{first_invisible, fold, is_odd_space, nfc};

/// The owner of an API key: 1–64 printable characters, in Normalization Form C, with one plain space between words. Two
/// keys of one owner are one person where approvals are counted; owners that differ only in case are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyOwner(String);

/// The text is not a valid owner of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("An owner is 1 to 64 printable characters, with one plain space between words.")]
pub struct InvalidKeyOwner;

impl KeyOwner {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 64;

    /// Takes the owner of a new key, without the spaces around it.
    ///
    /// # Errors
    /// [`InvalidKeyOwner`] when the text is empty, too long, has characters that cannot be seen, or white space other
    /// than one plain space between words, which would look like another owner.
    pub fn new(text: &str) -> Result<Self, InvalidKeyOwner> {
        let owner = Self::stored(text)?;
        if owner.0.contains("  ") || owner.0.contains(is_odd_space) {
            return Err(InvalidKeyOwner);
        }
        Ok(owner)
    }

    /// Takes the owner of an existing key, which may be older than the rule for white space.
    ///
    /// # Errors
    /// [`InvalidKeyOwner`] when the text is empty, too long, or has characters that cannot be seen.
    pub fn stored(text: &str) -> Result<Self, InvalidKeyOwner> {
        let text = nfc(text.trim()).into_owned();
        let chars = text.chars().count();
        let is_printable = !text.chars().any(char::is_control) && first_invisible(&text).is_none();
        if chars == 0 || chars > Self::MAX_CHARS || !is_printable {
            return Err(InvalidKeyOwner);
        }
        Ok(Self(text))
    }

    /// Returns the owner as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the owner in the form in which owners are compared.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl FromStr for KeyOwner {
    type Err = InvalidKeyOwner;

    fn from_str(text: &str) -> Result<Self, InvalidKeyOwner> {
        Self::new(text)
    }
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_short_text_that_can_be_seen() {
        assert_eq!(KeyOwner::new("  Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert!(KeyOwner::new(&"x".repeat(64)).is_ok());
        for wrong in ["", "  ", "a\u{0}b", "a\u{200b}b", "a\nb", &"x".repeat(65)] {
            assert_eq!(KeyOwner::new(wrong), Err(InvalidKeyOwner), "{wrong:?}");
            assert_eq!(KeyOwner::stored(wrong), Err(InvalidKeyOwner), "{wrong:?}");
        }
    }

    #[test]
    fn no_new_owner_looks_like_another_and_stored_ones_can_be_read() {
        for alike in [
            "Grace  Hopper",
            "Grace\u{a0}Hopper",
            "Grace\u{2003}Hopper",
            "Grace \u{3000}Hopper",
        ] {
            assert_eq!(KeyOwner::new(alike), Err(InvalidKeyOwner), "{alike:?}");
            assert_eq!(KeyOwner::stored(alike).unwrap().as_str(), alike);
        }
        assert!(KeyOwner::new("Grace Brewster Hopper").is_ok());
    }

    #[test]
    fn owners_are_compared_without_regard_to_case_and_composition() {
        let folded = |text| KeyOwner::new(text).unwrap().folded();
        assert_eq!(folded("Zoë"), folded("ZOE\u{308}"));
        assert_ne!(folded("Zoe"), folded("Zoë"));
    }
}
