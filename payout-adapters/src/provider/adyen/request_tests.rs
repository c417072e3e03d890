use payout_core::contract::build;
use payout_core::payout::{Description, RecipientName, RecipientType};
use serde_json::{Value, json};

use super::*;

const BALANCE_ACCOUNT: &str = "BA0001";

fn instruction(kind: RecipientType, amount: &str, currency: &str) -> Instruction {
    let mut instruction = build::instruction();
    instruction.details.money = build::money(amount, currency);
    instruction.details.recipient = build::recipient_of_type(kind, "adyen");
    instruction
}

fn sent(instruction: &Instruction) -> Value {
    let body = body(instruction, BALANCE_ACCOUNT, AdyenPriority::Regular).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn refused(instruction: &Instruction) -> &'static str {
    let refused = body(instruction, BALANCE_ACCOUNT, AdyenPriority::Regular);
    refused.map(|_| ()).unwrap_err().code
}

#[test]
fn a_submission_has_the_key_the_account_and_the_amount() {
    let instruction = instruction(RecipientType::Iban, "10.50", "EUR");
    assert_eq!(
        sent(&instruction),
        json!({
            "amount": {"currency": "EUR", "value": 1050},
            "balanceAccountId": "BA0001",
            "category": "bank",
            "counterparty": {"bankAccount": {
                "accountHolder": {"fullName": "Ada Lovelace"},
                "accountIdentification": {"type": "iban", "iban": "DE89370400440532013000"},
            }},
            "description": "Invoice 7",
            "priority": "regular",
            "reference": wire_key(&instruction.key),
        })
    );
}

#[test]
fn a_statement_text_is_sent_as_it_is_or_declined() {
    let text = format!("Salary {}", "x".repeat(133));
    let mut noted = instruction(RecipientType::Iban, "10.50", "EUR");
    noted.details.statement_text = StatementText::new(&text).ok();
    assert_eq!(
        sent(&noted)["description"],
        text,
        "in place of the description, whole"
    );
    noted.details.statement_text = StatementText::new("azAZ09 /-?:().,'+").ok();
    assert_eq!(sent(&noted)["description"], "azAZ09 /-?:().,'+");

    let mut to_us = instruction(RecipientType::UsBank, "10.50", "USD");
    to_us.details.statement_text = StatementText::new("Salary, November").ok();
    assert_eq!(refused(&to_us), "character_not_supported");
    to_us.details.statement_text = StatementText::new("Salary November").ok();
    assert_eq!(sent(&to_us)["description"], "Salary November");
}

