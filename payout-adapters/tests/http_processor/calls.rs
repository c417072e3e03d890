//! Calls of the processor, with the checks that hold for every call.

use std::time::Duration;

use payout_adapters::provider::http_contract::{HttpProcessor, HttpSettings};
use payout_core::contract::build;
use payout_core::ports::Processor;
use payout_core::provider::{Instruction, ProcessorError, ProviderAnswer};

pub(crate) const PAID: &str = r#"{"status":"completed","reference":"tr_1"}"#;
pub(crate) const TOKEN: &str = "hunter2";

/// The longest time that a call may take in these tests.
pub(crate) const BOUND: Duration = Duration::from_secs(3);

pub(crate) fn processor(url: &str) -> HttpProcessor {
    let mut settings = HttpSettings::new(url);
    settings.token = Some(TOKEN.to_owned().into());
    settings.connect_timeout = Duration::from_millis(500);
    settings.timeout = Duration::from_secs(1);
    HttpProcessor::new(&settings).unwrap()
}

/// Submits, and checks what holds for every call: it ends in time, and its error shows no personal data and no secret.
pub(crate) async fn submit_as(
    processor: &HttpProcessor,
    instruction: &Instruction,
) -> Result<ProviderAnswer, ProcessorError> {
    let result = tokio::time::timeout(BOUND, processor.submit(instruction))
        .await
        .expect("it is bounded");
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        let account = instruction.details.recipient.account().as_str();
        for secret in [
            account,
            instruction.details.recipient.name().as_str(),
            TOKEN,
            "127.0.0.1",
            "tr_1",
        ] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    result
}

pub(crate) async fn submit(url: &str) -> Result<ProviderAnswer, ProcessorError> {
    submit_as(&processor(url), &build::instruction()).await
}

#[track_caller]
pub(crate) fn assert_paid(result: &Result<ProviderAnswer, ProcessorError>) {
    assert!(matches!(result, Ok(ProviderAnswer::Paid { .. })), "{result:?}");
}

#[track_caller]
pub(crate) fn assert_unknown(result: &Result<ProviderAnswer, ProcessorError>) {
    assert!(
        matches!(result, Err(ProcessorError::Unknown { .. })),
        "{result:?}"
    );
}

#[track_caller]
pub(crate) fn assert_never_sent(result: &Result<ProviderAnswer, ProcessorError>, expected: &str) {
    match result {
        Err(ProcessorError::NeverSent { why }) => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    }
}
