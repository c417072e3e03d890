//! Cases for recipients with a type: they are stored, found, edited and replayed whole.

use std::collections::HashSet;

use super::filters::found_by;
use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{PaymentDetails, PayoutId, Recipient, RecipientFields, RecipientType};
use crate::ports::{Filter, ListQuery, Order, PayoutRepository, Position};

type Repository = Pair<dyn PayoutRepository>;

/// Makes a recipient of this type with every part that it may have besides the account.
fn with_every_part(kind: RecipientType) -> Recipient {
    let mut fields = build::recipient_of_type(kind, "stripe-eu").fields();
    let more = [
        ("entity", "individual"),
        ("address.line1", "12 St James's Square \"A\""),
        ("address.line2", "Flat 3, José's"),
        ("address.city", "München"),
        ("address.postal_code", "SW1Y 4JH"),
        ("address.region", "Bayern"),
        ("address.country", "DE"),
    ];
    fields
        .0
        .extend(more.map(|(name, text)| (name.to_owned(), text.to_owned())));
    if kind == RecipientType::Iban {
        fields.0.insert("bic".to_owned(), "COBADEFFXXX".to_owned());
    }
    let email = fields.0.entry("email".to_owned());
    email.or_insert_with(|| "contact@example.com".to_owned());
    Recipient::parse(&fields).unwrap()
}

fn paying(recipient: Recipient) -> PaymentDetails {
    PaymentDetails {
        recipient,
        ..build::details()
    }
}

/// A recipient of every type, with and without further parts, is found, listed and claimed as it was stored.
pub async fn a_recipient_of_every_type_is_read_as_it_was_stored(Pair { port, .. }: Repository) {
    let mut batch = Vec::new();
    for kind in RecipientType::ALL {
        batch.push(build::of_details(paying(build::recipient_of_type(
            *kind,
            "stripe-eu",
        ))));
        batch.push(build::of_details(paying(with_every_part(*kind))));
    }
    port.insert(&batch).await.unwrap();
    let query = ListQuery {
        filter: Filter::default(),
        order: Order::OldestFirst,
        position: Position::Offset(0),
        limit: 100,
    };
    let listed = drive::listed(&*port, &query).await;
    let claims = port.claim(&build::sweep(100, LONG_LEASE)).await.unwrap();
    assert_eq!((claims.won.len(), claims.unreadable.len()), (batch.len(), 0));
    for new in &batch {
        let kind = new.details.recipient.kind().as_str();
        let found = drive::found(&*port, new.id).await;
        assert_eq!(found.details(), &new.details, "{kind}, found");
        let of_list = listed.iter().find(|payout| payout.id() == new.id).unwrap();
        assert_eq!(of_list.details(), &new.details, "{kind}, listed");
        let claim = claims.won.iter().find(|claim| claim.payout().id() == new.id);
        assert_eq!(claim.unwrap().payout().details(), &new.details, "{kind}, claimed");
    }
}

/// A search finds the account of each type in any spelling that the type accepts.
pub async fn a_search_finds_the_account_of_each_type_in_any_spelling(Pair { port, .. }: Repository) {
    let mut stored = Vec::new();
    for kind in RecipientType::ALL {
        let new = build::of_details(paying(with_every_part(*kind)));
        stored.push((*kind, drive::store(&*port, new).await.id()));
    }
    let of = |kind: RecipientType| -> HashSet<PayoutId> {
        let of_kind = stored.iter().filter(|(stored, _)| *stored == kind);
        of_kind.map(|(_, id)| *id).collect()
    };
    for (text, kind) in [
        ("DE89370400440532013000", RecipientType::Iban),
        ("de89 3704 0044 0532 0130 00", RecipientType::Iban),
        ("011000138-123456789", RecipientType::UsBank),
        ("011000138 123 456 789", RecipientType::UsBank),
        ("560036-40308669", RecipientType::GbBank),
        ("56-00-36 40308669", RecipientType::GbBank),
        ("ada@example.com", RecipientType::Email),
        ("ada@EXAMPLE.COM", RecipientType::Email),
        ("+14155550100", RecipientType::Phone),
        ("+1 (415) 555-0100", RecipientType::Phone),
        ("acct_1032D82eZvKYlo2C", RecipientType::ProviderAccount),
    ] {
        assert_eq!(found_by(&*port, text).await, of(kind), "{text}");
    }
    for text in [
        "ADA@example.com",
        "14155550100",
        "40308669",
        "contact@example.com",
        "München",
    ] {
        assert_eq!(found_by(&*port, text).await, HashSet::new(), "{text}");
    }
}

/// An edit replaces a recipient whole: no part of the one before is left.
pub async fn an_edit_replaces_a_recipient_whole(Pair { port, .. }: Repository) {
    for before in RecipientType::ALL {
        for after in RecipientType::ALL {
            let new = build::of_details(paying(with_every_part(*before)));
            let payout = drive::store(&*port, new).await;
            let edited = paying(build::recipient_of_type(*after, "stripe-eu"));
            let change = payout.edit(edited.clone(), build::client()).unwrap();
            let written = drive::apply(&*port, &change).await;
            assert_eq!(
                written.details(),
                &edited,
                "{} to {}",
                before.as_str(),
                after.as_str()
            );
            assert_eq!(drive::found(&*port, written.id()).await, written);
        }
    }
}

/// The stored answer of a key has the recipient of its request, with every part, whatever has changed since.
pub async fn an_answer_with_a_typed_recipient_is_replayed(Pair { port, .. }: Repository) {
    for kind in RecipientType::ALL {
        let key = build::fresh_key();
        let new = build::under(&key, build::of_details(paying(with_every_part(*kind))));
        let first = drive::store(&*port, new.clone()).await;
        let edit = first.clone().edit(build::details(), build::client()).unwrap();
        drive::apply(&*port, &edit).await;
        let answer = port.find_answer(&key).await.unwrap().unwrap();
        assert_eq!(answer.payout, first, "{}", kind.as_str());
        assert!(answer.is_of_create(new.request.unwrap().fingerprint));
        let plain = RecipientFields(
            [
                ("type", "account"),
                ("account", first.details().recipient.account().as_str()),
                ("name", "Ada Lovelace"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        );
        let plain = PaymentDetails {
            recipient: Recipient::parse(&plain).unwrap(),
            ..first.details().clone()
        };
        assert!(!answer.is_of_create(crate::idempotency::Fingerprint::of_create(&plain)));
    }
}
