//! Cases for the search in a repository that stores names unencrypted.

use std::collections::HashSet;

use super::filters::found_by;
use crate::contract::{Pair, build, drive};
use crate::payout::{PaymentDetails, PayoutId};
use crate::ports::PayoutRepository;

type Repository = Pair<dyn PayoutRepository>;

/// A search finds an account by all of its characters, and a name by its prefix, in any case of any script. `%`, `_`
/// and `\` have no special meaning.
pub async fn a_search_finds_exact_accounts_and_beginnings_of_names(Pair { port, .. }: Repository) {
    let store = async |account: &str, name: &str| -> PayoutId {
        let details = PaymentDetails {
            recipient: build::recipient_of(account, name),
            ..build::details()
        };
        drive::store(&*port, build::of_details(details)).await.id()
    };
    let ada = store("DE89370400440532013000", "Ada Lovelace").await;
    let umlaut = store("de893704", "Ärzte ohne Grenzen").await;
    let cyrillic = store("RU1", "Иванов Иван").await;
    let greek = store("GR1", "ΟΔΥΣΣΕΥΣ Κ").await;
    let sharp = store("CH1", "Straße AG").await;
    let decomposed = store("FR1", "Rene\u{301}e").await;
    let percent = store("P%", "100% Fair").await;
    let no_percent = store("P1", "1000 Fair").await;
    let underscore = store("U_", "a_b").await;
    let no_underscore = store("U1", "axb").await;
    let backslash = store("B\\", "back\\slash").await;
    let quote = store("Q'", "O'Brien -- \"x\"").await;
    for (text, expected) in [
        ("DE89370400440532013000", vec![ada]),
        ("de89370400440532013000", vec![ada]),
        ("DE8937040044053201300", vec![]),
        ("de893704", vec![umlaut]),
        ("ada", vec![ada]),
        ("ADA LOVE", vec![ada]),
        ("  Ada  ", vec![ada]),
        ("Lovelace", vec![]),
        ("Ada Lovelace II", vec![]),
        ("ärzte", vec![umlaut]),
        ("ÄRZTE OHNE", vec![umlaut]),
        ("иВАНОВ", vec![cyrillic]),
        ("ΟΔΥΣ", vec![greek]),
        ("οδυσσευς", vec![greek]),
        ("STRASSE", vec![sharp]),
        ("straße ag", vec![sharp]),
        ("STRAß", vec![sharp]),
        ("ren\u{e9}e", vec![decomposed]),
        ("RENE\u{301}", vec![decomposed]),
        ("100%", vec![percent]),
        ("100", vec![percent, no_percent]),
        ("%", vec![]),
        ("P%", vec![percent]),
        ("a_", vec![underscore]),
        ("A", vec![ada, underscore, no_underscore]),
        ("_", vec![]),
        ("U_", vec![underscore]),
        ("BACK\\", vec![backslash]),
        ("back\\\\", vec![]),
        ("\\", vec![]),
        ("o'brien --", vec![quote]),
        ("'", vec![]),
    ] {
        assert_eq!(
            found_by(&*port, text).await,
            HashSet::from_iter(expected),
            "{text:?}"
        );
    }
}
