use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "/////////////////////////////////////////wE=";

fn ring(text: &str) -> EncryptionKeys {
    EncryptionKeys::parse(text).unwrap()
}

fn seal(keys: &EncryptionKeys, text: &[u8], place: Place<'_>) -> Vec<u8> {
    keys.current().unwrap().seal(text, &place).unwrap()
}

#[test]
fn keys_are_read_as_openssl_writes_them() {
    let keys = ring(&format!("new:{TWO}, old:{}", ONE.trim_end_matches('=')));
    assert_eq!(keys.ids().collect::<Vec<_>>(), ["new", "old"]);
    assert!(!keys.is_empty());
    assert!(EncryptionKeys::default().is_empty());
}

#[test]
fn what_is_no_key_is_refused_without_being_shown() {
    for (text, expected) in [
        (
            String::new(),
            "key number 1 is not id:base64, with an id of 1 to 32 letters, digits, - and _",
        ),
        (
            ONE.to_owned(),
            "key number 1 is not id:base64, with an id of 1 to 32 letters, digits, - and _",
        ),
        (
            format!("a:{ONE},b c:{TWO}"),
            "key number 2 is not id:base64, with an id of 1 to 32 letters, digits, - and _",
        ),
        (
            format!("{}:{ONE}", "x".repeat(33)),
            "key number 1 is not id:base64, with an id of 1 to 32 letters, digits, - and _",
        ),
        (
            "a:hunter2".to_owned(),
            "the key \"a\" is not 32 bytes in base64: make one with `openssl rand -base64 32`",
        ),
        (
            format!("a:{}", &ONE[..40]),
            "the key \"a\" is not 32 bytes in base64: make one with `openssl rand -base64 32`",
        ),
        (
            format!("a:{ONE}{ONE}"),
            "the key \"a\" is not 32 bytes in base64: make one with `openssl rand -base64 32`",
        ),
        (format!("a:{ONE},a:{TWO}"), "the id \"a\" is given twice"),
    ] {
        assert_eq!(EncryptionKeys::parse(&text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_keyring_shows_its_ids_and_nothing_else() {
    assert_eq!(
        format!("{:?}", ring(&format!("a:{ONE},b:{TWO}"))),
        "[Key(a: ***), Key(b: ***)]"
    );
}

#[test]
fn the_same_text_is_never_sealed_the_same_twice() {
    let (keys, place) = (ring(&format!("a:{ONE}")), Place::Recipient(Uuid::nil()));
    assert_ne!(seal(&keys, b"text", place), seal(&keys, b"text", place));
}

#[test]
fn what_an_older_key_sealed_opens_as_long_as_it_is_there() {
    let place = Place::Recipient(Uuid::from_u128(7));
    let sealed = seal(&ring(&format!("old:{ONE}")), b"text", place);
    let both = ring(&format!("new:{TWO},old:{ONE}"));
    assert_eq!(*both.open(&sealed, &place).unwrap(), b"text");
    let key_id = "old".to_owned();
    assert_eq!(
        ring(&format!("new:{TWO}")).open(&sealed, &place),
        Err(OpenError::UnknownKey { key_id })
    );
    assert_eq!(
        ring(&format!("old:{TWO}")).open(&sealed, &place),
        Err(OpenError::Altered)
    );
}

#[test]
fn digests_are_of_one_key_and_one_kind() {
    let (one, two) = (ring(&format!("a:{ONE}")), ring(&format!("a:{TWO}")));
    let digest = |keys: &EncryptionKeys, kind, text| keys.current().unwrap().digest(kind, text);
    let account = digest(&one, "account", "DE89");
    assert_eq!(account, digest(&one, "account", "DE89"));
    assert_eq!(account.len(), 22);
    for other in [
        digest(&one, "account", "DE8"),
        digest(&one, "name", "DE89"),
        digest(&two, "account", "DE89"),
    ] {
        assert_ne!(account, other);
    }
}

proptest! {
    #[test]
    fn what_was_sealed_for_a_place_opens_there(text: Vec<u8>, id: u128, key in "[!-~]{1,64}") {
        let keys = ring(&format!("a:{ONE}"));
        for place in [Place::Recipient(Uuid::from_u128(id)), Place::Answer(Uuid::from_u128(id), &key), Place::Proof] {
            let sealed = seal(&keys, &text, place);
            prop_assert_eq!(&*keys.open(&sealed, &place).unwrap(), &text);
        }
    }

    #[test]
    fn nothing_opens_at_another_place(text: Vec<u8>, id: u128, other: u128, key in "[!-~]{1,64}", stranger in "[!-~]{1,64}") {
        prop_assume!(id != other && key != stranger);
        let keys = ring(&format!("a:{ONE}"));
        let (id, other) = (Uuid::from_u128(id), Uuid::from_u128(other));
        let places = [
            Place::Recipient(id), Place::Recipient(other), Place::Answer(id, &key), Place::Answer(other, &key),
            Place::Answer(id, &stranger), Place::Answer(id, ""), Place::Proof,
        ];
        for sealed_for in places {
            let sealed = seal(&keys, &text, sealed_for);
            for opened_at in places {
                let opened = keys.open(&sealed, &opened_at);
                prop_assert_eq!(opened.is_ok(), sealed_for == opened_at, "{:?} at {:?}", sealed_for, opened_at);
            }
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed(text: Vec<u8>, bit: prop::sample::Index) {
        let (keys, place) = (ring(&format!("a:{ONE}")), Place::Proof);
        let mut sealed = seal(&keys, &text, place);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(keys.open(&sealed, &place).is_err());
    }

    #[test]
    fn whatever_is_cut_short_or_was_never_sealed_is_refused(text: Vec<u8>, kept: prop::sample::Index, noise: Vec<u8>) {
        let (keys, place) = (ring(&format!("a:{ONE}")), Place::Proof);
        let sealed = seal(&keys, &text, place);
        prop_assert!(keys.open(&sealed[..kept.index(sealed.len())], &place).is_err());
        prop_assert!(keys.open(&noise, &place).is_err());
    }
}

fn paid() -> Paid<'static> {
    Paid {
        id: Uuid::from_u128(1),
        generation: 0,
        amount: rust_decimal::Decimal::new(1050, 2),
        currency: "USD",
        recipient: "ACC\0Ada",
        description: "Invoice 7",
        statement_text: None,
        provider_key: None,
        changed_version: 1,
    }
}

#[test]
fn a_code_is_its_rows_own_whatever_else_is_equal() {
    let keys = ring(&format!("one:{ONE}"));
    let mac = keys.protect(&paid()).unwrap();
    assert_eq!(keys.verify(Some(&mac), &paid()), Ok(()));
    let elsewhere = Paid {
        id: Uuid::from_u128(2),
        ..paid()
    };
    assert_eq!(keys.verify(Some(&mac), &elsewhere), Err(OpenError::Altered));
    // The store may return the amount with another number of decimals.
    let scaled = Paid {
        amount: rust_decimal::Decimal::new(105_000, 4),
        ..paid()
    };
    assert_eq!(keys.verify(Some(&mac), &scaled), Ok(()));
    let shifted = Paid {
        description: "nvoice 7",
        recipient: "ACC\0AdaI",
        ..paid()
    };
    assert_eq!(keys.verify(Some(&mac), &shifted), Err(OpenError::Altered));
}

#[test]
fn a_code_is_of_the_statement_text_where_there_is_one() {
    let keys = ring(&format!("one:{ONE}"));
    let noted = |text| Paid {
        statement_text: text,
        ..paid()
    };
    for (protected, read) in [
        (None, Some("Salary")),
        (Some("Salary"), None),
        (Some("Salary"), Some("Salary 2")),
    ] {
        let mac = keys.protect(&noted(protected)).unwrap();
        assert_eq!(keys.verify(Some(&mac), &noted(protected)), Ok(()));
        assert_eq!(keys.verify(Some(&mac), &noted(read)), Err(OpenError::Altered));
    }
}

#[test]
fn a_code_is_its_keys_own_and_may_be_missing_only_until_all_rows_have_one() {
    let keys = ring(&format!("one:{ONE}"));
    let mac = keys.protect(&paid()).unwrap();
    let others = ring(&format!("one:{TWO}"));
    assert_eq!(others.verify(Some(&mac), &paid()), Err(OpenError::Altered));
    let unknown = EncryptionKeys::default().verify(Some(&mac), &paid());
    assert!(
        matches!(unknown, Err(OpenError::UnknownKey { .. })),
        "{unknown:?}"
    );
    for cut in 0..mac.len() {
        assert!(keys.verify(Some(&mac[..cut]), &paid()).is_err(), "{cut}");
    }
    assert_eq!(keys.verify(None, &paid()), Ok(()));
    keys.clone().become_strict();
    assert_eq!(keys.verify(None, &paid()), Err(OpenError::Unprotected));
    assert_eq!(keys.verify(Some(&mac), &paid()), Ok(()));
}
