use serde_json::{Value, json};

use super::*;
use crate::faults::FaultProfile;
use crate::{StandIn, StandInSettings};

fn body(reference: &str) -> Value {
    json!({
        "amount": {"currency": "EUR", "value": 1050},
        "balanceAccountId": BALANCE_ACCOUNT,
        "category": "bank",
        "counterparty": {"bankAccount": {
            "accountHolder": {"fullName": "Ada Lovelace"},
            "accountIdentification": {"type": "iban", "iban": "DE89370400440532013000"},
        }},
        "priority": "regular",
        "reference": reference,
    })
}

async fn start(faults: FaultProfile) -> StandIn {
    let settings = StandInSettings {
        faults,
        ..StandInSettings::default()
    };
    StandIn::start(Adyen::default(), settings).await.unwrap()
}

async fn post(stand_in: &StandIn, key: Option<&str>, body: &Value) -> (u16, Value) {
    let url = format!("{}{PATH}/transfers", stand_in.url());
    let mut request = reqwest::Client::new().post(url).header("X-API-Key", API_KEY);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request.body(body.to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_even_after_the_transfer_is_booked() {
    let stand_in = start(FaultProfile::off()).await;
    let first = post(&stand_in, Some("k"), &body("r")).await;
    assert_eq!((first.0, &first.1["status"]), (202, &json!("received")));
    while !stand_in.ledger().payments()[0].is_paid() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(post(&stand_in, Some("k"), &body("r")).await, first);
    assert_eq!(stand_in.ledger().payments().len(), 1);
}

#[tokio::test]
async fn another_body_under_a_key_is_refused_and_no_key_is_another_transfer() {
    let stand_in = start(FaultProfile::off()).await;
    post(&stand_in, Some("k"), &body("r")).await;
    let mut other = body("r");
    other["amount"]["value"] = json!(1051);
    let (status, problem) = post(&stand_in, Some("k"), &other).await;
    assert_eq!((status, &problem["errorCode"]), (422, &json!("703")));
    post(&stand_in, None, &body("r")).await;
    assert_eq!(stand_in.ledger().by_key("r").len(), 2);
}

#[tokio::test]
async fn a_transfer_without_funds_is_refused_and_keeps_its_key() {
    let no_funds = FaultProfile {
        no_funds: 1000,
        ..FaultProfile::off()
    };
    let stand_in = start(no_funds).await;
    let (status, refused) = post(&stand_in, Some("k"), &body("r")).await;
    assert_eq!(status, 202);
    assert_eq!(
        (&refused["status"], &refused["reason"]),
        (&json!("refused"), &json!("notEnoughBalance"))
    );
    stand_in.set_faults(FaultProfile::off());
    assert_eq!(post(&stand_in, Some("k"), &body("r")).await.1, refused);
}

#[tokio::test]
async fn what_the_vendor_does_not_take_is_refused_by_field() {
    let stand_in = start(FaultProfile::off()).await;
    for (pointer, value, field) in [
        ("/balanceAccountId", json!("BA2"), "balanceAccountId"),
        ("/amount/value", json!(0), "amount.value"),
        ("/description", json!("Invoice €7"), "description"),
        ("/reference", json!("r".repeat(81)), "reference"),
        (
            "/counterparty/bankAccount/accountIdentification/iban",
            json!("DE89370400440532013001"),
            "counterparty.bankAccount.accountIdentification",
        ),
    ] {
        let mut body = body("r");
        body["description"] = json!("Invoice 7");
        *body.pointer_mut(pointer).unwrap() = value;
        let (status, problem) = post(&stand_in, Some("k"), &body).await;
        assert_eq!(
            (status, &problem["invalidFields"][0]["name"]),
            (422, &json!(field))
        );
    }
    assert_eq!(stand_in.ledger().payments(), []);
}
