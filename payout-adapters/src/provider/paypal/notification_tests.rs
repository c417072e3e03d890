//! Tests of the payments that an event names. The tests of the signature are in `tests/paypal.rs`.

use payout_core::payout::PayoutId;
use serde_json::{Value, json};

use super::*;

const ID: &str = "00000000-0000-0000-0000-000000000007";

fn names(body: &Value) -> Result<Vec<PaymentName>, NotificationError> {
    payments(body.to_string().as_bytes())
}

#[test]
fn an_items_event_names_the_payout_the_key_and_the_batch() {
    let body = json!({
        "event_type": "PAYMENT.PAYOUTS-ITEM.SUCCEEDED",
        "resource": {
            "payout_item_id": "8AELMXH8UB2P8",
            "payout_batch_id": "Q8KVJG9TZTNN4",
            "sender_batch_id": format!("{ID}:0"),
            "payout_item": {"sender_item_id": ID},
        },
    });
    let expected = [
        PaymentName::Payout(ID.parse::<PayoutId>().unwrap()),
        PaymentName::Key(format!("{ID}:0")),
        PaymentName::Reference(ProviderReference::new("Q8KVJG9TZTNN4").unwrap()),
    ];
    assert_eq!(names(&body).unwrap(), expected);
}

#[test]
fn a_batchs_event_names_the_key_and_the_batch() {
    let body = json!({
        "event_type": "PAYMENT.PAYOUTSBATCH.DENIED",
        "resource": {"batch_header": {
            "payout_batch_id": "Q8KVJG9TZTNN4",
            "sender_batch_header": {"sender_batch_id": "k"},
        }},
    });
    let expected = [
        PaymentName::Key("k".to_owned()),
        PaymentName::Reference(ProviderReference::new("Q8KVJG9TZTNN4").unwrap()),
    ];
    assert_eq!(names(&body).unwrap(), expected);
}

#[test]
fn an_event_of_another_product_names_nothing() {
    let body = json!({"event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "8MC585209K746392H"}});
    assert_eq!(names(&body).unwrap(), []);
}

#[test]
fn what_is_no_event_is_unreadable() {
    for body in [
        json!({}),
        json!({"event_type": "PAYMENT.PAYOUTS-ITEM.FAILED"}),
        json!({"event_type": "PAYMENT.PAYOUTS-ITEM.FAILED", "resource": {}}),
        json!({"event_type": "PAYMENT.PAYOUTS-ITEM.FAILED", "resource": {"payout_item": {"sender_item_id": "x"}}}),
    ] {
        assert!(
            matches!(names(&body), Err(NotificationError::Unreadable(_))),
            "{body}"
        );
    }
}

#[test]
fn a_transmission_is_accepted_for_as_long_as_paypal_repeats_it() {
    let now: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
    for (time, expected) in [
        ("2026-11-24T09:00:00Z", true),
        ("2026-11-21T09:00:00Z", true),
        ("2026-11-24T09:04:59Z", true),
        ("2026-11-20T08:59:59Z", false),
        ("2026-11-24T09:05:01Z", false),
        ("yesterday", false),
    ] {
        assert_eq!(is_recent(time, now), expected, "{time}");
    }
}
