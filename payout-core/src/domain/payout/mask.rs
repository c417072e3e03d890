//! Masks: accounts and names as callers without permission to see them receive them.

use crate::payout::{RecipientAccount, RecipientName};

/// The mask: replaces hidden characters, regardless of their number. No account and no name may contain it.
pub const MASK: &str = "•••";

/// The maximum number of characters of an account that are shown; never more than a quarter of it.
const SHOWN_CHARS: usize = 4;
/// The maximum number of words of a name that are shown, so that no mask is longer than a name may be.
const SHOWN_WORDS: usize = 4;

/// Returns the masked end of an account: its last four characters, but never more than a quarter.
pub(super) fn ending(account: &str) -> String {
    let chars = account.chars();
    let length = chars.clone().count();
    let hidden = length - SHOWN_CHARS.min(length / 4);
    format!("{MASK}•{}", chars.skip(hidden).collect::<String>())
}

/// Returns the first letter of a word, and a mask for the others. A word of one letter is hidden whole.
pub(super) fn beginning(word: &str) -> String {
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(_)) => format!("{first}{MASK}"),
        (Some(_) | None, None) | (None, Some(_)) => MASK.to_owned(),
    }
}

impl RecipientAccount {
    /// Returns the masked account, as in `••••3000`: its last four characters; for accounts shorter than 16 characters,
    /// fewer, never more than a quarter.
    pub fn masked(&self) -> String {
        ending(self.as_str())
    }

    /// Returns whether the text is a masked account and not an account.
    pub fn is_masked(&self) -> bool {
        self.as_str().contains(MASK)
    }
}

impl RecipientName {
    /// Returns the masked name, as in `A••• L•••`: the first letter of each of the first four words. A word of one
    /// letter is hidden whole.
    pub fn masked(&self) -> String {
        let words = self.as_str().split_whitespace().take(SHOWN_WORDS).map(beginning);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Returns whether the text is a masked name and not a name.
    pub fn is_masked(&self) -> bool {
        self.as_str().contains(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_account_a_quarter_is_shown_at_the_most() {
        for (account, masked) in [
            ("DE89370400440532013000", "••••3000"),
            ("1234567890123456", "••••3456"),
            ("123456789012345", "••••345"),
            ("12345678", "••••78"),
            ("1234", "••••4"),
            ("123", "••••"),
            ("ÄÖÜß", "••••ß"),
        ] {
            assert_eq!(RecipientAccount::new(account).unwrap().masked(), masked);
        }
    }

    #[test]
    fn of_a_name_the_first_letters_are_shown() {
        for (name, masked) in [
            ("Ada Lovelace", "A••• L•••"),
            ("Ada  King, Countess", "A••• K••• C•••"),
            ("X Æ", "••• •••"),
            ("王小明", "王•••"),
            ("The Bank of Nowhere and Son", "T••• B••• o••• N•••"),
        ] {
            assert_eq!(RecipientName::new(name).unwrap().masked(), masked);
        }
    }

    #[test]
    fn a_mask_is_known_as_one() {
        let (account, name) = (
            RecipientAccount::new("DE89").unwrap(),
            RecipientName::new("Ada").unwrap(),
        );
        assert!(!account.is_masked() && !name.is_masked());
        assert!(RecipientAccount::new(&account.masked()).unwrap().is_masked());
        assert!(RecipientName::new(&name.masked()).unwrap().is_masked());
    }
}
