//! The HTTP processor with a provider that keeps the contract, and with one that violates it in every way.
#![cfg(feature = "http")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use payout_adapters::provider::http_contract::{HttpProcessor, HttpSettings, HttpSetupError};
use payout_core::contract::{Fixture, build};
use payout_core::payout::Failure;
use payout_core::ports::Processor;
use payout_core::provider::{LookUp, LookUpAnswer, ProcessorError, ProviderAnswer};

use self::calls::{PAID, TOKEN, assert_paid, processor, submit, submit_as};
use self::provider::{Deed, Provider, Request, answer, honest};

#[path = "http_processor/calls.rs"]
mod calls;
#[path = "http_processor/misbehaviour.rs"]
mod misbehaviour;
#[path = "http_processor/never_sent.rs"]
mod never_sent;
#[path = "http_processor/provider.rs"]
mod provider;

async fn for_the_contract() -> Fixture<dyn Processor> {
    let provider = honest().await;
    let processor: Arc<dyn Processor> = Arc::new(processor(&provider.url()));
    Fixture::from((processor, provider))
}

mod contract {
    payout_core::processor_contract!(super::for_the_contract);
}

#[tokio::test]
async fn a_submission_is_what_the_contract_says() {
    let provider = Provider::doing([answer(201, PAID)]).await;
    let instruction = build::instruction();
    let processor = processor(&format!("{}/v1/", provider.url()));
    assert_paid(&submit_as(&processor, &instruction).await);
    let [
        Request {
            method,
            path,
            headers,
            body,
        },
    ] = &provider.requests()[..]
    else {
        panic!("one request")
    };
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/v1/payouts"));
    assert_eq!(headers["idempotency-key"], format!("{}:0", instruction.payout_id));
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["payout-contract"], "2");
    let expected = serde_json::json!({
        "payout_id": instruction.payout_id.to_string(),
        "amount": "10.50",
        "currency": "USD",
        "recipient_account": instruction.details.recipient.account().as_str(),
        "recipient_name": instruction.details.recipient.name().as_str(),
        "description": instruction.details.description.as_str(),
        "digest": instruction.digest(),
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn a_look_up_is_what_the_contract_says() {
    let failed = r#"{"status":"failed","code":"x","message":"y"}"#;
    let provider = Provider::doing([
        answer(200, failed),
        answer(404, ""),
        answer(402, failed),
        answer(429, ""),
    ])
    .await;
    let (processor, instruction) = (processor(&provider.url()), build::instruction());
    let (key, look_up) = (
        instruction.key.clone(),
        LookUp::of_key(instruction.key, instruction.payout_id),
    );
    assert_eq!(
        processor.look_up(&look_up).await.unwrap(),
        LookUpAnswer::Found(ProviderAnswer::Declined(Failure::new("x", "y")))
    );
    assert_eq!(processor.look_up(&look_up).await.unwrap(), LookUpAnswer::Absent);
    assert!(matches!(
        processor.look_up(&look_up).await,
        Err(ProcessorError::Unknown { .. })
    ));
    assert!(matches!(
        processor.look_up(&look_up).await,
        Err(ProcessorError::Refused { .. })
    ));
    for request in provider.requests() {
        assert_eq!(request.method, "GET");
        assert_eq!(
            request.path,
            format!("/payouts/{}", key.as_str().replace(':', "%3A"))
        );
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(request.body, "");
    }
}

#[tokio::test]
async fn without_a_token_no_authorization_is_sent() {
    let provider = Provider::doing([answer(200, PAID)]).await;
    let processor = HttpProcessor::new(&HttpSettings::new(provider.url())).unwrap();
    assert_paid(&processor.submit(&build::instruction()).await);
    assert!(!provider.requests()[0].headers.contains_key("authorization"));
}

/// Checks that status, headers and body arrive over the wire. The tests of `answer` cover the rows themselves.
#[tokio::test]
async fn each_row_of_the_contract_comes_over_the_wire() {
    let failed = r#"{"status":"failed","code":"x","message":"y"}"#;
    let pending = r#"{"status":"pending","reference":"tr_2"}"#;
    let wait = "retry-after: 90\r\n";
    let rows: [(u16, &str, &str, &str); 19] = [
        (200, "", PAID, "paid"),
        (201, "", PAID, "paid"),
        (202, "", pending, "accepted"),
        (201, "", failed, "declined"),
        (422, "", failed, "declined"),
        (402, "", "<html>", "unknown None"),
        (202, "", PAID, "unknown None"),
        (204, "", "", "unknown None"),
        (404, "", failed, "unknown None"),
        (405, "", failed, "unknown None"),
        (500, "", PAID, "unknown None"),
        (500, wait, "", "unknown Some(90s)"),
        (503, "", "", "unknown None"),
        (503, wait, "", "overloaded 90s"),
        (409, "", failed, "overloaded 0ns"),
        (408, wait, "", "overloaded 90s"),
        (
            200,
            "",
            "\u{feff}{\"status\":\"completed\",\"reference\":\"tr_1\"}",
            "paid",
        ),
        (429, wait, "", "refused Some(90s)"),
        (401, "retry-after: soon\r\n", failed, "refused None"),
    ];
    for (status, headers, body, expected) in rows {
        let provider = Provider::doing([Deed::Answer(status, headers, body.to_owned())]).await;
        let said = match submit(&provider.url()).await {
            Ok(ProviderAnswer::Paid { .. }) => "paid".to_owned(),
            Ok(ProviderAnswer::Accepted { .. }) => "accepted".to_owned(),
            Ok(ProviderAnswer::Declined(_)) => "declined".to_owned(),
            Ok(ProviderAnswer::Reported { .. }) => "reported".to_owned(),
            Ok(ProviderAnswer::Returned(_)) => "returned".to_owned(),
            Ok(ProviderAnswer::Waiting { .. }) => "waiting".to_owned(),
            Err(ProcessorError::Refused { retry_after, .. }) => format!("refused {retry_after:?}"),
            Err(ProcessorError::Unknown { retry_after, .. }) => format!("unknown {retry_after:?}"),
            Err(ProcessorError::Overloaded { retry_after, .. }) => format!("overloaded {retry_after:?}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{status} {body}");
    }
}

#[test]
fn the_token_is_shown_nowhere_and_a_token_that_is_none_is_refused() {
    let mut settings = HttpSettings::new("http://127.0.0.1:1");
    settings.token = Some(TOKEN.to_owned().into());
    let processor = HttpProcessor::new(&settings).unwrap();
    assert!(!format!("{settings:?} {processor:?}").contains(TOKEN));
    settings.token = Some(format!("{TOKEN}\n").into());
    let error = HttpProcessor::new(&settings).unwrap_err();
    assert!(matches!(error, HttpSetupError::InvalidToken));
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}
