//! Redaction: removes the recipient from words that others choose, such as the provider's messages and people's
//! reasons. Those words go into logs and into the audit trail, from which nothing is ever deleted.

use crate::payout::mask::MASK;
use crate::payout::{Failure, ProviderReference, Recipient, TypedAccount};
use crate::text::{fold_char, is_invisible};

/// The length below which a secret is removed only where it stands alone. Otherwise hardly a word would be left.
const SHORT_CHARS: usize = 4;
/// The length below which a part of an address, or the number of a bank, is removed only where it stands alone.
const LINE_CHARS: usize = 10;

/// A text about one recipient, to be removed from other texts.
struct Secret {
    /// The folded text.
    chars: Vec<char>,
    /// The text is removed only where it stands alone, since it may be a part of many others.
    alone: bool,
    /// The text is removed from codes and references too. It identifies the account or its holder.
    everywhere: bool,
}

/// The account, the name and the other parts of one payout's recipient, to be removed from texts.
pub(crate) struct Redaction(Vec<Secret>);

impl Redaction {
    pub(crate) fn of(recipient: &Recipient) -> Self {
        let mut redaction = Self(Vec::with_capacity(2));
        redaction.add(recipient.account().as_str(), true);
        redaction.add(recipient.name().as_str(), true);
        if let Some(account) = recipient.typed_account() {
            redaction.add_account(account);
        }
        if let Some(email) = recipient.email() {
            redaction.add(email.as_str(), true);
        }
        if let Some(address) = recipient.address() {
            let lines = [
                Some(&address.line1),
                address.line2.as_ref(),
                address.postal_code.as_ref(),
            ];
            for line in lines.into_iter().flatten() {
                redaction.add(line, false);
            }
            redaction.add(&address.city, false);
        }
        // A number that begins or ends another is removed after it, so that no rest of the other is left.
        redaction
            .0
            .sort_by_key(|secret| std::cmp::Reverse(secret.chars.len()));
        redaction
    }

    fn add(&mut self, text: &str, everywhere: bool) {
        let chars = folded(text);
        let alone = chars.len() < SHORT_CHARS || !everywhere && chars.len() < LINE_CHARS;
        self.0.push(Secret {
            chars,
            alone,
            everywhere,
        });
    }

    /// Adds the parts of an account, in the spellings that its readable form does not have.
    fn add_account(&mut self, account: &TypedAccount) {
        match account {
            TypedAccount::UsBank {
                routing_number,
                account_number,
                account_type: _,
            } => {
                self.add(account_number.as_str(), true);
                self.add(routing_number.as_str(), false);
            }
            TypedAccount::GbBank {
                sort_code,
                account_number,
            } => {
                self.add(account_number.as_str(), true);
                self.add(sort_code.as_str(), false);
            }
            TypedAccount::Phone(number) => {
                for spelling in number.spellings() {
                    self.add(&spelling, true);
                }
            }
            // The account is the readable form; the bank and the provider are no secrets.
            TypedAccount::Iban { .. } | TypedAccount::Email(_) | TypedAccount::ProviderAccount { .. } => (),
        }
    }

    /// Returns the text with every part masked. It finds them in any case, grouped by spaces, dashes, parentheses or
    /// invisible characters, and in any composition of their characters.
    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            secret.removed(&text, End::MayBeCut)
        })
    }

    /// Returns a code or a reference without the parts that identify the account or its holder.
    fn identifier(&self, text: &str) -> String {
        self.0
            .iter()
            .filter(|secret| secret.everywhere)
            .fold(text.to_owned(), |text, secret| secret.removed(&text, End::Whole))
    }

    pub(crate) fn failure(&self, failure: &Failure) -> Failure {
        let code = self.identifier(failure.code());
        Failure::new(&code, &self.text(failure.message())).with_reason(failure.reason())
    }

    pub(crate) fn reference(&self, reference: ProviderReference) -> ProviderReference {
        // A reference that happens to end as the account begins must stay the reference that the provider knows.
        ProviderReference::new(&self.identifier(reference.as_str())).unwrap_or(reference)
    }
}

/// The end of a text: messages are cut where they are too long, codes and references are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    MayBeCut,
}

fn is_filler(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '(' | ')') || is_invisible(c)
}

/// Returns the text as it is compared: folded, in one composition, and without fillers.
fn folded(text: &str) -> Vec<char> {
    let significant = text.chars().filter(|c| !is_filler(*c));
    significant
        .flat_map(|c| fold_char(c).chars().collect::<Vec<_>>())
        .collect()
}

