//! Tests of PayPal's answers, row by row, and of answers that come close to a row without matching it.

use payout_core::payout::PayoutId;
use payout_core::provider::WaitReason;
use serde_json::json;

use super::*;

const LINK: &str = "https://api.sandbox.paypal.com/v1/payments/payouts/GMF9PBFDN9YXE";

fn key() -> ProcessorKey {
    ProcessorKey::new(PayoutId::from(uuid::Uuid::from_u128(7)), None, 0)
}

fn received(status: u16, body: &Value) -> Received {
    Received {
        status,
        retry_after: None,
        body: Body::Whole(body.to_string().into_bytes()),
    }
}

fn header(status: &str) -> Value {
    json!({
        "payout_batch_id": "GMF9PBFDN9YXE",
        "batch_status": status,
        "sender_batch_header": {"sender_batch_id": key().as_str()},
    })
}

/// Builds a batch whose item has this status and error; an empty text stands for none.
fn batch(batch_status: &str, status: &str, error: &str) -> Value {
    let mut item = json!({
        "payout_item_id": "8AELMXH8UB2P8",
        "payout_batch_id": "GMF9PBFDN9YXE",
        "payout_item": {"receiver": "ada@example.com", "amount": {"value": "10.5", "currency": "USD"}},
        "time_processed": "2026-11-24T09:00:00Z",
    });
    if !status.is_empty() {
        item["transaction_status"] = json!(status);
    }
    if !error.is_empty() {
        item["errors"] = json!({"name": error, "message": "As PayPal says.", "details": []});
    }
    json!({"batch_header": header(batch_status), "items": [item], "links": []})
}

fn looked_up(body: &Value) -> ProviderAnswer {
    of_look_up(&received(200, body), &key())
        .unwrap()
        .outcome()
        .clone()
}

fn submitted(status: u16, body: &Value) -> Result<Submitted, ProcessorError> {
    of_submission(&received(status, body), &key())
}

fn duplicate(details: &Value) -> Value {
    json!({"name": "USER_BUSINESS_ERROR", "message": "User business error.", "debug_id": "x", "details": details})
}

fn invalid(fields: &[&str]) -> Value {
    let details: Vec<_> = fields
        .iter()
        .map(|field| json!({"field": field, "issue": "Is invalid"}))
        .collect();
    json!({"name": "VALIDATION_ERROR", "message": "Invalid request", "debug_id": "x", "details": details})
}

#[track_caller]
fn assert_unknown(result: &Result<impl std::fmt::Debug, ProcessorError>) {
    assert!(
        matches!(result, Err(ProcessorError::Unknown { .. })),
        "{result:?}"
    );
}

#[test]
fn a_batch_that_was_made_is_accepted_whatever_its_status() {
    for status in ["PENDING", "PROCESSING", "SUCCESS", "DENIED", "NEW_ONE"] {
        let answer = submitted(201, &json!({"batch_header": header(status)})).unwrap();
        let Submitted::Answer(ProviderAnswer::Accepted { reference, .. }) = answer else {
            panic!("{status}: {answer:?}")
        };
        assert_eq!(reference.as_str(), "GMF9PBFDN9YXE");
    }
}

#[test]
fn a_repeat_is_refused_with_a_link_to_the_first_batch() {
    let issue = "Batch with given sender_batch_id already exists";
    for links in ["link", "links"] {
        let mut detail = json!({"field": "SENDER_BATCH_ID", "location": "body", "issue": issue});
        detail[links] = json!([{"href": LINK, "rel": "self", "method": "GET"}]);
        let answer = submitted(400, &duplicate(&json!([detail]))).unwrap();
        assert_eq!(
            answer,
            Submitted::Repeat(ProviderReference::new("GMF9PBFDN9YXE").unwrap())
        );
    }
}

