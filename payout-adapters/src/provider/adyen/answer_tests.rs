//! Tests of the mapping, row by row.

use payout_core::contract::build;
use serde_json::{Value, json};

use super::*;

const ID: &str = "01934567-89ab-7def-8123-456789abcdef";

fn key() -> ProcessorKey {
    ProcessorKey::new(ID.parse().unwrap(), None, 0)
}

fn received(status: u16, body: &Value) -> Received {
    Received {
        status,
        retry_after: None,
        body: Body::Whole(body.to_string().into_bytes()),
    }
}

fn transfer(status: &str, reason: &str) -> Value {
    json!({
        "id": "1W1UG35U8A9J5ZLG",
        "reference": format!("{ID}-0"),
        "status": status,
        "reason": reason,
        "category": "bank",
        "direction": "outgoing",
        "amount": {"currency": "EUR", "value": 1050},
    })
}

fn booked_then(status: &str, reason: &str) -> Value {
    let mut transfer = transfer(status, reason);
    transfer["events"] = json!([
        {"type": "accounting", "status": "received"},
        {"type": "accounting", "status": "booked", "bookingDate": "2026-11-02T09:00:00+01:00"},
        {"type": "accounting", "status": status, "bookingDate": "2026-11-05T09:00:00+01:00"},
    ]);
    transfer
}

/// Names an answer in one word and the code or reason that goes with it.
fn named(said: &Result<ProviderAnswer, ProcessorError>) -> String {
    match said.as_ref().map(ProviderAnswer::outcome) {
        Ok(ProviderAnswer::Paid { reference }) => format!("paid {}", reference.as_str()),
        Ok(ProviderAnswer::Accepted { reference, .. }) => format!("accepted {}", reference.as_str()),
        Ok(ProviderAnswer::Declined(failure)) => {
            format!(
                "declined {} {}",
                failure.code(),
                failure.reason().unwrap().as_str()
            )
        }
        Ok(ProviderAnswer::Returned(returned)) => {
            let failure = &returned.reason;
            format!(
                "returned {} {}",
                failure.code(),
                failure.reason().unwrap().as_str()
            )
        }
        Ok(ProviderAnswer::Waiting {
            reason, key_is_spent, ..
        }) => format!("waiting {} spent={key_is_spent}", reason.as_str()),
        Ok(ProviderAnswer::Reported { .. }) => "reported".to_owned(),
        Err(ProcessorError::Unknown { .. }) => "unknown".to_owned(),
        Err(ProcessorError::Refused { .. }) => "refused".to_owned(),
        Err(ProcessorError::Overloaded { .. }) => "overloaded".to_owned(),
        Err(_) => "never sent".to_owned(),
    }
}

fn submitted(status: u16, body: &Value) -> String {
    named(&of_submission(&received(status, body), &key()))
}

