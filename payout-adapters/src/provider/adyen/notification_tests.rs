use serde_json::{Value, json};

use super::*;

const KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

fn signed(body: &str, key: &[u8], header: &str) -> Notification {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(key).unwrap();
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Notification {
        headers: vec![(header.to_owned(), signature)],
        body: body.as_bytes().to_vec(),
    }
}

fn key_bytes() -> Vec<u8> {
    let byte = |place: usize| u8::from_str_radix(&KEY[place..place + 2], 16).unwrap();
    (0..KEY.len()).step_by(2).map(byte).collect()
}

fn verifies(notification: &Notification) -> bool {
    let key = NotificationKey::new(&KEY.into()).unwrap();
    key.verify(notification).is_ok()
}

#[test]
fn only_the_signature_of_the_raw_body_under_the_key_is_valid() {
    let body = r#"{"data":{},"type":"x"}"#;
    let genuine = signed(body, &key_bytes(), "hmacsignature");
    assert!(verifies(&genuine));
    let mut spaced = genuine.clone();
    spaced.body.push(b' ');
    let mut doubled = genuine.clone();
    doubled.headers.extend(genuine.headers.clone());
    let with = |value: &str| Notification {
        headers: vec![("hmacsignature".to_owned(), value.to_owned())],
        ..genuine.clone()
    };
    for forged in [
        spaced,
        doubled,
        with(""),
        with("AAAA"),
        with("not base64!"),
        signed(body, b"another key", "hmacsignature"),
        signed(body, KEY.as_bytes(), "hmacsignature"),
        signed(body, &key_bytes(), "signature"),
        Notification::default(),
    ] {
        assert!(!verifies(&forged), "{forged:?}");
    }
}

#[test]
fn a_key_that_is_not_hexadecimal_is_refused() {
    for key in ["", "abc", "zz", "+1+1", "\u{e9}a"] {
        assert!(NotificationKey::new(&key.into()).is_none(), "{key}");
    }
    assert!(NotificationKey::new(&format!("{KEY}\n").as_str().into()).is_some());
}

fn event(kind: &str, data: Value) -> Value {
    json!({"type": kind, "environment": "live", "data": data})
}

fn names(body: &Value) -> Vec<PaymentName> {
    read(body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_notification_names_its_transfer_by_our_key_and_adyens_id() {
    let id = |id: &str| PaymentName::Reference(ProviderReference::new(id).unwrap());
    for kind in TYPES {
        let reference = "01934567-89ab-7def-8123-456789abcdef-12";
        let body = event(
            kind,
            json!({"id": "TR1", "reference": reference, "status": "booked"}),
        );
        let key = PaymentName::Key("01934567-89ab-7def-8123-456789abcdef:12".to_owned());
        assert_eq!(names(&body), [key, id("TR1")]);
        let foreign = event(kind, json!({"id": "TR1", "reference": "of another system"}));
        assert_eq!(names(&foreign), [id("TR1")]);
    }
    let several = json!([
        event(TYPES[0], json!({"id": "TR1"})),
        event("balancePlatform.transaction.created", json!({"id": "T"})),
        event(TYPES[1], json!({"id": "TR2", "sequenceNumber": 3})),
    ]);
    assert_eq!(names(&several), [id("TR1"), id("TR2")]);
}

#[test]
fn what_is_of_another_type_names_nothing() {
    for body in [
        event("balancePlatform.accountHolder.updated", json!({"id": "AH"})),
        json!({}),
        json!({"type": TYPES[0]}),
        event(TYPES[0], json!({})),
        json!([]),
    ] {
        assert_eq!(names(&body), [], "{body}");
    }
}

#[test]
fn what_is_not_json_of_this_form_is_unreadable() {
    for body in ["", "{", "7", r#"{"type":7}"#, r#"{"type":"x","data":7}"#] {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
}