#[test]
fn a_repeat_without_a_usable_link_is_unknown() {
    let detail =
        |link: Value| json!([{"field": "SENDER_BATCH_ID", "issue": "Duplicate batch request", "link": link}]);
    for details in [
        json!([]),
        json!([{"field": "SENDER_BATCH_ID", "issue": "Duplicate batch request"}]),
        json!([{"field": "items[0]", "issue": "x", "link": [{"href": LINK}]}]),
        detail(json!([])),
        detail(json!([{"href": "https://api.paypal.com/v1/payments/payouts/"}])),
        detail(json!([{"href": "https://api.paypal.com/v1/payments/payouts/a/../b"}])),
        detail(json!([{"href": "https://example.com"}])),
    ] {
        assert_unknown(&submitted(400, &duplicate(&details)));
    }
}

#[test]
fn a_refusal_of_the_receiver_or_the_amount_declines_the_payment() {
    for (field, reason) in [
        ("items[0].receiver", DeclineCode::InvalidAccount),
        ("/items/0/receiver", DeclineCode::InvalidAccount),
        ("items[0].amount.value", DeclineCode::AmountLimit),
        ("items[0].amount.currency", DeclineCode::Other),
    ] {
        let answer = submitted(400, &invalid(&[field])).unwrap();
        let Submitted::Answer(ProviderAnswer::Declined(failure)) = answer else {
            panic!("{field}: {answer:?}")
        };
        assert_eq!(
            (failure.code(), failure.reason()),
            ("VALIDATION_ERROR", Some(reason))
        );
    }
}

#[test]
fn a_refusal_of_anything_else_is_unknown() {
    for fields in [
        &[][..],
        &["sender_batch_header.sender_batch_id"],
        &["items[1].receiver"],
        &["items[0]"],
        &["items[0].note"],
        &["items[0].receiver.x"],
        &["items[0].receiver", "sender_batch_header"],
    ] {
        assert_unknown(&submitted(400, &invalid(fields)));
    }
    for name in [
        "INTERNAL_ERROR",
        "SENDER_RESTRICTED",
        "AUTHORIZATION_ERROR",
        "UNPROCESSABLE_ENTITY",
        "",
    ] {
        let body = json!({"name": name, "message": "x", "debug_id": "x"});
        assert_unknown(&submitted(400, &body));
        assert_unknown(&submitted(422, &body));
    }
}

#[test]
fn a_lack_of_funds_at_submission_keeps_the_key() {
    for (name, expected) in [
        ("INSUFFICIENT_FUNDS", WaitReason::Funds),
        ("NON_HOLDING_CURRENCY", WaitReason::Funds),
        ("SPENDING_LIMIT_EXCEEDED", WaitReason::ProviderLimit),
    ] {
        let answer = submitted(422, &json!({"name": name, "message": "x", "debug_id": "x"})).unwrap();
        let Submitted::Answer(ProviderAnswer::Waiting {
            reason, key_is_spent, ..
        }) = answer
        else {
            panic!("{name}: {answer:?}")
        };
        assert_eq!((reason, key_is_spent), (expected, false));
    }
}

