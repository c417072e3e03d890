//! Redaction: removes the recipient from words that others choose, such as the provider's messages and people's
//! reasons. Those words go into logs and into the audit trail, from which nothing is ever deleted.

use crate::payout::mask::MASK;
use crate::payout::{Failure, ProviderReference, Recipient};
use crate::text::{fold_char, is_invisible};

/// The length below which a secret is removed only where it stands alone. Otherwise hardly a word would be left.
const SHORT_CHARS: usize = 4;

/// The account and the name of one payout's recipient, to be removed from texts.
pub(crate) struct Redaction([Vec<char>; 2]);

impl Redaction {
    pub(crate) fn of(recipient: &Recipient) -> Self {
        Self([
            folded(recipient.account.as_str()),
            folded(recipient.name.as_str()),
        ])
    }

    /// Returns the text with the account and the name masked. It finds them in any case, grouped by spaces, dashes or
    /// invisible characters, and in any composition of their characters.
    pub(crate) fn text(&self, text: &str) -> String {
        self.without(text, End::MayBeCut)
    }

    fn without(&self, text: &str, end: End) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, secret| without(&text, secret, end))
    }

    pub(crate) fn failure(&self, failure: &Failure) -> Failure {
        let code = self.without(failure.code(), End::Whole);
        Failure::new(&code, &self.text(failure.message()))
    }

    pub(crate) fn reference(&self, reference: ProviderReference) -> ProviderReference {
        // A reference that happens to end as the account begins must stay the reference that the provider knows.
        ProviderReference::new(&self.without(reference.as_str(), End::Whole)).unwrap_or(reference)
    }
}

/// The end of a text: messages are cut where they are too long, codes and references are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    MayBeCut,
}

fn is_filler(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/') || is_invisible(c)
}

/// Returns the text as it is compared: folded, in one composition, and without fillers.
fn folded(text: &str) -> Vec<char> {
    let significant = text.chars().filter(|c| !is_filler(*c));
    significant
        .flat_map(|c| fold_char(c).chars().collect::<Vec<_>>())
        .collect()
}

/// Returns the text with a mask in place of each occurrence of the secret.
fn without(text: &str, secret: &[char], end: End) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match length_of(secret, rest, end) {
            Some(length) if secret.len() >= SHORT_CHARS || stands_alone(&kept, &rest[length..]) => {
                kept.push_str(MASK);
                rest = &rest[length..];
            }
            Some(_) | None => {
                kept.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    kept
}

/// Returns the number of bytes of the secret at the beginning of the text, if it is there. Where the text may be cut, a
/// beginning of the secret that reaches the end of the text is enough.
fn length_of(secret: &[char], text: &str, end: End) -> Option<usize> {
    let mut wanted = secret.iter();
    let mut next = wanted.next()?;
    for (at, c) in text.char_indices() {
        if is_filler(c) && at > 0 {
            continue;
        }
        for folded in fold_char(c).chars() {
            if folded != *next {
                return None;
            }
            match wanted.next() {
                Some(further) => next = further,
                None => return Some(at + c.len_utf8()),
            }
        }
    }
    let found = secret.len() - wanted.len() - 1;
    (end == End::MayBeCut && found >= SHORT_CHARS).then_some(text.len())
}

fn stands_alone(before: &str, after: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !is_word(before.chars().next_back()) && !is_word(after.chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, account: &str, name: &str) -> String {
        Redaction([folded(account), folded(name)]).text(text)
    }

    #[test]
    fn an_account_and_a_name_are_taken_out_however_they_are_written() {
        for (text, expected) in [
            (
                "Account DE89370400440532013000 is closed.",
                "Account ••• is closed.",
            ),
            ("de89 3704 0044 0532 0130 00 of ADA LOVELACE", "••• of •••"),
            ("DE89-3704-0044-0532-0130-00: no", "•••: no"),
            ("Ada  Lovelace, ada-lovelace, AdaLovelace", "•••, •••, •••"),
            ("xDE89370400440532013000x", "x•••x"),
            (
                "DE8937040044053201300 is another",
                "DE8937040044053201300 is another",
            ),
            ("No such account.", "No such account."),
            ("", ""),
        ] {
            assert_eq!(redacted(text, "DE89370400440532013000", "Ada Lovelace"), expected);
        }
    }

    #[test]
    fn one_that_was_cut_off_at_the_end_is_taken_out_too() {
        for (text, expected) in [
            ("No account DE89 3704 00", "No account •••"),
            ("Not paid to Ada L", "Not paid to •••"),
            ("No account DE8", "No account DE8"),
            ("DE8937 is not ours", "DE8937 is not ours"),
        ] {
            assert_eq!(redacted(text, "DE89370400440532013000", "Ada Lovelace"), expected);
        }
    }

    #[test]
    fn a_reference_or_a_code_that_ends_as_the_account_begins_is_kept() {
        let redaction = Redaction([folded("DE89370400440532013000"), folded("Ada Lovelace")]);
        let reference = ProviderReference::new("pay-DE89").unwrap();
        assert_eq!(redaction.reference(reference.clone()), reference);
        let failure = redaction.failure(&Failure::new("no_DE8937", "Not DE8937"));
        assert_eq!((failure.code(), failure.message()), ("no_DE8937", "Not •••"));
    }

    #[test]
    fn short_ones_are_taken_out_only_where_they_stand_alone() {
        assert_eq!(
            redacted("A bank said no to 12, not 123.", "12", "A"),
            "••• bank said no to •••, not 123."
        );
    }

    #[test]
    fn neither_composition_nor_what_nobody_sees_hides_one() {
        for (text, account, name) in [
            ("No Jose\u{301} Nin\u{303}o", "x", "Jos\u{e9} Ni\u{f1}o"),
            ("No JOS\u{c9} NI\u{d1}O", "x", "Jose\u{301} Nin\u{303}o"),
            ("No DE89\u{200b}3704\u{2060}0044", "DE8937040044", "x y z"),
            ("No DE89\u{a0}3704\u{ad}0044", "DE8937040044", "x y z"),
            ("No ΟΔΥΣΣΕΥΣ", "x", "Οδυσσευς"),
            ("No STRASSE", "x", "Straße"),
        ] {
            assert_eq!(redacted(text, account, name), "No •••", "{text}");
        }
    }

    #[test]
    fn letters_that_fold_into_several_do_no_harm() {
        assert_eq!(redacted("İstanbul an İSTANBUL", "x", "İstanbul"), "••• an •••");
        assert_eq!(redacted("ẞ ß", "ß", "-"), "••• •••");
    }
}
