//! The search for an account or a name.

use crate::payout::{normal_iban, spellings};
use crate::text::{fold, nfc, nfd};

/// Matches a payout whose account is exactly this text, or the same IBAN with or without spaces and in any case, or whose
/// recipient's name begins with it in any case. A repository that keeps names sealed finds a name only by all of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Search(String);

impl Search {
    /// Takes the text without the white space around it, in Normalization Form C; absent when nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = nfc(text.trim());
        (!text.is_empty()).then(|| Self(text.into_owned()))
    }

    /// The account to find, as it was asked for.
    pub fn account(&self) -> &str {
        &self.0
    }

    /// The accounts to find: this text and, where it is an IBAN, each way in which the same one is usually written. A
    /// repository that keeps something of the account that is the same for all of them need not try them.
    pub fn accounts(&self) -> Vec<String> {
        let mut accounts = vec![self.0.clone()];
        if let Some(normal) = normal_iban(&self.0) {
            accounts.extend(
                spellings(&normal)
                    .into_iter()
                    .filter(|spelled| *spelled != self.0),
            );
        }
        accounts
    }

    /// Whether it is a search for this account.
    pub fn finds_account(&self, account: &str) -> bool {
        self.0 == account || normal_iban(&self.0).is_some_and(|normal| normal_iban(account) == Some(normal))
    }

    /// Whether what it is for is an IBAN.
    pub fn is_iban(&self) -> bool {
        normal_iban(&self.0).is_some()
    }

    /// The beginning of a name to find, folded as [`fold_name`](Self::fold_name) folds.
    pub fn name_prefix(&self) -> String {
        Self::fold_name(&self.0)
    }

    /// The beginnings of a name to find: folded as [`fold_name`](Self::fold_name) folds, and as names were folded before
    /// (by lower case alone, as they were sent), so that what was stored then is found as it was. None begins with another.
    pub fn name_prefixes(&self) -> Vec<String> {
        let mut prefixes = self.folded_names();
        let all = prefixes.clone();
        prefixes.retain(|prefix| {
            !all.iter()
                .any(|other| prefix != other && prefix.starts_with(other.as_str()))
        });
        prefixes
    }

    /// The whole names to find, folded in the same ways.
    pub fn folded_names(&self) -> Vec<String> {
        let mut names = vec![self.name_prefix()];
        for before in [self.0.to_lowercase(), nfd(&self.0).to_lowercase()] {
            if !names.contains(&before) {
                names.push(before);
            }
        }
        names
    }

    /// How names are folded, so that every repository finds the same.
    pub fn fold_name(name: &str) -> String {
        fold(name)
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Search(…)")
    }
}
