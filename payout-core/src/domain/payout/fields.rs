//! The texts of a payout, each with its own bounds.

use std::fmt;

use crate::text::{first_invisible, is_invisible, is_odd_space, nfc};

/// Why a text does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Nothing but white space where something is needed.
    #[error("This field may not be blank.")]
    Blank,
    /// Longer than the field.
    #[error("Ensure this field has no more than {max} characters.")]
    TooLong {
        /// The most characters (Unicode scalar values) the field takes.
        max: usize,
    },
    /// A character that cannot be printed or stored, such as NUL.
    #[error("Control characters are not allowed.")]
    ControlCharacter,
    /// A character that nobody sees, or that changes how others are read.
    #[error("Invisible characters and changes of the direction of writing are not allowed: U+{:04X}.", u32::from(*.0))]
    Invisible(char),
    /// White space that looks like a space and is none.
    #[error("White space other than the plain space is not allowed: U+{:04X}.", u32::from(*.0))]
    OddSpace(char),
}

/// What sets one text field apart from another.
struct Bounds {
    required: bool,
    max_chars: usize,
    line_breaks: bool,
    odd_spaces: bool,
}

/// What a client writes, in Normalization Form C: equal texts become equal.
fn parse(text: &str, bounds: &Bounds) -> Result<String, FieldError> {
    let text = restore(&nfc(text), bounds)?;
    if text.is_ascii() {
        return Ok(text);
    }
    // An account has no pictographs that would need a joiner.
    let invisible = if bounds.odd_spaces {
        first_invisible(&text)
    } else {
        text.chars().find(|c| is_invisible(*c))
    };
    if let Some(c) = invisible {
        return Err(FieldError::Invisible(c));
    }
    if let Some(c) = text.chars().find(|c| !bounds.odd_spaces && is_odd_space(*c)) {
        return Err(FieldError::OddSpace(c));
    }
    Ok(text)
}

/// What is stored, as it is: also what was accepted before it became known to be invisible, or was not normalized.
fn restore(text: &str, bounds: &Bounds) -> Result<String, FieldError> {
    let text = text.trim();
    if bounds.required && text.is_empty() {
        return Err(FieldError::Blank);
    }
    if text.chars().count() > bounds.max_chars {
        return Err(FieldError::TooLong {
            max: bounds.max_chars,
        });
    }
    let allowed = |c: char| !c.is_control() || (bounds.line_breaks && matches!(c, '\n' | '\r' | '\t'));
    if !text.chars().all(allowed) {
        return Err(FieldError::ControlCharacter);
    }
    Ok(text.to_owned())
}

macro_rules! text_field {
    ($(#[$doc:meta])* $name:ident, $bounds:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most characters (Unicode scalar values) that it has.
            pub const MAX_CHARS: usize = $bounds.max_chars;

            /// Takes the text without the white space around it, in Unicode's Normalization Form C.
            ///
            /// # Errors
            /// [`FieldError`] when it is blank or too long, or has control characters or ones that nobody sees.
            pub fn new(text: &str) -> Result<Self, FieldError> {
                parse(text, &$bounds).map(Self)
            }

            /// Takes a stored text as it is.
            ///
            /// # Errors
            /// [`FieldError`] when it is blank, too long or has control characters.
            pub fn restore(text: &str) -> Result<Self, FieldError> {
                restore(text, &$bounds).map(Self)
            }

            /// The text in Normalization Form C, where an earlier program stored it as it was sent.
            #[must_use]
            pub(crate) fn normalized(&self) -> Self {
                Self(nfc(&self.0).into_owned())
            }

            /// Whether this reads the same, however its characters are composed.
            pub fn is_equivalent(&self, other: &Self) -> bool {
                self == other || nfc(&self.0) == nfc(&other.0)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Personal data stays out of logs: `Debug` shows how long it is, not what it says.
macro_rules! redacted_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} characters)"), self.0.chars().count())
            }
        }
    )*};
}

text_field!(
    /// The account that the money goes to, 1–128 characters.
    RecipientAccount,
    Bounds { required: true, max_chars: 128, line_breaks: false, odd_spaces: false }
);
text_field!(
    /// The name of who gets the money, 1–128 characters.
    RecipientName,
    Bounds { required: true, max_chars: 128, line_breaks: false, odd_spaces: true }
);
text_field!(
    /// What the money is for, 0–255 characters; may have line breaks.
    Description,
    Bounds { required: false, max_chars: 255, line_breaks: true, odd_spaces: true }
);
redacted_debug!(RecipientAccount, RecipientName, Description);

