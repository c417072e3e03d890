//! Recipients with a type: what is accepted, what is refused and how it is named, and the forms they are shown in.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test")]

use payout_core::idempotency::Fingerprint;
use payout_core::money::Money;
use payout_core::payout::{
    MASK, PaymentDetails, Recipient, RecipientAccount, RecipientFields, RecipientName, RecipientType,
};
use payout_core::ports::Search;
use proptest::prelude::*;

const IBAN: &[(&str, &str)] = &[
    ("type", "iban"),
    ("iban", "DE89370400440532013000"),
    ("name", "Ada Lovelace"),
];
const US: &[(&str, &str)] = &[
    ("type", "us_bank"),
    ("routing_number", "021000021"),
    ("account_number", "123456789"),
    ("account_type", "checking"),
    ("name", "Ada Lovelace"),
];
const GB: &[(&str, &str)] = &[
    ("type", "gb_bank"),
    ("sort_code", "200000"),
    ("account_number", "55779911"),
    ("name", "Ada Lovelace"),
];
const EMAIL: &[(&str, &str)] = &[
    ("type", "email"),
    ("email", "ada@example.com"),
    ("name", "Ada Lovelace"),
];
const PHONE: &[(&str, &str)] = &[
    ("type", "phone"),
    ("phone", "+442079460000"),
    ("name", "Ada Lovelace"),
];
const PROVIDER: &[(&str, &str)] = &[
    ("type", "provider_account"),
    ("provider", "stripe-eu"),
    ("id", "acct_1032D82eZvKYlo2C"),
    ("name", "Ada Lovelace"),
];
const PLAIN: &[(&str, &str)] = &[
    ("type", "account"),
    ("account", "ACC-1"),
    ("name", "Ada Lovelace"),
];
const EVERY: [&[(&str, &str)]; 7] = [IBAN, US, GB, EMAIL, PHONE, PROVIDER, PLAIN];
const ADDRESS: &[(&str, &str)] = &[
    ("address.line1", "12 St James's Square"),
    ("address.city", "London"),
    ("address.country", "GB"),
];

fn fields(parts: &[(&str, &str)]) -> RecipientFields {
    let parts = parts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    RecipientFields(parts.collect())
}

/// The parts with some of them changed or added.
fn with(parts: &[(&str, &str)], changes: &[(&str, &str)]) -> RecipientFields {
    let mut fields = fields(parts);
    fields.0.extend(self::fields(changes).0);
    fields
}

fn without(parts: &[(&str, &str)], name: &str) -> RecipientFields {
    let mut fields = fields(parts);
    fields.0.remove(name);
    fields
}

