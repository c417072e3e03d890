//! Who is paid, as it is shown to whoever may not see it.

use crate::payout::{RecipientAccount, RecipientName};

/// Stands for what is not shown, however long it is. No account and no name may have it.
pub const MASK: &str = "•••";

/// So many characters of an account are shown, and at most a quarter of it.
const SHOWN_CHARS: usize = 4;
/// So many words of a name are shown, so that its mask is never longer than a name.
const SHOWN_WORDS: usize = 4;

impl RecipientAccount {
    /// `••••3000`: the last four characters, and of an account shorter than 16 fewer, never more than a quarter.
    pub fn masked(&self) -> String {
        let chars = self.as_str().chars();
        let length = chars.clone().count();
        let hidden = length - SHOWN_CHARS.min(length / 4);
        format!("{MASK}•{}", chars.skip(hidden).collect::<String>())
    }

    /// Whether this is no account, but what somebody was shown of one.
    pub fn is_masked(&self) -> bool {
        self.as_str().contains(MASK)
    }
}

impl RecipientName {
    /// `A••• L•••`: of each of the first four words the first letter; of a word of one letter, nothing.
    pub fn masked(&self) -> String {
        let words = self.as_str().split_whitespace().take(SHOWN_WORDS).map(|word| {
            let mut chars = word.chars();
            match (chars.next(), chars.next()) {
                (Some(first), Some(_)) => format!("{first}{MASK}"),
                (Some(_) | None, None) | (None, Some(_)) => MASK.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether this is no name, but what somebody was shown of one.
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