#[test]
fn a_key_is_sent_with_hyphens_alone_and_read_back() {
    let id = build::fresh_id();
    for generation in [0, 7, u32::MAX] {
        let key = ProcessorKey::new(id, None, generation);
        let sent = wire_key(&key);
        assert!(
            sent.len() <= 64
                && sent
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
        assert_eq!(key_of(&sent).as_deref(), Some(key.as_str()));
    }
    for foreign in [
        "",
        "invoice-7",
        &id.to_string(),
        &format!("{id}-"),
        &format!("{id}-7a"),
        &"ä".repeat(30),
    ] {
        assert_eq!(key_of(foreign), None, "{foreign}");
    }
}

#[test]
fn an_address_is_sent_in_the_form_that_adyen_takes() {
    let with = |region: Option<&str>, postal_code: &str, country: &str| {
        let full = Address {
            line1: "Plac Żołnierza 1".to_owned(),
            line2: None,
            city: "Łódź".to_owned(),
            postal_code: Some(postal_code.to_owned()),
            region: region.map(str::to_owned),
            country: country.to_owned(),
        };
        address(&full).map(|sent| serde_json::to_value(sent).unwrap())
    };
    assert_eq!(
        with(Some("Łódzkie"), "90-514", "PL").unwrap(),
        json!({"line1": "Plac Zolnierza 1", "city": "Lodz", "postalCode": "90514", "country": "PL"})
    );
    assert_eq!(with(Some("ca"), "94103", "US").unwrap()["stateOrProvince"], "CA");
    for region in [None, Some("California")] {
        assert_eq!(
            with(region, "94103", "US").unwrap_err().code,
            "region_not_supported"
        );
    }
}

#[test]
fn bank_accounts_of_two_countries_are_local_ones() {
    let identification = |kind, currency| {
        let body = sent(&instruction(kind, "10.50", currency));
        body["counterparty"]["bankAccount"]["accountIdentification"].clone()
    };
    assert_eq!(
        identification(RecipientType::UsBank, "USD"),
        json!({"type": "usLocal", "routingNumber": "011000138", "accountNumber": "123456789", "accountType": "checking"})
    );
    assert_eq!(
        identification(RecipientType::GbBank, "GBP"),
        json!({"type": "ukLocal", "sortCode": "560036", "accountNumber": "40308669"})
    );
}

#[test]
fn what_adyen_cannot_take_is_declined_and_not_sent() {
    for kind in [
        RecipientType::Account,
        RecipientType::Email,
        RecipientType::Phone,
        RecipientType::ProviderAccount,
    ] {
        assert_eq!(
            refused(&instruction(kind, "10.50", "EUR")),
            "recipient_type_not_payable"
        );
    }
    let rupiah = instruction(RecipientType::Iban, "10.50", "IDR");
    assert_eq!(refused(&rupiah), "amount_not_payable");
    let mut named = instruction(RecipientType::Iban, "10.50", "EUR");
    let recipient = named.details.recipient.clone();
    named.details.recipient = recipient.with_name(RecipientName::new("Иван").unwrap());
    assert_eq!(refused(&named), "character_not_supported");
}

#[test]
fn a_long_description_is_cut_to_140_characters() {
    let mut instruction = instruction(RecipientType::Iban, "10.50", "EUR");
    let text = format!("{} Zoë", "é".repeat(138));
    instruction.details.description = Description::new(&text).unwrap();
    assert_eq!(
        sent(&instruction)["description"],
        format!("{} Z", "e".repeat(138))
    );
    instruction.details.description = Description::new("").unwrap();
    assert_eq!(sent(&instruction).get("description"), None);
}

#[test]
fn the_urls_are_those_of_the_api() {
    let key = build::instruction().key;
    let now = "2026-11-02T10:00:00Z".parse().unwrap();
    for base in ["https://pay.example/btl/v4", "https://pay.example/btl/v4/"] {
        let endpoints = Endpoints::new(base).unwrap();
        assert_eq!(
            endpoints.transfers().as_str(),
            "https://pay.example/btl/v4/transfers"
        );
        assert_eq!(
            endpoints.transfer("1W1UG/3").as_str(),
            "https://pay.example/btl/v4/transfers/1W1UG%2F3"
        );
        assert_eq!(
            endpoints.balance_account(BALANCE_ACCOUNT).unwrap().path(),
            format!("/bcl/v2/balanceAccounts/{BALANCE_ACCOUNT}")
        );
        let list = endpoints.list(&key, BALANCE_ACCOUNT, &Window::new(Some(now), now));
        let pairs: Vec<(String, String)> = list.query_pairs().into_owned().collect();
        let expected = [
            ("balanceAccountId", BALANCE_ACCOUNT),
            ("reference", &wire_key(&key)),
            ("createdSince", "2026-11-01T10:00:00Z"),
            ("createdUntil", "2026-11-03T10:00:00Z"),
        ];
        let expected: Vec<_> = expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        assert_eq!(pairs, expected);
    }
    for base in [
        "",
        "pay.example",
        "ftp://x",
        "https://u:p@x",
        "https://x?a=b",
        "https://x#f",
    ] {
        assert!(
            matches!(Endpoints::new(base), Err(AdyenSetupError::InvalidUrl)),
            "{base}"
        );
    }
}

#[test]
fn a_balance_account_is_not_asked_for_at_an_address_that_is_not_adyens() {
    let endpoints = Endpoints::new("https://pay.example/v1").unwrap();
    assert_eq!(endpoints.balance_account(BALANCE_ACCOUNT), None);
}
