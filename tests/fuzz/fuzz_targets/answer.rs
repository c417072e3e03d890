//! Fuzzes the provider's answers: only the contract's rows for final outcomes move a payout to a final state.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use payout_adapters::provider::http_contract::answer::{Body, Received, of_look_up, of_submission};
use payout_core::provider::ProviderAnswer;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    // Input: three digits of a status, and a body.
    let Some((status, body)) = data.split_at_checked(3) else {
        return;
    };
    let Some(status) = std::str::from_utf8(status)
        .ok()
        .and_then(|status| status.parse().ok())
    else {
        return;
    };
    let received = Received {
        status,
        retry_after: Some(Duration::from_secs(7)),
        body: Body::Whole(body.to_vec()),
    };
    let submitted = of_submission(&received);
    let looked_up = of_look_up(&received);
    for answer in [
        submitted.as_ref().ok(),
        looked_up.as_ref().ok().and_then(Option::as_ref),
    ] {
        let Some(answer) = answer else { continue };
        let body: Value = serde_json::from_slice(body).expect("only JSON is an answer");
        let says = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
        match answer.outcome() {
            ProviderAnswer::Reported { .. } => panic!("an outcome is none of these"),
            ProviderAnswer::Returned(returned) => {
                assert!(matches!(status, 200 | 201));
                assert_eq!(body["status"], "returned");
                assert!(says("reference") && says("code") && !returned.reason.code().is_empty());
                assert!(returned.amount.is_none_or(|amount| amount.is_sign_positive() && !amount.is_zero()));
            }
            ProviderAnswer::Waiting { reason, key_is_spent, .. } => {
                assert!(matches!(status, 200 | 201 | 400 | 402 | 422));
                assert_eq!(body["status"], "waiting");
                assert_eq!(body["reason"], reason.as_str());
                assert_eq!(body["spent"] == Value::Bool(true), *key_is_spent);
            }
            ProviderAnswer::Paid { reference } => {
                assert!(matches!(status, 200 | 201));
                assert_eq!(body["status"], "completed");
                assert!(says("reference") && !reference.as_str().is_empty());
            }
            ProviderAnswer::Accepted { reference, look_again } => {
                assert_eq!(*look_again, None);
                assert!(matches!(status, 200..=202));
                assert_eq!(body["status"], "pending");
                assert!(says("reference") && !reference.as_str().is_empty());
            }
            ProviderAnswer::Declined(failure) => {
                assert!(matches!(status, 200 | 201 | 400 | 402 | 422));
                assert!(says("code") && !failure.code().is_empty());
                let others = ["completed", "pending", "returned", "waiting"];
                assert!(others.iter().all(|status| body["status"] != *status));
            }
        }
    }
    // An identical body has the same meaning in both calls, and only 404 means that the provider does not know the key.
    match looked_up {
        Ok(Some(found)) => assert_eq!(submitted.ok(), Some(found)),
        Ok(None) => assert_eq!(status, 404),
        Err(error) => assert!(error.to_string().chars().count() < 200, "{error}"),
    }
});
