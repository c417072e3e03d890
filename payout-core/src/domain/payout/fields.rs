//! Texts of a payout: the recipient's account and name, the description, and the provider's texts, each with bounds of
//! its own.

use std::fmt;

use crate::provider::{DeclineCode, ProcessorKey};
use crate::text::{first_invisible, is_invisible, is_odd_space, nfc};

/// The reason why a text does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The field is required, and the text is only white space.
    #[error("This field may not be blank.")]
    Blank,
    /// The text is longer than the field allows.
    #[error("Ensure this field has no more than {max} characters.")]
    TooLong {
        /// The maximum number of characters (Unicode scalar values).
        max: usize,
    },
    /// The text has a character that cannot be printed or stored, such as NUL.
    #[error("Control characters are not allowed.")]
    ControlCharacter,
    /// The text has an invisible character, or one that changes the order in which others are displayed.
    #[error("Invisible characters and changes of the direction of writing are not allowed: U+{:04X}.", u32::from(*.0))]
    Invisible(char),
    /// The text has white space that looks like a plain space but is another character.
    #[error("White space other than the plain space is not allowed: U+{:04X}.", u32::from(*.0))]
    OddSpace(char),
}

/// The bounds of one text field.
pub(super) struct Bounds {
    pub(super) required: bool,
    pub(super) max_chars: usize,
    pub(super) line_breaks: bool,
    pub(super) odd_spaces: bool,
}

/// Parses a client's text into Normalization Form C, so that equivalent texts become equal.
pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<String, FieldError> {
    let text = restore(&nfc(text), bounds)?;
    if text.is_ascii() {
        return Ok(text);
    }
    // An account contains no pictographs that would need a joiner.
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

/// Takes a stored text as it is. It may have been accepted before a character was known to be invisible, or before
/// texts were normalized.
pub(super) fn restore(text: &str, bounds: &Bounds) -> Result<String, FieldError> {
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
            /// The maximum number of characters (Unicode scalar values).
            pub const MAX_CHARS: usize = $bounds.max_chars;

            /// Takes a client's text, trimmed of white space and in Unicode's Normalization Form C.
            ///
            /// # Errors
            /// [`FieldError`] when the text is blank or too long, or contains control characters or invisible ones.
            pub fn new(text: &str) -> Result<Self, FieldError> {
                parse(text, &$bounds).map(Self)
            }

            /// Takes a stored text, trimmed but otherwise unchanged.
            ///
            /// # Errors
            /// [`FieldError`] when the text is blank or too long, or contains control characters.
            pub fn restore(text: &str) -> Result<Self, FieldError> {
                restore(text, &$bounds).map(Self)
            }

            /// Returns the text in Normalization Form C. An earlier version stored texts as clients sent them.
            #[must_use]
            pub(crate) fn normalized(&self) -> Self {
                Self(nfc(&self.0).into_owned())
            }

            /// Returns whether both texts are canonically equivalent: equal in Normalization Form C.
            pub fn is_equivalent(&self, other: &Self) -> bool {
                self == other || nfc(&self.0) == nfc(&other.0)
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Implements `Debug` without the text, which is personal data and stays out of logs: it shows only the length.
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
    /// The name of the recipient, 1–128 characters.
    RecipientName,
    Bounds { required: true, max_chars: 128, line_breaks: false, odd_spaces: true }
);
text_field!(
    /// The purpose of the payment, 0–255 characters; may contain line breaks.
    Description,
    Bounds { required: false, max_chars: 255, line_breaks: true, odd_spaces: true }
);
impl RecipientAccount {
    /// Takes the readable form of a checked account, which has at most 128 printable characters.
    pub(crate) fn of_checked(text: String) -> Self {
        Self(text)
    }
}
redacted_debug!(RecipientAccount, RecipientName, Description);

/// The empty description.
impl Default for Description {
    fn default() -> Self {
        Self(String::new())
    }
}

/// The provider's reference for a payment, as the provider gave it, cut to 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderReference(String);

impl ProviderReference {
    /// Takes the provider's text without control characters. Returns `None` when nothing is left of it.
    pub fn new(text: &str) -> Option<Self> {
        let text = printable(text, 255);
        (!text.is_empty()).then_some(Self(text))
    }

    /// Takes the key of a payment for which the provider gave no reference.
    pub(crate) fn of_key(key: &ProcessorKey) -> Self {
        Self(key.as_str().to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The reason why a payout failed or was returned: the provider's code for programs, its message for people, and the
/// service's own code, where the adapter knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    code: String,
    message: String,
    reason: Option<DeclineCode>,
}

impl Failure {
    /// Takes the provider's code, cut to 64 characters, and message, cut to 255, both without control characters.
    pub fn new(code: &str, message: &str) -> Self {
        Self {
            code: printable(code, 64),
            message: printable(message, 255),
            reason: None,
        }
    }

    /// Sets the service's own code.
    #[must_use]
    pub fn because(mut self, reason: DeclineCode) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Sets the service's own code, or none.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<DeclineCode>) -> Self {
        self.reason = reason;
        self
    }

    /// Returns the service's own code.
    pub fn reason(&self) -> Option<DeclineCode> {
        self.reason
    }

    /// Returns the code, for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the message, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Trims a text from outside, drops its control characters and its invisible ones, and cuts it to `max_chars`. Any text is
/// accepted. An emoji sequence keeps the invisible characters within it, if the text has no others.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    let text = text.trim();
    let is_dressed = !text.is_ascii() && first_invisible(text).is_some();
    text.chars()
        .filter(|c| !(c.is_control() || is_dressed && is_invisible(*c)))
        .take(max_chars)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_any_text_shows_itself_as_it_is() {
        assert_eq!(printable(" paid\u{202e}\u{200b} back\u{7}\n", 255), "paid back");
        assert_eq!(
            printable("👨\u{200d}👩 \u{2764}\u{fe0f}", 255),
            "👨\u{200d}👩 \u{2764}\u{fe0f}"
        );
    }

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
                // At the end of a text, line separators count as white space and are trimmed.
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
