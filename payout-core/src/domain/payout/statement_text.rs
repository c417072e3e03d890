//! The text that the recipient sees on the statement of the account.

use std::fmt;

/// The text for the recipient's statement: 1–140 characters of the SEPA character set.
///
/// The set is that of the EPC's guidelines for SEPA transfers: the letters `a`–`z` and `A`–`Z`, the digits, the space,
/// and `/ - ? : ( ) . , ' +`. Nothing is transliterated: a text with another character is refused.
///
/// ```
/// use payout_core::payout::StatementText;
/// assert!(StatementText::new("Salary 11/2026, Ada Lovelace").is_ok());
/// assert!(StatementText::new("Müller").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StatementText(String);

/// The reason why a text cannot be a statement text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStatementText {
    /// The text is only white space.
    #[error("This field may not be blank; send null for no text.")]
    Blank,
    /// The text is longer than a bank takes it.
    #[error("Ensure this field has no more than {} characters.", StatementText::MAX_CHARS)]
    TooLong,
    /// The text has a character that banks do not take.
    #[error(
        "Only letters without accents, digits, spaces and / - ? : ( ) . , ' + are allowed: U+{:04X}.",
        u32::from(*.0)
    )]
    Character(char),
}

impl StatementText {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 140;

    /// Takes a text, trimmed of spaces.
    ///
    /// # Errors
    /// [`InvalidStatementText`].
    pub fn new(text: &str) -> Result<Self, InvalidStatementText> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(InvalidStatementText::Blank);
        }
        if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(InvalidStatementText::Character(c));
        }
        // Every allowed character is one byte.
        if text.len() > Self::MAX_CHARS {
            return Err(InvalidStatementText::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            ' ' | '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+'
        )
}

/// Omits the text, which may name a person.
impl fmt::Debug for StatementText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementText({} characters)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_only_what_every_bank_takes() {
        assert!(StatementText::new("azAZ09 /-?:().,'+").is_ok());
        for c in ['ä', '&', '\n', '_', '"', '\u{a0}', '€'] {
            assert_eq!(
                StatementText::new(&format!("a{c}b")),
                Err(InvalidStatementText::Character(c))
            );
        }
        let message = StatementText::new("M\u{fc}ller").unwrap_err().to_string();
        assert!(message.ends_with("U+00FC."), "{message}");
    }

    #[test]
    fn a_text_has_1_to_140_characters() {
        assert!(StatementText::new(&"x".repeat(140)).is_ok());
        assert_eq!(
            StatementText::new(&"x".repeat(141)),
            Err(InvalidStatementText::TooLong)
        );
        assert_eq!(StatementText::new("  "), Err(InvalidStatementText::Blank));
        assert_eq!(StatementText::new(" a ").unwrap().as_str(), "a");
    }
}
