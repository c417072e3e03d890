//! Cases for the search in a repository that encrypts names.

use std::collections::HashSet;

use super::filters::found_by;
use crate::contract::{Pair, build, drive};
use crate::payout::{PaymentDetails, PayoutId};
use crate::ports::PayoutRepository;

type Repository = Pair<dyn PayoutRepository>;

/// A search finds an account and a name only by all of their characters, in any case of any script.
pub async fn a_search_finds_exact_accounts_and_whole_names(Pair { port, .. }: Repository) {
    let store = async |account: &str, name: &str| -> PayoutId {
        let details = PaymentDetails {
            recipient: build::recipient_of(account, name),
            ..build::details()
        };
        drive::store(&*port, build::of_details(details)).await.id()
    };
    let ada = store("DE89370400440532013000", "Ada Lovelace").await;
    let another = store("DE1", "ADA LOVELACE").await;
    let umlaut = store("de893704", "Ärzte ohne Grenzen").await;
    let greek = store("GR1", "ΟΔΥΣΣΕΥΣ").await;
    let sharp = store("CH1", "Straße").await;
    let decomposed = store("FR1", "Rene\u{301}e").await;
    let namesake = store("Ada Lovelace", "DE1").await;
    for (text, expected) in [
        ("DE89370400440532013000", vec![ada]),
        ("de89370400440532013000", vec![ada]),
        ("DE8937040044053201300", vec![]),
        ("de893704", vec![umlaut]),
        ("ada", vec![]),
        ("ada lovelac", vec![]),
        ("  ada LOVELACE ", vec![ada, another]),
        ("Ada Lovelace", vec![ada, another, namesake]),
        ("DE1", vec![another, namesake]),
        ("äRZTE OHNE GRENZEN", vec![umlaut]),
        ("οδυσσευς", vec![greek]),
        ("STRASSE", vec![sharp]),
        ("ren\u{e9}e", vec![decomposed]),
        ("RENE\u{301}E", vec![decomposed]),
        ("%", vec![]),
        ("***", vec![]),
    ] {
        assert_eq!(
            found_by(&*port, text).await,
            HashSet::from_iter(expected),
            "{text:?}"
        );
    }
}
