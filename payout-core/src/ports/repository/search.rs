//! The search for an account or a recipient's name.

use crate::payout::{normal_iban, readable_forms, spellings};
use crate::text::{fold, nfc, nfd};

/// A search text. It matches a payout by its account (exactly, as the same IBAN in any case and with or without spaces,
/// or as a typed account in any spelling that its type accepts), or by the beginning of the recipient's name in any case. A repository that encrypts names finds only whole
/// names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Search(String);

impl Search {
    /// Trims the text and normalizes it to NFC. Absent if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = nfc(text.trim());
        (!text.is_empty()).then(|| Self(text.into_owned()))
    }

    /// Returns the account to find, as it was given.
    pub fn account(&self) -> &str {
        &self.0
    }

    /// Returns the spellings of the account to find: the given text, the readable form of each typed account that it may
    /// name and, if it is an IBAN, its usual spellings. A repository that stores a normalized form of the account does
    /// not need the latter.
    pub fn accounts(&self) -> Vec<String> {
        let mut accounts = vec![self.0.clone()];
        let spelled = normal_iban(&self.0).map(|normal| spellings(&normal));
        for account in spelled.into_iter().flatten().chain(readable_forms(&self.0)) {
            if !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        accounts
    }

    /// Returns whether the search matches this account.
    pub fn finds_account(&self, account: &str) -> bool {
        self.0 == account
            || normal_iban(&self.0).is_some_and(|normal| normal_iban(account) == Some(normal))
            || readable_forms(&self.0).iter().any(|form| form == account)
    }

    /// Returns whether the account to find has further spellings: [`accounts`](Self::accounts) names them.
    pub fn has_spellings(&self) -> bool {
        self.accounts().len() > 1
    }

    /// Returns the prefix of a name to find, folded as by [`fold_name`](Self::fold_name).
    pub fn name_prefix(&self) -> String {
        Self::fold_name(&self.0)
    }

    /// Returns the prefixes of a name to find: folded as by [`fold_name`](Self::fold_name), and as earlier releases
    /// folded names (lower case only, without normalization), so that older rows are found too. None is a prefix of
    /// another.
    pub fn name_prefixes(&self) -> Vec<String> {
        let mut prefixes = self.folded_names();
        let all = prefixes.clone();
        prefixes.retain(|prefix| {
            !all.iter()
                .any(|other| prefix != other && prefix.starts_with(other.as_str()))
        });
        prefixes
    }

    /// Returns the whole names to find, in each of these foldings.
    pub fn folded_names(&self) -> Vec<String> {
        let mut names = vec![self.name_prefix()];
        for before in [self.0.to_lowercase(), nfd(&self.0).to_lowercase()] {
            if !names.contains(&before) {
                names.push(before);
            }
        }
        names
    }

    /// Folds a name, so that every repository finds the same payouts.
    pub fn fold_name(name: &str) -> String {
        fold(name)
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Search(…)")
    }
}
