//! The client's own reference for a payout.

use std::fmt;

use super::fields::{Bounds, FieldError, parse, restore};

/// The client's own reference for a payout: 1–128 visible characters, with plain spaces between them. No two payouts
/// that are not deleted have the same one.
///
/// ```
/// use payout_core::payout::ExternalId;
/// assert_eq!(ExternalId::new(" invoice-7 ")?.as_str(), "invoice-7");
/// assert!(ExternalId::new("invoice\n7").is_err());
/// # Ok::<(), payout_core::payout::FieldError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId(String);

const BOUNDS: Bounds = Bounds {
    required: true,
    max_chars: ExternalId::MAX_CHARS,
    line_breaks: false,
    odd_spaces: false,
};

impl ExternalId {
    /// The maximum number of characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 128;

    /// Takes a client's text, trimmed of white space and in Normalization Form C.
    ///
    /// # Errors
    /// [`FieldError`] when the text is blank or too long, or contains control characters, invisible characters, or
    /// white space other than the plain space.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        parse(text, &BOUNDS).map(Self)
    }

    /// Takes a stored text.
    ///
    /// # Errors
    /// [`FieldError`] when the text is blank or too long, or contains control characters.
    pub fn restore(text: &str) -> Result<Self, FieldError> {
        restore(text, &BOUNDS).map(Self)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Omits the text, which a client may have made of personal data.
impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalId({} characters)", self.0.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_visible_and_of_bounded_length() {
        assert_eq!(
            ExternalId::new("Rechnung 7 – März").unwrap().as_str(),
            "Rechnung 7 – März"
        );
        assert!(ExternalId::new(&"é".repeat(128)).is_ok());
        assert_eq!(
            ExternalId::new(&"x".repeat(129)),
            Err(FieldError::TooLong { max: 128 })
        );
        assert_eq!(ExternalId::new("  "), Err(FieldError::Blank));
        assert_eq!(ExternalId::new("a\tb"), Err(FieldError::ControlCharacter));
        assert_eq!(
            ExternalId::new("a\u{200b}b"),
            Err(FieldError::Invisible('\u{200b}'))
        );
        assert_eq!(ExternalId::new("a\u{a0}b"), Err(FieldError::OddSpace('\u{a0}')));
    }

    #[test]
    fn equal_texts_are_one_reference_and_case_is_kept() {
        assert_eq!(ExternalId::new("Jose\u{301}"), ExternalId::new("Jos\u{e9}"));
        assert_ne!(ExternalId::new("a"), ExternalId::new("A"));
    }

    #[test]
    fn debug_output_does_not_show_the_reference() {
        let id = ExternalId::new("DE89370400440532013000").unwrap();
        assert_eq!(format!("{id:?}"), "ExternalId(22 characters)");
    }
}
