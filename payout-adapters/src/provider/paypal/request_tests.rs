//! Tests of the body of a submission, field by field.

use payout_core::payout::{
    EmailAddress, PaymentDetails, PayoutId, PhoneNumber, ProviderAccountId, RecipientAccount, RecipientName,
};
use payout_core::provider::ProcessorKey;
use serde_json::{Value, json};

use super::*;

fn provider() -> ProviderName {
    ProviderName::new("paypal-eu").unwrap()
}

fn instruction(recipient: Recipient, amount: &str, currency: &str) -> Instruction {
    let payout_id = PayoutId::from(uuid::Uuid::from_u128(7));
    let money = Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap();
    Instruction {
        key: ProcessorKey::new(payout_id, None, 2),
        payout_id,
        details: PaymentDetails::new(money, recipient),
    }
}

fn typed(account: TypedAccount) -> Recipient {
    Recipient::typed(account, RecipientName::new("Ada Lovelace").unwrap())
}

fn email() -> Recipient {
    typed(TypedAccount::Email(EmailAddress::new("ada@example.com").unwrap()))
}

fn at(provider: &str) -> Recipient {
    typed(TypedAccount::ProviderAccount {
        provider: ProviderName::new(provider).unwrap(),
        id: ProviderAccountId::new("G83JXTJ5EHCQ2").unwrap(),
    })
}

fn body(instruction: &Instruction) -> Result<Value, Failure> {
    Order::of(instruction, &provider()).map(|order| serde_json::from_slice(&order.to_json()).unwrap())
}

#[test]
fn the_key_is_the_id_of_a_batch_of_one_item() {
    let id = "00000000-0000-0000-0000-000000000007";
    let expected = json!({
        "sender_batch_header": {"sender_batch_id": format!("{id}:2")},
        "items": [{
            "recipient_type": "EMAIL",
            "receiver": "ada@example.com",
            "amount": {"value": "10.50", "currency": "USD"},
            "sender_item_id": id,
        }],
    });
    assert_eq!(body(&instruction(email(), "10.5", "USD")).unwrap(), expected);
}

#[test]
fn the_description_is_the_note_to_the_recipient() {
    let mut noted = instruction(email(), "1", "EUR");
    noted.details.description = payout_core::payout::Description::new("Invoice 7").unwrap();
    assert_eq!(body(&noted).unwrap()["items"][0]["note"], "Invoice 7");
}

#[test]
fn a_statement_text_is_the_note_in_place_of_the_description() {
    let mut noted = instruction(email(), "1", "EUR");
    noted.details.description = payout_core::payout::Description::new("Invoice 7").unwrap();
    noted.details.statement_text = StatementText::new("Salary 11/2026").ok();
    assert_eq!(body(&noted).unwrap()["items"][0]["note"], "Salary 11/2026");
}

#[test]
fn each_type_of_recipient_has_a_name_at_paypal() {
    let phone = typed(TypedAccount::Phone(PhoneNumber::new("+1 408 836 3374").unwrap()));
    for (recipient, recipient_type, receiver) in [
        (email(), "EMAIL", "ada@example.com"),
        (phone, "PHONE", "+14088363374"),
        (at("paypal"), "PAYPAL_ID", "G83JXTJ5EHCQ2"),
        (at("paypal-eu"), "PAYPAL_ID", "G83JXTJ5EHCQ2"),
    ] {
        let body = body(&instruction(recipient, "1", "EUR")).unwrap();
        let item = &body["items"][0];
        assert_eq!(
            (&item["recipient_type"], &item["receiver"]),
            (&json!(recipient_type), &json!(receiver))
        );
    }
}

#[test]
fn a_recipient_that_paypal_cannot_pay_is_declined_before_anything_is_sent() {
    let plain = Recipient::new(
        RecipientAccount::new("ada@example.com").unwrap(),
        RecipientName::new("Ada").unwrap(),
    );
    for recipient in [plain, at("adyen-eu"), at("paypal-us")] {
        let failure = body(&instruction(recipient, "1", "EUR")).unwrap_err();
        assert_eq!(failure.reason(), Some(DeclineCode::InvalidAccount));
    }
}

#[test]
fn amounts_have_the_decimals_that_paypal_takes() {
    for (amount, currency, expected) in [
        ("10", "USD", "10.00"),
        ("9999999999999999.99", "EUR", "9999999999999999.99"),
        ("999999999999999999", "JPY", "999999999999999999"),
        ("1500", "HUF", "1500"),
        ("1500", "TWD", "1500"),
    ] {
        let body = body(&instruction(email(), amount, currency)).unwrap();
        assert_eq!(body["items"][0]["amount"]["value"], expected, "{currency}");
    }
    for currency in ["HUF", "TWD"] {
        let failure = body(&instruction(email(), "1500.50", currency)).unwrap_err();
        assert_eq!(failure.code(), "decimals");
    }
}

#[test]
fn every_currency_of_the_list_is_known_and_payable() {
    let currencies = currencies();
    assert_eq!(currencies.len(), CURRENCIES.len());
    assert!(currencies.iter().all(|currency| currency.is_payable()));
}

#[test]
fn the_paths_are_added_to_the_url_with_and_without_its_last_slash() {
    for base in ["https://api-m.paypal.com", "https://api-m.paypal.com/"] {
        let endpoints = Endpoints::new(base.parse().unwrap());
        assert_eq!(
            endpoints.batch("a/b").as_str(),
            "https://api-m.paypal.com/v1/payments/payouts/a%2Fb"
        );
    }
    let below = Endpoints::new("http://[::1]:8443/x/".parse().unwrap());
    assert_eq!(below.token().as_str(), "http://[::1]:8443/x/v1/oauth2/token");
    assert_eq!(
        below.payouts().as_str(),
        "http://[::1]:8443/x/v1/payments/payouts"
    );
}
