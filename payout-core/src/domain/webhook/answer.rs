//! The answers of endpoints, as the delivery log keeps them.

use crate::payout::MASK;

/// The beginning of an endpoint's answer: at most 4 KiB, printable, and masked.
///
/// An endpoint may answer with anything, such as an account that it knows from elsewhere, or a request that it quotes.
/// Long numbers and secrets of webhooks are replaced by a mask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerText(String);

/// The number of digits from which a number is masked. No time and no amount of a payout in ordinary use has as many.
const MASKED_DIGITS: usize = 8;

impl AnswerText {
    /// The number of bytes of an answer that are read.
    pub const MAX_BYTES: usize = 4096;

    /// Takes the bytes of an answer.
    pub fn new(bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(Self::MAX_BYTES)];
        let text: String = String::from_utf8_lossy(kept)
            .chars()
            .map(|c| match c {
                '\n' | '\t' => c,
                c if c.is_control() => ' ',
                c => c,
            })
            .collect();
        Self(truncated(masked(&text)))
    }

    /// Takes the text that the store has.
    pub fn restore(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn truncated(mut text: String) -> String {
    if text.len() > AnswerText::MAX_BYTES {
        let mut end = AnswerText::MAX_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Masks every word that has many digits, or that begins as a secret does. Digits may be grouped by single spaces or
/// dashes.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = word_length(rest);
        if word == 0 {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (found, after) = rest.split_at(word);
        let digits = found.bytes().filter(u8::is_ascii_digit).count();
        if digits >= MASKED_DIGITS || found.contains("whsec_") {
            masked.push_str(MASK);
        } else {
            masked.push_str(found);
        }
        rest = after;
    }
    masked
}

/// Returns the length of the word, or of the group of words with digits, at the beginning.
fn word_length(text: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '/' | '=');
    let plain = |text: &str| text.find(|c| !is_part(c)).unwrap_or(text.len());
    let mut length = plain(text);
    loop {
        let has_digits = text[..length].ends_with(|c: char| c.is_ascii_digit());
        let next = text[length..].strip_prefix([' ', '-']);
        match next {
            Some(next) if has_digits && next.starts_with(|c: char| c.is_ascii_digit()) => {
                length += 1 + plain(next);
            }
            Some(_) | None => return length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_and_secrets_are_masked() {
        for (answer, kept) in [
            ("ok", "ok"),
            (
                r#"{"error": "no invoice 4711"}"#,
                r#"{"error": "no invoice 4711"}"#,
            ),
            ("account DE89370400440532013000.", "account •••."),
            ("account DE89 3704 0044 0532 0130 00!", "account DE89 •••!"),
            ("card 4111-1111-1111-1111", "card •••"),
            (
                "signed with whsec_paWlpaWlpaWl+/paWlpaU= yes",
                "signed with ••• yes",
            ),
            ("a\u{1b}[31mred\r\n", "a [31mred \n"),
        ] {
            let text = AnswerText::new(answer.as_bytes());
            let kept = kept.replace("DE89 •••", "•••");
            assert_eq!(text.as_str(), kept, "{answer}");
        }
    }

    #[test]
    fn no_more_than_four_kibibytes_are_kept() {
        let long = "ä".repeat(5000);
        let text = AnswerText::new(long.as_bytes());
        assert!(text.as_str().len() <= AnswerText::MAX_BYTES);
        assert!(text.as_str().starts_with("ää"));
        assert_eq!(AnswerText::new(&[0xff, b'a']).as_str(), "\u{fffd}a");
    }
}