impl Secret {
    /// Returns the text with a mask in place of each occurrence of the secret.
    fn removed(&self, text: &str, end: End) -> String {
        if self.chars.is_empty() {
            return text.to_owned();
        }
        let mut kept = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match length_of(&self.chars, rest, end) {
                Some(length) if !self.alone || stands_alone(&kept, &rest[length..]) => {
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
    use crate::payout::{RecipientAccount, RecipientFields, RecipientName};

    fn of(account: &str, name: &str) -> Redaction {
        Redaction::of(&Recipient::new(
            RecipientAccount::restore(account).unwrap(),
            RecipientName::restore(name).unwrap(),
        ))
    }

    fn redacted(text: &str, account: &str, name: &str) -> String {
        of(account, name).text(text)
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
        let redaction = of("DE89370400440532013000", "Ada Lovelace");
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

    fn typed(fields: &[(&str, &str)]) -> Redaction {
        let fields = fields
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let fields = RecipientFields(
            [("name".to_owned(), "Ada Lovelace".to_owned())]
                .into_iter()
                .chain(fields)
                .collect(),
        );
        Redaction::of(&Recipient::parse(&fields).unwrap())
    }

    #[test]
    fn both_numbers_of_an_account_are_taken_out_together_and_alone() {
        let us = typed(&[
            ("type", "us_bank"),
            ("routing_number", "021000021"),
            ("account_number", "123456789"),
            ("account_type", "checking"),
        ]);
        for (text, expected) in [
            ("021000021-123456789 is closed", "••• is closed"),
            ("021000021 123456789 is closed", "••• is closed"),
            ("No account 1234-56789 at 0210 00021", "No account ••• at •••"),
            ("checking account", "checking account"),
            ("order 9021000021 x", "order 9021000021 x"),
        ] {
            assert_eq!(us.text(text), expected);
        }
        let gb = typed(&[
            ("type", "gb_bank"),
            ("sort_code", "20-00-00"),
            ("account_number", "55779911"),
        ]);
        assert_eq!(gb.text("20-00-00 55779911, 55779911, 200000"), "•••, •••, •••");
        assert_eq!(gb.text("1200000 1"), "1200000 1");
    }

    #[test]
    fn a_phone_number_is_taken_out_in_its_usual_spellings() {
        let phone = typed(&[("type", "phone"), ("phone", "+44 20 7946 0000")]);
        for text in [
            "442079460000",
            "0044 20 7946 0000",
            "020 7946 0000",
            "+44 (0)20 7946-0000",
            "(020) 7946 0000",
        ] {
            let redacted = phone.text(&format!("no {text} here"));
            assert!(!redacted.contains("7946"), "{text}: {redacted}");
        }
    }

    #[test]
    fn an_address_and_an_e_mail_are_taken_out() {
        let redaction = typed(&[
            ("type", "iban"),
            ("iban", "DE89370400440532013000"),
            ("bic", "COBADEFFXXX"),
            ("email", "Ada.Lovelace@example.com"),
            ("address.line1", "12 St James's Square"),
            ("address.line2", "Flat 3"),
            ("address.city", "London"),
            ("address.postal_code", "SW1Y 4JH"),
            ("address.country", "GB"),
        ]);
        for (text, expected) in [
            ("Write to ADA.LOVELACE@EXAMPLE.COM.", "Write to •••."),
            ("lives at 12 st james's square, flat 3", "lives at •••, •••"),
            ("SW1Y4JH London GB", "••• ••• GB"),
            ("Londoners pay COBADEFFXXX", "Londoners pay COBADEFFXXX"),
        ] {
            assert_eq!(redaction.text(text), expected);
        }
    }

    #[test]
    fn a_reference_keeps_what_names_no_account() {
        let redaction = typed(&[
            ("type", "gb_bank"),
            ("sort_code", "200000"),
            ("account_number", "55779911"),
            ("address.line1", "1 High Street"),
            ("address.city", "Bath"),
            ("address.country", "GB"),
        ]);
        let kept = ProviderReference::new("bath-200000-1").unwrap();
        assert_eq!(redaction.reference(kept.clone()), kept);
        let account = ProviderReference::new("p-55779911").unwrap();
        assert_eq!(redaction.reference(account).as_str(), "p-•••");
    }
}
