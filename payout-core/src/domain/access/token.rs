//! The secret that a client shows.

use std::fmt::{self, Write as _};

use secrecy::{ExposeSecret, SecretString};

/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "payout_";

/// The secret of a key: `payout_` and 256 bits in 64 hexadecimal digits. Wiped when dropped, and printed as `***`.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// The token of these random bits.
    pub fn of(random: &[u8; 32]) -> Self {
        // Of the right size at once: a text that grew would leave copies behind.
        let mut text = String::with_capacity(PREFIX.len() + 64);
        text.push_str(PREFIX);
        for byte in random {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// The text, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether the text has the form of a token: nothing else needs to be hashed.
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