fn recipient(parts: &RecipientFields) -> Recipient {
    Recipient::parse(parts).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The names of the refused parts.
fn refused(parts: &RecipientFields) -> Vec<String> {
    let errors = Recipient::parse(parts).expect_err("a refusal");
    let mut names: Vec<String> = errors.into_iter().map(|error| error.field).collect();
    names.sort();
    names
}

#[test]
fn every_type_has_a_readable_account() {
    for (parts, account) in [
        (IBAN, "DE89370400440532013000"),
        (US, "021000021-123456789"),
        (GB, "200000-55779911"),
        (EMAIL, "ada@example.com"),
        (PHONE, "+442079460000"),
        (PROVIDER, "acct_1032D82eZvKYlo2C"),
        (PLAIN, "ACC-1"),
    ] {
        let recipient = recipient(&fields(parts));
        assert_eq!(recipient.account().as_str(), account);
        assert_eq!(recipient.name().as_str(), "Ada Lovelace");
        assert_eq!(recipient.kind().as_str(), parts[0].1);
    }
    assert_eq!(EVERY.len(), RecipientType::ALL.len());
}

#[test]
fn a_part_has_one_form_however_it_is_spelled() {
    for (parts, spelled) in [
        (IBAN, &[("iban", " de89 3704 0044 0532 0130 00 ")][..]),
        (
            US,
            &[
                ("routing_number", "0210-0002-1"),
                ("account_number", "123 456 789"),
            ],
        ),
        (GB, &[("sort_code", "20-00-00"), ("account_number", "5577 9911")]),
        (EMAIL, &[("email", " ada@EXAMPLE.Com ")]),
        (PHONE, &[("phone", "+44 (20) 7946-0000")]),
        (PROVIDER, &[("id", " acct_1032D82eZvKYlo2C ")]),
        (PLAIN, &[("account", " ACC-1 "), ("name", " Ada Lovelace ")]),
    ] {
        assert_eq!(
            recipient(&with(parts, spelled)),
            recipient(&fields(parts)),
            "{spelled:?}"
        );
    }
    let address = recipient(&with(&[IBAN, ADDRESS].concat(), &[("address.country", "gb")]));
    assert_eq!(address.address().unwrap().country, "GB");
}

#[test]
fn a_part_that_is_not_what_its_name_says_is_refused_by_its_name() {
    let long = "1".repeat(200);
    for (parts, name, texts) in [
        (
            IBAN,
            "iban",
            &[
                "",
                " ",
                "DE88370400440532013000",
                "DE8937040044053201300",
                "DE893704004405320130000",
                "ZZ89370400440532013000",
                "DE89-3704-0044-0532-0130-00",
                "ＤＥ89370400440532013000",
                "DE8９370400440532013000",
                "DE89370400440532013000\0",
                "DE89\u{200b}370400440532013000",
                "DE89\u{a0}3704 0044 0532 0130 00",
                &long,
            ][..],
        ),
        (
            US,
            "routing_number",
            &[
                "",
                "021000022",
                "02100002",
                "0210000211",
                "000000000",
                "０２１０００021",
                "-021000021",
                &long,
            ],
        ),
        (
            US,
            "account_number",
            &[
                "",
                "123",
                "123456789012345678",
                "12a4",
                "１２３４",
                "1234\0",
                "-123456789",
                " 123456789- ",
                "1.23456789E+8",
                &long,
            ],
        ),
        (US, "account_type", &["", "Checking", "current", "checking "]),
        (
            GB,
            "sort_code",
            &["", "20000", "2000000", "20:00:00", "２０0000", "-200000"],
        ),
        (
            GB,
            "account_number",
            &["", "5577991", "557799111", "5577991x", "-55779911"],
        ),
        (
            EMAIL,
            "email",
            &[
                "",
                "ada",
                "ada@",
                "@example.com",
                "ada@example",
                "a b@example.com",
                "ada@exa mple.com",
                ".ada@example.com",
                "a..b@example.com",
                "ada@-example.com",
                "adä@example.com",
                "ada@example.com\0",
                "ada@example.com, eve@example.com",
                &format!("{long}@example.com"),
            ],
        ),
        (
            PHONE,
            "phone",
            &[
                "",
                "442079460000",
                "+0442079460000",
                "+44207",
                "+4420794600001234",
                "+44x",
                "＋442079460000",
                "+４42079460000",
                "+44 (0)20 7946 0000",
                "+44(020)79460000",
                "+44 ( 0 ) 20 7946 0000",
                "00442079460000",
                "+00442079460000",
                "+44 20 7946 0000 ext. 5",
                "+44 20 7946 0000x5",
                "+44 20 7946 0000;ext=5",
                "+44 20 7946 0000 / 0001",
                "tel:+442079460000",
            ],
        ),
        (PROVIDER, "provider", &["", "Stripe", "-x", "a b", &long]),
        (PROVIDER, "id", &["", " ", "a b", "ä", "a\0", &long]),
        (PLAIN, "account", &["", " ", "a\0b", "a\u{200b}b", &long]),
        (PLAIN, "name", &["", " ", "a\0b", "a\u{202e}b", &long]),
        (PLAIN, "type", &["", "IBAN", "bank", "account "]),
        (PLAIN, "entity", &["", "person", "Business"]),
        (PLAIN, "email", &["", "ada"]),
    ] {
        for text in texts {
            assert_eq!(refused(&with(parts, &[(name, text)])), [name], "{text:?}");
        }
    }
}

#[test]
fn a_bic_is_of_a_bank_in_the_country_of_the_iban() {
    for (iban, bic) in [
        ("DE89370400440532013000", "COBADEFF"),
        ("DE89370400440532013000", "cobadeffxxx"),
        ("FR1420041010050500013M02606", "BNPAREPPXXX"),
        ("GB29NWBK60161331926819", "NWBKJESX"),
    ] {
        let bic = recipient(&with(IBAN, &[("iban", iban), ("bic", bic)])).fields();
        assert!(
            bic.get("bic")
                .is_some_and(|bic| bic.len() == 8 || bic.len() == 11)
        );
    }
    for bic in [
        "",
        "COBADE",
        "COBADEFFXX",
        "COBAZZFF",
        "COBADEFF XXX",
        "NWBKGB2L",
        "COBA\u{ff24}EFF",
    ] {
        assert_eq!(refused(&with(IBAN, &[("bic", bic)])), ["bic"], "{bic}");
    }
}

#[test]
fn every_wrong_missing_and_unknown_part_is_named_at_once() {
    assert_eq!(refused(&RecipientFields::default()), ["name", "type"]);
    assert_eq!(
        refused(&fields(&[
            ("type", "us_bank"),
            ("routing_number", "1"),
            ("iban", "DE89370400440532013000"),
            ("address.city", ""),
            ("address.country", "UK"),
            ("address.street", "x"),
            ("Name", "Ada"),
        ])),
        [
            "Name",
            "account_number",
            "account_type",
            "address.city",
            "address.country",
            "address.line1",
            "address.street",
            "iban",
            "name",
            "routing_number",
        ]
    );
    for parts in EVERY {
        let kind = recipient(&fields(parts)).kind();
        for part in kind.account_fields().iter().filter(|part| part.required) {
            assert_eq!(refused(&without(parts, part.name)), [part.name]);
        }
        assert_eq!(refused(&with(parts, &[("swift", "x")])), ["swift"]);
    }
}

#[test]
fn parts_of_other_types_are_unknown() {
    for kind in RecipientType::ALL {
        for other in RecipientType::ALL.iter().flat_map(|kind| kind.account_fields()) {
            let own = kind.account_fields().iter().any(|part| part.name == other.name);
            if !own && other.name != "email" {
                let parts = EVERY.iter().find(|parts| parts[0].1 == kind.as_str()).unwrap();
                assert_eq!(refused(&with(parts, &[(other.name, "1")])), [other.name]);
            }
        }
    }
}

#[test]
fn without_a_type_the_parts_of_all_types_are_known() {
    assert_eq!(refused(&without(IBAN, "type")), ["type"]);
}

#[test]
fn an_address_is_whole_and_printable() {
    let whole = [IBAN, ADDRESS].concat();
    assert_eq!(recipient(&fields(&whole)).address().unwrap().city, "London");
    for (part, _) in ADDRESS {
        assert_eq!(refused(&without(&whole, part)), [*part]);
    }
    for name in ["line1", "line2", "city", "postal_code", "region"] {
        let name = format!("address.{name}");
        for text in ["", "a\0b", "a\nb", "a\u{200b}b", &"x".repeat(129)] {
            assert_eq!(
                refused(&with(&whole, &[(&name, text)])),
                [name.as_str()],
                "{text:?}"
            );
        }
        assert!(Recipient::parse(&with(&whole, &[(&name, &"x".repeat(128))])).is_ok());
    }
}

#[test]
fn a_mask_is_no_recipient() {
    for parts in EVERY {
        let masked = recipient(&fields(parts)).masked_fields();
        let errors = Recipient::parse(&masked).unwrap_err();
        assert!(
            errors.iter().all(|error| error.message.contains("mask")),
            "{errors:?}"
        );
    }
}

#[test]
fn a_masked_recipient_shows_no_more_than_a_hint() {
    let full = |parts: &[(&str, &str)]| {
        let more = [
            ("email", "ada@example.com"),
            ("address.postal_code", "SW1Y 4JH"),
            ("entity", "individual"),
        ];
        recipient(&with(&[parts, ADDRESS].concat(), &more))
    };
    for (parts, account, shown) in [
        (IBAN, "••••3000", ("iban", "••••3000")),
        (US, "••••89", ("routing_number", "021000021")),
        (GB, "••••11", ("account_number", "••••11")),
        (EMAIL, "a•••@e•••.com", ("email", "a•••@e•••.com")),
        (PHONE, "••••000", ("phone", "••••000")),
        (PROVIDER, "••••lo2C", ("provider", "stripe-eu")),
        (PLAIN, "••••1", ("account", "••••1")),
    ] {
        let recipient = full(parts);
        assert_eq!(recipient.masked_account(), account);
        let masked = recipient.masked_fields();
        assert_eq!(masked.get(shown.0), Some(shown.1));
        assert_eq!(masked.get("name"), Some("A••• L•••"));
        assert_eq!(masked.get("email"), Some("a•••@e•••.com"));
        let address: Vec<(&str, &str)> = masked.of_address().collect();
        assert_eq!(address, [("country", "GB")]);
        let all: String = masked.0.values().map(String::as_str).collect();
        for secret in [
            "Ada", "ada@", "55779911", "1234567", "DE89", "London", "SW1Y", "ACC",
        ] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    let short = recipient(&with(EMAIL, &[("email", "a@b.co.uk")]));
    assert_eq!(short.masked_account(), "•••@b•••.uk");
}

#[test]
fn debug_output_has_no_personal_data() {
    let more = [("email", "contact@example.com")];
    for parts in EVERY {
        let fields = with(
            &[parts, ADDRESS].concat(),
            if parts == EMAIL { &[] } else { &more },
        );
        let shown = format!("{fields:?} {:?}", recipient(&fields));
        for (name, text) in &fields.0 {
            let public = matches!(
                name.as_str(),
                "type" | "entity" | "address.country" | "account_type"
            );
            assert!(public || !shown.contains(text.as_str()), "{name}: {shown}");
        }
    }
}

fn fingerprint(recipient: Recipient) -> Fingerprint {
    let money = Money::new("10.50".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
    Fingerprint::of_create(&PaymentDetails::new(money, recipient))
}

#[test]
fn a_typed_request_is_another_than_a_plain_one_with_the_same_account() {
    for parts in EVERY {
        let typed = recipient(&fields(parts));
        let plain = Recipient::new(
            RecipientAccount::new(typed.account().as_str()).unwrap(),
            RecipientName::new("Ada Lovelace").unwrap(),
        );
        assert_eq!(
            fingerprint(typed) == fingerprint(plain),
            parts == PLAIN,
            "{parts:?}"
        );
    }
}

#[test]
fn each_further_part_changes_the_fingerprint() {
    let plain = fields(&[IBAN, ADDRESS].concat());
    let first = fingerprint(recipient(&plain));
    for (name, text) in [
        ("bic", "COBADEFFXXX"),
        ("email", "ada@example.com"),
        ("entity", "business"),
        ("address.line1", "13 St James's Square"),
        ("address.line2", "x"),
        ("address.region", "x"),
        ("address.postal_code", "x"),
        ("address.country", "DE"),
    ] {
        let mut changed = plain.clone();
        changed.0.insert(name.to_owned(), text.to_owned());
        assert_ne!(fingerprint(recipient(&changed)), first, "{name}");
    }
}

#[test]
fn a_search_finds_each_type_in_every_spelling() {
    for (parts, searches) in [
        (
            IBAN,
            &["DE89370400440532013000", "de89 3704 0044 0532 0130 00"][..],
        ),
        (
            US,
            &[
                "021000021-123456789",
                "021000021 123456789",
                "0210 0002 1-123 456 789",
            ],
        ),
        (GB, &["200000-55779911", "20-00-00 55779911", "20-00-00-55779911"]),
        (EMAIL, &["ada@example.com", "ada@EXAMPLE.com"]),
        (
            PHONE,
            &["+442079460000", "+44 20 7946 0000", "+44 (20) 7946-0000"],
        ),
        (PROVIDER, &["acct_1032D82eZvKYlo2C"]),
    ] {
        let account = recipient(&fields(parts)).account().clone();
        for text in searches {
            let search = Search::new(text).unwrap();
            assert!(search.finds_account(account.as_str()), "{text}");
            assert!(
                parts == IBAN || search.accounts().iter().any(|one| one == account.as_str()),
                "{text}"
            );
        }
    }
    for (account, text) in [
        ("200000-55779911", "20000055779911"),
        ("ada@example.com", "ADA@example.com"),
        ("+442079460000", "442079460000"),
        ("ACC-1", "acc-1"),
    ] {
        assert!(!Search::new(text).unwrap().finds_account(account), "{text}");
    }
}

#[test]
fn a_stored_recipient_is_restored_as_it_was_accepted() {
    for parts in EVERY {
        let more = [("entity", "business")];
        let stored = recipient(&with(&[parts, ADDRESS].concat(), &more));
        let details = stored.details().unwrap();
        assert!(details.get("name").is_none());
        let restored = Recipient::restore(stored.account().clone(), stored.name().clone(), &details);
        assert_eq!(restored.unwrap(), stored);
    }
    assert_eq!(recipient(&fields(PLAIN)).details(), None);
}

#[test]
fn a_stored_part_that_today_is_refused_is_restored() {
    let details = fields(&[("type", "iban"), ("iban", "ZZ00"), ("bic", "X")]);
    let name = RecipientName::new("Ada").unwrap();
    let account = RecipientAccount::new("ZZ00").unwrap();
    let restored = Recipient::restore(account, name.clone(), &details).unwrap();
    assert_eq!(restored.account().as_str(), "ZZ00");
    let another = RecipientAccount::new("ZZ01").unwrap();
    assert!(Recipient::restore(another, name, &details).is_err());
}

fn any_recipient() -> impl Strategy<Value = RecipientFields> {
    let account = prop_oneof![
        (0..100_u64).prop_map(|number| {
            let bban = format!("37040044{number:010}");
            let check = 98
                - bban
                    .bytes()
                    .chain("131400".bytes())
                    .fold(0_u32, |sum, digit| (sum * 10 + u32::from(digit - b'0')) % 97);
            with(IBAN, &[("iban", &format!("de{check:02} {bban}"))])
        }),
        "[0-9]{4,17}".prop_map(|number| with(US, &[("account_number", &number)])),
        ("[0-9]{2}-[0-9]{2}-[0-9]{2}", "[0-9]{8}")
            .prop_map(|(code, number)| with(GB, &[("sort_code", &code), ("account_number", &number)])),
        "[a-z]{1,20}@[A-Za-z]{1,10}\\.[a-z]{2,5}".prop_map(|address| with(EMAIL, &[("email", &address)])),
        "\\+[1-9][0-9 ]{6,14}[0-9]"
            .prop_filter("7 to 15 digits", |text| text
                .bytes()
                .filter(u8::is_ascii_digit)
                .count()
                >= 7)
            .prop_map(|number| with(PHONE, &[("phone", &number)])),
        "[!-~]{1,128}".prop_map(|id| with(PROVIDER, &[("id", &id)])),
        "[ -~]{1,60}[a-z]".prop_map(|account| with(PLAIN, &[("account", &account)])),
    ];
    let extras = (any::<bool>(), any::<bool>(), "[ -~é王]{0,40}x");
    (account, extras).prop_map(|(mut parts, (has_address, has_entity, text))| {
        parts.0.insert("name".to_owned(), text.clone());
        if has_address {
            parts.0.extend(fields(ADDRESS).0);
            parts.0.insert("address.line2".to_owned(), text);
        }
        if has_entity {
            parts.0.insert("entity".to_owned(), "business".to_owned());
        }
        parts
    })
}

proptest! {
    #[test]
    fn a_recipient_is_the_same_after_a_round_trip(parts in any_recipient()) {
        let parsed = recipient(&parts);
        let again = recipient(&parsed.fields());
        prop_assert_eq!(&again, &parsed);
        prop_assert_eq!(again.fields(), parsed.fields());
        let details = parsed.details().unwrap_or_else(|| fields(&[("type", "account")]));
        let restored = Recipient::restore(parsed.account().clone(), parsed.name().clone(), &details).unwrap();
        prop_assert_eq!(restored, parsed);
    }

    #[test]
    fn any_texts_are_parsed_or_refused_by_name(parts in prop::collection::btree_map("[a-z_.]{0,12}|type|iban|name|address\\.city", "\\PC{0,12}|iban|email|phone", 0..8)) {
        let given = RecipientFields(parts);
        if let Err(errors) = Recipient::parse(&given) {
            prop_assert!(!errors.is_empty());
        }
    }

    #[test]
    fn every_mask_has_the_sign_of_a_mask(parts in any_recipient()) {
        let recipient = recipient(&parts);
        prop_assert!(recipient.masked_account().contains(MASK));
        prop_assert!(recipient.masked_account().chars().count() <= RecipientAccount::MAX_CHARS);
        prop_assert!(recipient.masked_fields().get("name").is_some_and(|name| name.contains(MASK)));
    }
}