#[test]
fn every_status_of_a_transfer_has_its_answer() {
    let rows = [
        ("received", "pending", "accepted 1W1UG35U8A9J5ZLG"),
        ("authorised", "approved", "accepted 1W1UG35U8A9J5ZLG"),
        ("pendingApproval", "pendingApproval", "accepted 1W1UG35U8A9J5ZLG"),
        ("cancelled", "cancelled", "accepted 1W1UG35U8A9J5ZLG"),
        ("a status of tomorrow", "approved", "accepted 1W1UG35U8A9J5ZLG"),
        ("booked", "approved", "paid 1W1UG35U8A9J5ZLG"),
        (
            "returned",
            "counterpartyAccountClosed",
            "returned counterpartyAccountClosed account_closed",
        ),
        ("returned", "notEnoughBalance", "returned notEnoughBalance other"),
        ("returned", "", "returned unknown other"),
        (
            "failed",
            "counterpartyAccountClosed",
            "declined counterpartyAccountClosed account_closed",
        ),
        (
            "failed",
            "counterpartyAccountNotFound",
            "declined counterpartyAccountNotFound account_not_found",
        ),
        (
            "failed",
            "counterpartyAccountBlocked",
            "declined counterpartyAccountBlocked blocked",
        ),
        (
            "failed",
            "invalidToAccount",
            "declined invalidToAccount invalid_account",
        ),
        (
            "failed",
            "refusedByCounterpartyBank",
            "declined refusedByCounterpartyBank recipient_refused",
        ),
        (
            "refused",
            "amountLimitExceeded",
            "declined amountLimitExceeded amount_limit",
        ),
        (
            "refused",
            "declinedByTransactionRule",
            "declined declinedByTransactionRule compliance",
        ),
        ("refused", "declined", "declined declined other"),
        (
            "refused",
            "a reason of tomorrow",
            "declined a reason of tomorrow other",
        ),
        ("failed", "", "declined unknown other"),
        ("refused", "notEnoughBalance", "waiting funds spent=true"),
        (
            "failed",
            "counterpartyBankUnavailable",
            "waiting provider spent=true",
        ),
        (
            "failed",
            "counterpartyBankTimedOut",
            "waiting provider spent=true",
        ),
        ("failed", "routeNotFound", "waiting provider spent=true"),
        (
            "refused",
            "balanceAccountTemporarilyBlockedByTransactionRule",
            "waiting provider_limit spent=true",
        ),
        ("failed", "duplicateTransmissionDetected", "unknown"),
    ];
    for (status, reason, expected) in rows {
        let body = transfer(status, reason);
        for http in [200, 202] {
            assert_eq!(submitted(http, &body), expected, "{status} {reason}");
        }
        let looked_up = named(&of_transfer(&received(200, &body), &key()));
        assert_eq!(looked_up, expected, "{status} {reason}");
        let listed = of_list(&received(200, &json!({"data": [body]})), &key());
        assert_eq!(named(&listed.map(Option::unwrap)), expected, "{status} {reason}");
    }
}

#[test]
fn a_transfer_that_failed_after_it_was_booked_came_back() {
    for (status, reason, expected) in [
        (
            "failed",
            "counterpartyBankUnavailable",
            "returned counterpartyBankUnavailable other",
        ),
        (
            "failed",
            "counterpartyAccountClosed",
            "returned counterpartyAccountClosed account_closed",
        ),
        (
            "returned",
            "invalidAccount",
            "returned invalidAccount invalid_account",
        ),
    ] {
        let said = of_transfer(&received(200, &booked_then(status, reason)), &key());
        assert_eq!(named(&said), expected);
        let Ok(ProviderAnswer::Returned(returned)) = said.map(|answer| answer.outcome().clone()) else {
            panic!("{status} is returned");
        };
        assert_eq!(returned.at, Some("2026-11-05T08:00:00Z".parse().unwrap()));
        assert_eq!(returned.reference.unwrap().as_str(), "1W1UG35U8A9J5ZLG");
    }
}

#[test]
fn the_amount_is_reported_so_that_another_one_is_noticed() {
    let money = |amount, currency| build::money(amount, currency);
    let report = |currency: &str, value: i64| {
        let mut body = transfer("booked", "approved");
        body["amount"] = json!({"currency": currency, "value": value});
        let said = of_submission(&received(200, &body), &key()).unwrap();
        said.payment().unwrap().clone()
    };
    assert_eq!(report("EUR", 1050).contradicts(money("10.50", "EUR"), None), None);
    assert_eq!(report("ISK", 1000).contradicts(money("10", "ISK"), None), None);
    assert!(
        report("EUR", 1051)
            .contradicts(money("10.50", "EUR"), None)
            .is_some()
    );
    assert!(
        report("USD", 1050)
            .contradicts(money("10.50", "EUR"), None)
            .is_some()
    );
    assert!(
        report("ZZZ", 1050)
            .contradicts(money("10.50", "EUR"), None)
            .is_some()
    );
}

fn problem(code: &str, fields: &[&str]) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|name| json!({"name": name, "message": "Invalid.", "value": "DE00"}))
        .collect();
    json!({
        "type": "https://docs.adyen.com/errors/validation",
        "title": "Invalid data.",
        "status": 422,
        "detail": "The request is not valid: DE00",
        "errorCode": code,
        "invalidFields": fields,
    })
}

