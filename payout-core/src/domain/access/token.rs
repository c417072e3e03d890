//! Tokens: the secrets that clients present.

use std::fmt::{self, Write as _};

use secrecy::{ExposeSecret, SecretString};

/// The prefix of every token, by which people and secret scanners recognize one.
const PREFIX: &str = "payout_";

/// The secret of an API key: `payout_` and 256 bits in 64 hexadecimal digits. It is wiped when dropped, and printed as
/// `***`.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// Builds a token from random bits.
    pub fn of(random: &[u8; 32]) -> Self {
        // Allocated at its full size: a text that grew would leave copies of the secret in memory.
        let mut text = String::with_capacity(PREFIX.len() + 64);
        text.push_str(PREFIX);
        for byte in random {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// Returns the text, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns whether the text has the form of a token. Any other text need not be hashed.
    pub(super) fn is_one(text: &str) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|digits| {
            digits.len() == 64
                && digits
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_all_its_bits_and_does_not_print_them() {
        let token = Token::of(&[0xa5; 32]);
        assert_eq!(token.expose(), format!("payout_{}", "a5".repeat(32)));
        assert!(Token::is_one(token.expose()));
        assert_eq!(format!("{token:?}"), "Token(***)");
    }

    #[test]
    fn what_is_no_token_is_told_by_its_form() {
        let digits = "a5".repeat(32);
        for text in [
            "",
            "payout_",
            &digits,
            &format!("payout_{digits}0"),
            &format!("payout_{}", &digits[1..]),
            &format!("payout_{}", digits.to_uppercase()),
            &format!("PAYOUT_{digits}"),
            &format!(" payout_{digits}"),
            &format!("payout_{}g", &digits[1..]),
        ] {
            assert!(!Token::is_one(text), "{text}");
        }
    }
}
