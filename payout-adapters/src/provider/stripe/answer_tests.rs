//! Tests of Stripe's answers, row by row, and of answers that come close to a row without matching it.

use payout_core::payout::PayoutId;
use payout_core::provider::{LookUpAnswer, WaitReason};
use serde_json::{Value, json};

use super::super::look_up::{of_list, of_transfer};
use super::*;
use crate::outbound::Body;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn key() -> ProcessorKey {
    ProcessorKey::new(PayoutId::from(uuid::Uuid::nil()), None, 0)
}

fn received(status: u16, body: &Value) -> Received {
    Received {
        status,
        retry_after: None,
        body: Body::Whole(body.to_string().into_bytes()),
    }
}

fn transfer() -> Value {
    json!({
        "object": "transfer", "id": "tr_1", "amount": 1050, "amount_reversed": 0, "reversed": false,
        "currency": "usd", "transfer_group": key().as_str(), "metadata": {"payout_digest": "ab"},
        "reversals": {"object": "list", "data": [], "has_more": false},
    })
}

fn with(mut body: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!() };
    body.as_object_mut().unwrap().extend(changes);
    body
}

fn error(r#type: &str, code: &str) -> Value {
    json!({"error": {"type": r#type, "code": code, "message": "No."}})
}

fn created(status: u16, body: &Value) -> Result<ProviderAnswer, ProcessorError> {
    of_creation(&received(status, body), &key())
}

fn listed(transfers: &[Value], age: Option<Duration>) -> Result<LookUpAnswer, ProcessorError> {
    let list = json!({"object": "list", "data": transfers, "has_more": false, "url": "/v1/transfers"});
    of_list(&received(200, &list), &key(), age)
}

#[track_caller]
fn assert_unknown<T: std::fmt::Debug>(answer: Result<T, ProcessorError>) {
    assert!(
        matches!(answer, Err(ProcessorError::Unknown { .. })),
        "{answer:?}"
    );
}

#[test]
fn a_transfer_that_exists_is_paid_and_reports_its_payment() {
    let answer = created(200, &transfer()).unwrap();
    let reference = ProviderReference::new("tr_1").unwrap();
    assert_eq!(*answer.outcome(), ProviderAnswer::Paid { reference });
    let expected = ReportedPayment::new(Some("10.50"), Some("usd"), Some("ab"));
    assert_eq!(answer.payment(), expected.as_ref());
    assert_eq!(
        of_transfer(&received(200, &transfer()), &key()).unwrap().found(),
        Some(answer.clone())
    );
    assert_eq!(listed(&[transfer()], None).unwrap().found(), Some(answer));
}

#[test]
fn a_reversal_is_a_return_with_its_time_and_a_partial_one_with_its_amount() {
    let reversals = json!({"data": [{"created": 1_795_510_900}, {"created": 1_795_510_800}]});
    for (amount, whole, expected) in [(1050, true, None), (50, false, Some("0.50"))] {
        let reversed = with(
            transfer(),
            json!({"amount_reversed": amount, "reversed": whole, "reversals": reversals}),
        );
        let answer = created(200, &reversed).unwrap();
        let ProviderAnswer::Returned(returned) = answer.outcome() else {
            panic!("{answer:?}");
        };
        assert_eq!(returned.amount, expected.map(|amount| amount.parse().unwrap()));
        assert_eq!(returned.at, DateTime::from_timestamp(1_795_510_900, 0));
        assert_eq!(returned.reason.code(), "transfer_reversed");
    }
}

#[test]
fn a_transfer_of_another_key_or_one_that_contradicts_itself_is_unknown() {
    for changes in [
        json!({"transfer_group": null}),
        json!({"transfer_group": "another"}),
        json!({"object": "payout"}),
        json!({"id": ""}),
        json!({"amount_reversed": 1051}),
        json!({"reversed": true}),
        json!({"amount_reversed": 1050}),
        json!({"amount": -1}),
        json!({"amount": "1050"}),
        json!({"currency": "xxx"}),
        json!({"amount": null}),
    ] {
        let odd = with(transfer(), changes);
        assert_unknown(created(200, &odd));
        assert_unknown(of_transfer(&received(200, &odd), &key()));
        assert_unknown(listed(&[odd], None));
    }
    for status in [201, 202, 204, 301] {
        assert_unknown(created(status, &transfer()));
    }
}

#[test]
fn lack_of_funds_waits_and_has_spent_the_key() {
    for code in ["balance_insufficient", "insufficient_funds"] {
        for status in [400, 402] {
            let answer = created(status, &error("invalid_request_error", code)).unwrap();
            assert!(
                matches!(
                    answer,
                    ProviderAnswer::Waiting {
                        reason: WaitReason::Funds,
                        key_is_spent: true,
                        ..
                    }
                ),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn an_error_about_this_payment_is_a_decline_with_a_reason() {
    for (code, reason) in [
        ("account_closed", DeclineCode::AccountClosed),
        (
            "insufficient_capabilities_for_transfer",
            DeclineCode::RecipientRefused,
        ),
        ("transfers_not_allowed", DeclineCode::Blocked),
        ("amount_too_small", DeclineCode::AmountLimit),
    ] {
        let answer = created(400, &error("invalid_request_error", code)).unwrap();
        assert_eq!(
            answer,
            ProviderAnswer::Declined(Failure::new(code, "No.").because(reason))
        );
    }
    let missing = json!({"error": {
        "type": "invalid_request_error", "code": "resource_missing", "param": "destination", "message": "No."
    }});
    let answer = created(404, &missing).unwrap();
    assert!(
        matches!(&answer, ProviderAnswer::Declined(failure) if failure.reason() == Some(DeclineCode::AccountNotFound)),
        "{answer:?}"
    );
}

#[test]
fn every_other_error_is_unknown() {
    for status in [400, 402, 404] {
        for body in [
            error("invalid_request_error", "parameter_unknown"),
            error("invalid_request_error", "resource_missing"),
            error("invalid_request_error", ""),
            error("idempotency_error", ""),
            error("idempotency_error", "account_closed"),
            error("api_error", "account_closed"),
            error("", "account_closed"),
            json!({"error": {"type": "invalid_request_error"}}),
            json!({"error": "account_closed"}),
            json!({"type": "invalid_request_error", "code": "account_closed"}),
            json!([]),
            transfer(),
        ] {
            assert_unknown(created(status, &body));
        }
    }
    for status in [405, 410, 422, 424, 500, 502, 503, 504] {
        assert_unknown(created(status, &error("invalid_request_error", "account_closed")));
    }
}

#[test]
fn a_refusal_for_now_decides_nothing() {
    for status in [401, 403, 429] {
        let answer = created(status, &error("invalid_request_error", "account_closed"));
        assert!(
            matches!(answer, Err(ProcessorError::Refused { .. })),
            "{status}: {answer:?}"
        );
    }
    for code in ["lock_timeout", "api_key_expired", "livemode_mismatch"] {
        let answer = created(400, &error("invalid_request_error", code));
        assert!(
            matches!(answer, Err(ProcessorError::Refused { .. })),
            "{code}: {answer:?}"
        );
    }
}

#[test]
fn while_another_request_with_the_key_runs_the_key_may_be_paid() {
    let conflict = created(409, &error("idempotency_error", "idempotency_key_in_use")).unwrap_err();
    assert!(conflict.is_not_now() && conflict.may_have_arrived());
    assert_eq!(conflict.retry_after(), Some(Duration::ZERO));
    for status in [408, 425] {
        let passed_on = created(status, &error("invalid_request_error", "account_closed")).unwrap_err();
        assert!(passed_on.is_not_now() && passed_on.may_have_arrived(), "{status}");
    }
}

#[test]
fn an_empty_list_proves_nothing_until_the_key_window_is_over() {
    for age in [None, Some(Duration::ZERO), Some(DAY)] {
        let answer = listed(&[], age).unwrap();
        assert!(
            matches!(answer, LookUpAnswer::CannotTell { .. }),
            "{age:?}: {answer:?}"
        );
    }
    let later = listed(&[], Some(DAY + Duration::from_secs(1)));
    assert_eq!(later.unwrap(), LookUpAnswer::Absent);
}

#[test]
fn a_list_that_is_not_of_one_transfer_of_the_key_is_unknown() {
    let other = with(transfer(), json!({"transfer_group": "another"}));
    assert_unknown(listed(&[transfer(), transfer()], Some(2 * DAY)));
    assert_unknown(listed(std::slice::from_ref(&other), Some(2 * DAY)));
    assert_unknown(listed(&[transfer(), other], Some(2 * DAY)));
    for body in [
        json!({"object": "list", "data": [], "has_more": true}),
        json!({"object": "list", "data": [transfer()], "has_more": true}),
        json!({"object": "search_result", "data": [], "has_more": false}),
        json!({"data": []}),
        json!([]),
    ] {
        assert_unknown(of_list(&received(200, &body), &key(), Some(2 * DAY)));
    }
}

#[test]
fn an_error_to_a_look_up_never_means_that_the_transfer_is_absent() {
    let missing = received(404, &error("invalid_request_error", "resource_missing"));
    assert_unknown(of_list(&missing, &key(), Some(2 * DAY)));
    let by_id = of_transfer(&missing, &key()).unwrap();
    assert!(matches!(by_id, LookUpAnswer::CannotTell { .. }), "{by_id:?}");
    for status in [400, 402, 500] {
        let refused = received(status, &error("invalid_request_error", "account_closed"));
        assert_unknown(of_list(&refused, &key(), Some(2 * DAY)));
        assert_unknown(of_transfer(&refused, &key()));
    }
}

#[test]
fn no_error_repeats_the_body() {
    for status in [200, 400, 404, 409, 500] {
        let odd = json!({"error": {"type": "hunter2", "code": "hunter2", "message": "hunter2"}});
        let error = created(status, &odd).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{status}");
    }
}
