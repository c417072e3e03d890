//! Recipients with a type: in requests, in answers, with masks, and beside the flat fields.

use payout_core::access::Scope;
use payout_core::payout::{Address, RecipientField, RecipientType};

use super::*;

fn paying(recipient: &Value) -> Value {
    json!({"amount": "125.50", "currency": "EUR", "recipient": recipient})
}

fn iban() -> Value {
    json!({"type": "iban", "iban": "de89 3704 0044 0532 0130 00", "bic": "cobadeffxxx", "name": "Ada Lovelace",
        "email": "ada@example.com", "entity": "individual",
        "address": {"line1": "1 High Street", "city": "London", "country": "gb"}})
}

async fn created(bench: &Bench, body: &Value) -> (Reply, String) {
    let reply = bench.write(Method::POST, "/api/payouts/", &[], body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let path = reply.header("location").to_owned();
    (reply, path)
}

#[tokio::test]
async fn a_recipient_of_every_type_is_created_and_read_back_with_its_readable_form() {
    let bench = Bench::new();
    for (recipient, account) in [
        (iban(), "DE89370400440532013000"),
        (
            json!({"type": "us_bank", "routing_number": "021000021", "account_number": "123456789",
                "account_type": "checking", "name": "Ada"}),
            "021000021-123456789",
        ),
        (
            json!({"type": "gb_bank", "sort_code": "20-00-00", "account_number": "55779911", "name": "Ada"}),
            "200000-55779911",
        ),
        (
            json!({"type": "email", "email": "ada@Example.com", "name": "Ada"}),
            "ada@example.com",
        ),
        (
            json!({"type": "phone", "phone": "+44 20 7946 0000", "name": "Ada"}),
            "+442079460000",
        ),
        (
            json!({"type": "provider_account", "provider": "stripe", "id": "acct_1", "name": "Ada"}),
            "acct_1",
        ),
        (
            json!({"type": "account", "account": "DE89 3704", "name": "Ada"}),
            "DE89 3704",
        ),
    ] {
        let (reply, path) = created(&bench, &paying(&recipient)).await;
        let body = bench.get(&path).await.json();
        assert_eq!(reply.json(), body);
        assert_eq!(body["recipient"]["type"], recipient["type"]);
        assert_eq!(body["recipient"]["name"], recipient["name"]);
        assert_eq!(
            (&body["recipient_account"], &body["recipient_name"]),
            (&json!(account), &recipient["name"])
        );
        assert!(!reply.headers.contains_key("payout-warning"));
    }
}

#[tokio::test]
async fn an_answer_has_every_part_in_its_normal_form() {
    let bench = Bench::new();
    let (reply, _) = created(&bench, &paying(&iban())).await;
    assert_eq!(
        reply.json()["recipient"],
        json!({"type": "iban", "iban": "DE89370400440532013000", "bic": "COBADEFFXXX", "name": "Ada Lovelace",
            "email": "ada@example.com", "entity": "individual",
            "address": {"line1": "1 High Street", "city": "London", "country": "GB"}})
    );
}

#[tokio::test]
async fn flat_fields_are_answered_as_the_type_account_too() {
    let bench = Bench::new();
    let (created, _) = bench.create().await;
    let recipient = json!({"type": "account", "account": "DE89370400440532013000", "name": "Ada Lovelace"});
    assert_eq!(created.json()["recipient"], recipient);
}

#[tokio::test]
async fn an_iban_that_is_sent_unchecked_is_told_and_not_changed() {
    const WARNING: &str =
        "recipient_account is a valid IBAN; send it as recipient {\"type\": \"iban\"} to have it checked";
    let bench = Bench::new();
    for (account, warned) in [
        ("DE89370400440532013000", true),
        ("de89 3704 0044 0532 0130 00", true),
        ("DE88370400440532013000", false),
        ("ACC-1", false),
    ] {
        let mut body = new_payout();
        body["recipient_account"] = json!(account);
        let (reply, path) = created(&bench, &body).await;
        assert_eq!(reply.json()["recipient_account"], account);
        assert_eq!(reply.headers.get("payout-warning").is_some(), warned, "{account}");
        if warned {
            assert_eq!(reply.header("payout-warning"), WARNING);
        }
        let patch = json!({"recipient_account": account});
        let patched = bench.write(Method::PATCH, &path, &[], &patch).await;
        assert_eq!(
            patched.headers.get("payout-warning").is_some(),
            warned,
            "{account}"
        );
    }
    let explicit = json!({"type": "account", "account": "DE89370400440532013000", "name": "Ada"});
    let (reply, _) = created(&bench, &paying(&explicit)).await;
    assert!(!reply.headers.contains_key("payout-warning"), "it is asked for");
}

/// Returns a recipient of a type with every part that it may have.
fn whole(kind: RecipientType) -> Value {
    let mut recipient = match kind {
        RecipientType::Account => json!({"account": "ACC-1"}),
        RecipientType::Iban => json!({"iban": "DE89370400440532013000", "bic": "COBADEFF"}),
        RecipientType::UsBank => {
            json!({"routing_number": "021000021", "account_number": "123456789", "account_type": "checking"})
        }
        RecipientType::GbBank => json!({"sort_code": "200000", "account_number": "55779911"}),
        RecipientType::Email => json!({"email": "ada@example.com"}),
        RecipientType::Phone => json!({"phone": "+442079460000"}),
        RecipientType::ProviderAccount => json!({"provider": "stripe", "id": "acct_1"}),
    };
    recipient["type"] = json!(kind.as_str());
    recipient["name"] = json!("Ada Lovelace");
    recipient["entity"] = json!("individual");
    recipient["email"] = json!("ada@example.com");
    recipient["address"] = json!({"line1": "1 High Street", "line2": "Floor 2", "city": "London",
        "postal_code": "N1 1AA", "region": "London", "country": "GB"});
    recipient
}

/// Returns texts that no part of this name can have.
fn wrong(kind: RecipientType, part: &str) -> Vec<String> {
    let texts: &[&str] = match (part, kind) {
        ("type", _) => &["bank", "IBAN"],
        ("name" | "account", _) => &["Ada\nLovelace"],
        ("iban", _) => &[
            "DE88370400440532013000",
            "DE8937040044053201300",
            "ZZ89370400440532013000",
        ],
        ("bic", _) => &["COBADEF", "COBAQQFF", "BNPAFRPP"],
        ("routing_number", _) => &["021000022", "02100002", "000000000", "02100002a"],
        ("account_number", RecipientType::GbBank) => &["5577991", "557799111", "5577991a"],
        ("account_number", _) => &["123", "123456789012345678", "12345678a"],
        ("account_type", _) => &["gold", "CHECKING "],
        ("sort_code", _) => &["20000", "2000000", "20000a"],
        ("email", _) => &["ada", "ada@example", "@example.com", "ada@exa mple.com"],
        ("phone", _) => &["02079460000", "+0207946000", "+44207", "+4420794600001234"],
        ("provider", _) => &["Stripe", "stripe connect"],
        ("id", _) => &["acct 1", "acct\u{e9}"],
        ("entity", _) => &["robot"],
        ("country", _) => &["UK", "DEU", "Germany"],
        ("line1" | "line2" | "city" | "postal_code" | "region", _) => &["a\tb"],
        (part, kind) => panic!("no wrong text for {part} of {kind:?}"),
    };
    let long = "x".repeat(300);
    texts
        .iter()
        .map(|text| (*text).to_owned())
        .chain([long, String::new()])
        .collect()
}

#[tokio::test]
async fn each_wrong_part_of_each_type_is_refused_by_its_name() {
    let bench = Bench::new();
    let refused = async |recipient: &Value, part: &str| {
        let reply = bench
            .write(Method::POST, "/api/payouts/", &[], &paying(recipient))
            .await;
        assert_eq!(reply.status, 400, "{part} of {recipient}: {reply:?}");
        let problem = reply.problem(400, "invalid-request");
        let errors = problem["errors"].as_object().unwrap();
        let names: Vec<&String> = errors.keys().collect();
        assert_eq!(names, [&format!("recipient.{part}")], "{recipient}: {problem}");
        let messages = errors.values().flat_map(|messages| messages.as_array().unwrap());
        for message in messages {
            assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
    };
    for kind in RecipientType::ALL {
        let recipient = whole(*kind);
        created(&bench, &paying(&recipient)).await;
        let common = ["type", "name", "entity", "email"];
        let common = common.map(|name| RecipientField {
            name,
            required: name == "name" || name == "type",
        });
        for part in kind.account_fields().iter().chain(&common) {
            let name = part.name;
            let values = wrong(*kind, name).into_iter().map(Value::from);
            for value in values.chain([json!(1), json!(null), json!(["x"]), json!({"x": "y"})]) {
                let mut changed = recipient.clone();
                changed[name] = value;
                refused(&changed, name).await;
            }
            let is_required = kind
                .account_fields()
                .iter()
                .chain(&common)
                .any(|one| one.name == name && one.required);
            let mut without = recipient.clone();
            without.as_object_mut().unwrap().remove(name);
            if is_required {
                refused(&without, name).await;
            } else {
                created(&bench, &paying(&without)).await;
            }
        }
        for part in Address::FIELDS {
            let path = format!("address.{}", part.name);
            let values = wrong(*kind, part.name).into_iter().map(Value::from);
            for value in values.chain([json!(1), json!(null)]) {
                let mut changed = recipient.clone();
                changed["address"][part.name] = value;
                refused(&changed, &path).await;
            }
            if part.required {
                let mut without = recipient.clone();
                without["address"].as_object_mut().unwrap().remove(part.name);
                refused(&without, &path).await;
            }
        }
        let mut unknown = recipient.clone();
        unknown["swift"] = json!("COBADEFF");
        refused(&unknown, "swift").await;
    }
}

#[tokio::test]
async fn every_wrong_part_is_named_beside_the_other_fields() {
    let bench = Bench::new();
    let body = json!({"amount": "1.234", "currency": "EUR", "extra": 1, "recipient": {
        "type": "iban", "iban": "DE88370400440532013000", "sort_code": "200000", "name": 1,
        "address": {"city": "", "country": "UK"}}});
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let path = match method {
            Method::POST => "/api/payouts/".to_owned(),
            _ => bench.create().await.1,
        };
        let problem = bench
            .write(method.clone(), &path, &[], &body)
            .await
            .problem(400, "invalid-request");
        let names: Vec<&str> = problem["errors"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            names,
            [
                "amount",
                "extra",
                "recipient.address.city",
                "recipient.address.country",
                "recipient.address.line1",
                "recipient.iban",
                "recipient.name",
                "recipient.sort_code",
            ],
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_recipient_is_sent_in_one_form() {
    let bench = Bench::new();
    let mut both = new_payout();
    both["recipient"] = iban();
    let problem = bench
        .write(Method::POST, "/api/payouts/", &[], &both)
        .await
        .problem(400, "invalid-request");
    for name in ["recipient", "recipient_account", "recipient_name"] {
        assert!(problem["errors"][name].is_array(), "{problem}");
    }
    let none = json!({"amount": "1", "currency": "EUR"});
    let problem = bench
        .write(Method::POST, "/api/payouts/", &[], &none)
        .await
        .problem(400, "invalid-request");
    assert_eq!(
        problem["errors"]["recipient_account"],
        json!(["This field is required."])
    );
    let (_, path) = bench.create().await;
    let patch = json!({"recipient": iban(), "recipient_name": "Bob"});
    let problem = bench
        .write(Method::PATCH, &path, &[], &patch)
        .await
        .problem(400, "invalid-request");
    assert!(problem["errors"]["recipient"].is_array() && problem["errors"]["recipient_name"].is_array());
}

#[tokio::test]
async fn a_patch_replaces_the_recipient_whole() {
    let bench = Bench::new();
    let (_, path) = created(&bench, &paying(&iban())).await;
    let email = json!({"type": "email", "email": "ada@example.com", "name": "Ada"});
    let body = bench
        .write(Method::PATCH, &path, &[], &json!({"recipient": email}))
        .await;
    assert_eq!((body.status, &body.json()["recipient"]), (200, &email));
    // A flat name keeps the account's type; a flat account is a plain one.
    let body = bench
        .write(Method::PATCH, &path, &[], &json!({"recipient_name": "Bob"}))
        .await;
    assert_eq!(
        body.json()["recipient"],
        json!({"type": "email", "email": "ada@example.com", "name": "Bob"})
    );
    let body = bench
        .write(Method::PATCH, &path, &[], &json!({"recipient_account": "ACC-1"}))
        .await;
    assert_eq!(
        body.json()["recipient"],
        json!({"type": "account", "account": "ACC-1", "name": "Bob"})
    );
}

#[tokio::test]
async fn a_recipient_that_is_sent_back_changes_nothing() {
    let bench = Bench::new();
    let (_, path) = created(&bench, &paying(&iban())).await;
    let before = bench.get(&path).await.json();
    let patch = json!({"recipient": before["recipient"]});
    let after = bench.write(Method::PATCH, &path, &[], &patch).await;
    assert_eq!((after.status, after.json()), (200, before.clone()));
    let flat =
        json!({"recipient_account": before["recipient_account"], "recipient_name": before["recipient_name"]});
    let after = bench.write(Method::PATCH, &path, &[], &flat).await;
    assert_eq!(
        after.json(),
        before,
        "the flat form of a typed account keeps its type"
    );
}

#[tokio::test]
async fn without_reveal_a_recipient_is_masked_and_its_mask_changes_nothing() {
    let bench = Bench::new();
    let (_, path) = created(&bench, &paying(&iban())).await;
    let masked = bench.key("masked", [Scope::Read, Scope::Write]).await;
    let shown = bench.ask_with(&masked, Method::GET, &path, "").await.json();
    assert_eq!(
        shown["recipient"],
        json!({"type": "iban", "iban": "••••3000", "bic": "COBADEFFXXX", "name": "A••• L•••", "email": "a•••@e•••.com",
            "entity": "individual", "address": {"country": "GB"}})
    );
    let send = async |recipient: &Value| {
        let body = json!({"recipient": recipient}).to_string();
        bench.ask_with(&masked, Method::PATCH, &path, &body).await
    };
    let same = send(&shown["recipient"]).await;
    assert_eq!((same.status, same.json()), (200, shown.clone()));

    let mut another = shown["recipient"].clone();
    another["iban"] = json!("••••3001");
    let problem = send(&another).await.problem(400, "invalid-request");
    assert!(problem["errors"]["recipient"].is_array(), "{problem}");
    let mut partly = shown["recipient"].clone();
    partly["name"] = json!("Eve");
    send(&partly).await.problem(400, "invalid-request");

    // A whole recipient counts as a change, even where it is the stored one.
    let full = send(&iban()).await;
    assert_eq!(
        (full.status, &full.json()["recipient"]),
        (200, &shown["recipient"])
    );
    assert_ne!(full.json()["updated_at"], shown["updated_at"]);
}

#[tokio::test]
async fn a_mask_makes_no_new_payout() {
    let bench = Bench::new();
    let masked = json!({"type": "iban", "iban": "••••3000", "name": "A•••"});
    let reply = bench
        .write(Method::POST, "/api/payouts/", &[], &paying(&masked))
        .await;
    let problem = reply.problem(400, "invalid-request");
    for name in ["recipient.iban", "recipient.name"] {
        assert_eq!(
            problem["errors"][name],
            json!(["This is a mask: send the whole value."])
        );
    }
}

#[tokio::test]
async fn a_typed_request_under_the_key_of_a_plain_one_is_another_request() {
    let bench = Bench::new();
    let key = [("idempotency-key", "\"k-1\"")];
    let recipient = json!({"type": "iban", "iban": "DE89370400440532013000", "name": "Ada Lovelace"});
    let typed = paying(&recipient);
    let first = bench.write(Method::POST, "/api/payouts/", &key, &typed).await;
    assert_eq!(first.status, 201);
    let spelled = json!({"type": "iban", "iban": "de89 3704 0044 0532 0130 00", "name": "Ada Lovelace"});
    let again = bench
        .write(Method::POST, "/api/payouts/", &key, &paying(&spelled))
        .await;
    assert_eq!(
        (again.header("idempotent-replayed"), again.json()),
        ("true", first.json())
    );
    let plain = json!({"amount": "125.50", "currency": "EUR", "recipient_account": "DE89370400440532013000",
        "recipient_name": "Ada Lovelace"});
    let other = bench.write(Method::POST, "/api/payouts/", &key, &plain).await;
    assert_eq!(other.status, 422, "{other:?}");
}