#[test]
fn a_422_declines_only_what_it_names() {
    const IBAN: &str = "counterparty.bankAccount.accountIdentification.iban";
    let mut no_route = problem("30_181", &[]);
    no_route["routingDetails"] = json!([{"priority": "regular", "errorCode": "routeNotFound"}]);
    for (body, expected) in [
        (problem("30_031", &[IBAN]), "declined 30_031 invalid_account"),
        (
            problem("30_031", &["amount.value"]),
            "declined 30_031 amount_limit",
        ),
        (problem("30_031", &["description"]), "declined 30_031 other"),
        (
            problem("30_031", &[IBAN, "description"]),
            "declined 30_031 invalid_account",
        ),
        (problem("30_004", &["balanceAccountId"]), "refused"),
        (problem("30_031", &["balanceAccountId", "priority"]), "refused"),
        (problem("30_031", &[IBAN, "balanceAccountId"]), "unknown"),
        (problem("30_031", &["reference"]), "unknown"),
        (problem("30_031", &["counterpartyOfTomorrow"]), "unknown"),
        (problem("30_031", &[]), "unknown"),
        (problem("704", &[]), "unknown"),
        (problem("", &[IBAN]), "unknown"),
        (no_route, "waiting provider spent=false"),
        (json!({}), "unknown"),
    ] {
        assert_eq!(submitted(422, &body), expected, "{body}");
        let looked_up = named(&of_transfer(&received(422, &body), &key()));
        assert_eq!(looked_up, "unknown", "a refused question declines no payment");
        assert!(of_list(&received(422, &body), &key()).is_err());
    }
}

#[test]
fn no_message_repeats_the_value_of_a_field() {
    let said = of_submission(
        &received(422, &problem("30_031", &["counterparty.bankAccount"])),
        &key(),
    );
    let Ok(ProviderAnswer::Declined(failure)) = said else {
        panic!("it is declined");
    };
    assert_eq!(
        failure.message(),
        "Invalid data. counterparty.bankAccount: Invalid."
    );
}

#[test]
fn any_other_http_status_decides_nothing() {
    let paid = transfer("booked", "approved");
    for status in (100..=599).filter(|status| ![200, 201, 202, 422].contains(status)) {
        let expected = match status {
            401 | 403 | 429 => "refused",
            408 | 409 | 425 => "overloaded",
            _ => "unknown",
        };
        assert_eq!(submitted(status, &paid), expected, "{status}");
        assert_eq!(named(&of_transfer(&received(status, &paid), &key())), expected);
        assert!(of_list(&received(status, &json!({"data": [paid]})), &key()).is_err());
    }
}

#[test]
fn an_answer_of_another_payment_or_form_is_unknown() {
    let with = |field: &str, value: Value| {
        let mut body = transfer("booked", "approved");
        body[field] = value;
        body
    };
    for body in [
        with("reference", json!(format!("{ID}-1"))),
        with("reference", Value::Null),
        with("id", json!("")),
        with("id", Value::Null),
        with("status", Value::Null),
        with("amount", json!({"currency": "EUR"})),
        with("amount", json!({"currency": "EUR", "value": 10.5})),
        with("direction", json!("incoming")),
        json!([transfer("booked", "approved")]),
        json!("booked"),
        json!({}),
    ] {
        assert_eq!(submitted(200, &body), "unknown", "{body}");
        assert_eq!(
            named(&of_transfer(&received(200, &body), &key())),
            "unknown",
            "{body}"
        );
    }
}

#[test]
fn of_several_transfers_none_is_chosen() {
    let (one, other) = (transfer("failed", "declined"), transfer("booked", "approved"));
    let mut foreign = transfer("booked", "approved");
    foreign["reference"] = json!("another");
    let mut incoming = transfer("booked", "approved");
    incoming["direction"] = json!("incoming");
    let listed = |page: Value| of_list(&received(200, &page), &key());
    assert!(listed(json!({"data": [one, other]})).is_err());
    assert!(
        listed(json!({"data": [foreign]})).is_err(),
        "the filter was not applied"
    );
    assert!(listed(json!({"data": [other], "_links": {"next": {"href": "x"}}})).is_err());
    assert_eq!(listed(json!({"data": []})).unwrap(), None);
    assert_eq!(listed(json!({"data": [incoming.clone()]})).unwrap(), None);
    assert!(
        listed(json!({"data": [incoming, other.clone()]}))
            .unwrap()
            .is_some()
    );
    assert!(listed(json!({"data": [other], "_links": {}})).unwrap().is_some());
}