#[test]
fn a_lack_of_funds_in_a_batch_has_spent_its_key() {
    for body in [
        batch("DENIED", "FAILED", "INSUFFICIENT_FUNDS"),
        batch("SUCCESS", "FAILED", "INSUFFICIENT_FUNDS"),
        batch("DENIED", "", "INSUFFICIENT_FUNDS"),
    ] {
        let answer = looked_up(&body);
        let ProviderAnswer::Waiting {
            reason, key_is_spent, ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        assert_eq!((reason, key_is_spent), (WaitReason::Funds, true));
    }
}

#[test]
fn any_other_status_of_a_submission_decides_nothing_whatever_its_body() {
    let bodies = [
        json!({"batch_header": header("PENDING")}),
        invalid(&["items[0].receiver"]),
        json!({"name": "INSUFFICIENT_FUNDS", "message": "x", "debug_id": "x"}),
    ];
    let known = [200, 201, 202, 400, 422];
    for status in (100..=599).filter(|status| !known.contains(status)) {
        for body in &bodies {
            let error = submitted(status, body).unwrap_err();
            let not_now = [401, 403, 429].contains(&status);
            assert_eq!(
                matches!(error, ProcessorError::Refused { .. }),
                not_now,
                "{status}"
            );
            assert_eq!(error.may_have_arrived(), !not_now, "{status}");
        }
    }
}

#[test]
fn the_items_status_decides_and_the_batchs_does_not() {
    for batch_status in ["PENDING", "PROCESSING", "SUCCESS", "CANCELED", "NEW_ONE"] {
        for (status, expected) in [
            ("SUCCESS", "paid"),
            ("FAILED", "declined"),
            ("DENIED", "declined"),
            ("BLOCKED", "declined"),
            ("RETURNED", "returned"),
            ("REFUNDED", "returned"),
            ("REVERSED", "returned"),
            ("PENDING", "accepted"),
            ("UNCLAIMED", "accepted"),
            ("ONHOLD", "accepted"),
            ("NEW", "accepted"),
            ("COMPLETED", "accepted"),
            ("success", "accepted"),
            ("", "accepted"),
        ] {
            let answer = looked_up(&batch(batch_status, status, ""));
            let found = match answer {
                ProviderAnswer::Paid { .. } => "paid",
                ProviderAnswer::Accepted { .. } => "accepted",
                ProviderAnswer::Declined(_) => "declined",
                ProviderAnswer::Returned(_) => "returned",
                ProviderAnswer::Waiting { .. } | ProviderAnswer::Reported { .. } => "another",
            };
            assert_eq!(found, expected, "{batch_status} {status}");
        }
    }
}

#[test]
fn a_batch_without_items_is_decided_only_when_it_was_denied() {
    let body = |status: &str| json!({"batch_header": header(status)});
    for status in ["PENDING", "PROCESSING", "SUCCESS", "CANCELED", "NEW_ONE"] {
        assert!(
            matches!(looked_up(&body(status)), ProviderAnswer::Accepted { .. }),
            "{status}"
        );
    }
    assert!(matches!(looked_up(&body("DENIED")), ProviderAnswer::Declined(_)));
    assert!(matches!(
        looked_up(&batch("DENIED", "PENDING", "")),
        ProviderAnswer::Accepted { .. }
    ));
}

#[test]
fn a_decline_has_paypals_code_and_ours() {
    for (name, reason) in [
        ("RECEIVER_ACCOUNT_INVALID", DeclineCode::InvalidAccount),
        ("RECEIVER_UNREGISTERED", DeclineCode::AccountNotFound),
        ("RECEIVER_ACCOUNT_LOCKED", DeclineCode::Blocked),
        ("REFUSED_RECEIVER_REFUSED", DeclineCode::RecipientRefused),
        ("RECEIVING_LIMIT_EXCEEDED", DeclineCode::AmountLimit),
        ("REGULATORY_BLOCKED", DeclineCode::Compliance),
        ("SOMETHING_ELSE", DeclineCode::Other),
    ] {
        let answer = looked_up(&batch("SUCCESS", "FAILED", name));
        let ProviderAnswer::Declined(failure) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((failure.code(), failure.reason()), (name, Some(reason)));
        assert_eq!(failure.message(), "As PayPal says.");
    }
}

#[test]
fn a_return_has_its_time_and_its_reason() {
    let ProviderAnswer::Returned(returned) =
        looked_up(&batch("SUCCESS", "RETURNED", "RECEIVER_UNREGISTERED"))
    else {
        panic!("returned")
    };
    assert_eq!(returned.reason.code(), "RECEIVER_UNREGISTERED");
    assert_eq!(returned.at, Some("2026-11-24T09:00:00Z".parse().unwrap()));
    assert_eq!(returned.reference, ProviderReference::new("GMF9PBFDN9YXE"));
}

#[test]
fn a_look_up_reports_the_amount_that_paypal_acted_on() {
    let answer = of_look_up(&received(200, &batch("SUCCESS", "SUCCESS", "")), &key()).unwrap();
    let payment = answer.payment().unwrap();
    assert_eq!(payment.amount, Some("10.5".parse().unwrap()));
    assert_eq!(payment.currency.as_deref(), Some("USD"));
}

#[test]
fn a_payment_that_waits_for_a_person_is_looked_up_rarely() {
    for (status, expected) in [
        ("UNCLAIMED", Some(WAIT_FOR_A_PERSON)),
        ("ONHOLD", Some(WAIT_FOR_A_PERSON)),
        ("PENDING", None),
    ] {
        let ProviderAnswer::Accepted { look_again, .. } = looked_up(&batch("SUCCESS", status, "")) else {
            panic!("{status}")
        };
        assert_eq!(look_again, expected, "{status}");
    }
}

#[test]
fn a_payment_that_waits_for_a_person_is_looked_up_often_while_it_is_young() {
    let wait_at = |age| {
        let answer = of_look_up(&received(200, &batch("SUCCESS", "UNCLAIMED", "")), &key()).unwrap();
        let ProviderAnswer::Accepted { look_again, .. } = soon_while_young(answer, age).outcome().clone()
        else {
            panic!("it is accepted");
        };
        look_again
    };
    let ten_seconds = Duration::from_secs(10);
    assert_eq!(wait_at(ten_seconds), Some(ten_seconds));
    assert_eq!(wait_at(WAIT_FOR_A_PERSON * 3), Some(WAIT_FOR_A_PERSON));
    let paid = of_look_up(&received(200, &batch("SUCCESS", "SUCCESS", "")), &key()).unwrap();
    assert_eq!(soon_while_young(paid.clone(), ten_seconds), paid);
}

#[test]
fn a_batch_of_another_key_or_of_several_items_is_unknown() {
    let mut other_key = batch("SUCCESS", "SUCCESS", "");
    other_key["batch_header"]["sender_batch_header"]["sender_batch_id"] = json!("another");
    let mut no_key = batch("SUCCESS", "SUCCESS", "");
    no_key["batch_header"]["sender_batch_header"] = json!({});
    let mut several = batch("SUCCESS", "SUCCESS", "");
    let item = several["items"][0].clone();
    several["items"].as_array_mut().unwrap().push(item);
    let mut no_number = batch("SUCCESS", "SUCCESS", "");
    no_number["items"][0]["payout_item"]["amount"]["value"] = json!("ten");
    let mut no_id = batch("SUCCESS", "SUCCESS", "");
    no_id["batch_header"]["payout_batch_id"] = json!(" ");
    for body in [
        other_key,
        no_key,
        several,
        no_number,
        no_id,
        json!([]),
        json!("x"),
        json!({}),
    ] {
        assert_unknown(&of_look_up(&received(200, &body), &key()));
    }
    let mut made = json!({"batch_header": header("PENDING")});
    made["batch_header"]["sender_batch_header"]["sender_batch_id"] = json!("another");
    assert_unknown(&submitted(201, &made));
}

#[test]
fn a_batch_that_is_not_found_is_unknown() {
    let body = json!({"name": "RESOURCE_NOT_FOUND", "message": "x", "debug_id": "x"});
    for status in [400, 404, 422, 500] {
        assert_unknown(&of_look_up(&received(status, &body), &key()));
    }
}

#[test]
fn no_error_shows_any_part_of_the_body() {
    let secret = json!({"name": "hunter2", "message": "hunter2", "details": [{"field": "hunter2", "issue": "hunter2"}]});
    for status in [200, 201, 400, 404, 422, 500] {
        let errors = [
            submitted(status, &secret).map(|_| ()).unwrap_err(),
            of_look_up(&received(status, &secret), &key())
                .map(|_| ())
                .unwrap_err(),
        ];
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{status}");
        }
    }
}