/// The empty description.
impl Default for Description {
    fn default() -> Self {
        Self(String::new())
    }
}

/// The provider's own name for a payment, as it gave it (cut at 255 characters).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderReference(String);

impl ProviderReference {
    /// Takes what the provider sent, without control characters; absent when nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = printable(text, 255);
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a payout failed, in the provider's words: a code for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    code: String,
    message: String,
}

impl Failure {
    /// Takes the provider's words, cut at 64 and 255 characters and without control characters.
    pub fn new(code: &str, message: &str) -> Self {
        Self {
            code: printable(code, 64),
            message: printable(message, 255),
        }
    }

    /// For programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Text from outside that is kept whatever it says: only its size and control characters are mended.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(max_chars)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_before_it_is_measured() {
        let padded = format!("  {}  ", "é".repeat(128));
        assert_eq!(RecipientName::new(&padded).unwrap().as_str(), "é".repeat(128));
        assert_eq!(
            RecipientName::new(&"x".repeat(129)),
            Err(FieldError::TooLong { max: 128 })
        );
    }

    #[test]
    fn a_blank_recipient_is_refused_and_a_blank_description_is_not() {
        assert_eq!(RecipientAccount::new(" \t "), Err(FieldError::Blank));
        assert_eq!(Description::new(" ").unwrap().as_str(), "");
    }

    #[test]
    fn only_a_description_may_have_line_breaks_and_nothing_may_have_nul() {
        assert!(Description::new("a\r\nb").is_ok());
        assert_eq!(RecipientName::new("a\nb"), Err(FieldError::ControlCharacter));
        assert_eq!(Description::new("a\0b"), Err(FieldError::ControlCharacter));
    }

    #[test]
    fn what_nobody_sees_is_in_no_text_of_a_payout() {
        for c in [
            '\u{3164}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{fe0f}', '\u{ffff}', '\u{2800}', '\u{2028}',
        ] {
            for text in [format!("DE{c}89"), format!("Ada{c}x"), format!("{c}Ada")] {
                // At an end, separators of lines are white space, and cut off.
                let cut_off = c == '\u{2028}' && text.starts_with(c);
                let refused = (!cut_off).then_some(FieldError::Invisible(c));
                assert_eq!(RecipientAccount::new(&text).err(), refused, "{c:?}");
                assert_eq!(RecipientName::new(&text).err(), refused, "{c:?}");
                assert_eq!(Description::new(&text).err(), refused, "{c:?}");
            }
        }
        let message = RecipientName::new("\u{3164}").unwrap_err().to_string();
        assert!(message.ends_with("U+3164."), "{message}");
    }

    #[test]
    fn an_account_has_no_white_space_but_the_space() {
        assert!(RecipientAccount::new("DE89 3704 0044").is_ok());
        for c in ['\u{a0}', '\u{2009}', '\u{202f}', '\u{3000}'] {
            let text = format!("DE89{c}3704");
            assert_eq!(RecipientAccount::new(&text), Err(FieldError::OddSpace(c)));
            assert!(RecipientName::new(&text).is_ok() && Description::new(&text).is_ok());
        }
        assert_eq!(RecipientName::new("\u{3000}"), Err(FieldError::Blank));
    }

    #[test]
    fn equal_text_is_equal_and_measured_composed() {
        assert_eq!(RecipientName::new("Jose\u{301}"), RecipientName::new("Jos\u{e9}"));
        assert_eq!(
            RecipientAccount::new("Jose\u{301}"),
            RecipientAccount::new("Jos\u{e9}")
        );
        assert_eq!(Description::new("Jose\u{301}"), Description::new("Jos\u{e9}"));
        assert!(RecipientName::new(&"e\u{301}".repeat(128)).is_ok());
        assert!(RecipientName::new(&"e\u{301}".repeat(129)).is_err());
    }

    #[test]
    fn what_was_stored_before_stays_as_it_is() {
        for text in ["DE89\u{a0}3704", "\u{3164}", "Jose\u{301}", "می\u{200c}خواهم"] {
            let account = RecipientAccount::restore(text).unwrap();
            assert_eq!(account.as_str(), text);
        }
        let (old, new) = (
            RecipientName::restore("Jose\u{301}").unwrap(),
            RecipientName::new("Jos\u{e9}").unwrap(),
        );
        assert!(old != new && old.is_equivalent(&new));
        assert!(RecipientName::restore("a\0b").is_err());
    }

    #[test]
    fn debug_output_never_shows_personal_data() {
        let account = RecipientAccount::new("DE89370400440532013000").unwrap();
        assert_eq!(format!("{account:?}"), "RecipientAccount(22 characters)");
    }
}
