//! The access token: fetched once for all callers, renewed once, and no payment without one.

use payout_adapters::provider::paypal::PaypalProcessor;
use payout_core::provider::{ProcessorError, ProviderAnswer};
use payout_stand_ins::paypal::WRONG_SECRET;

use crate::support::{System, accepted, instruction, submit};

/// Submits sixteen payments at once.
async fn submit_many(processor: &PaypalProcessor) -> Vec<Result<ProviderAnswer, ProcessorError>> {
    let calls = (0..16).map(|_| async { submit(processor, &instruction(processor)).await });
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_token() {
    let system = System::start().await;
    let processor = system.processor();
    for answer in submit_many(&processor).await {
        accepted(&answer);
    }
    for answer in submit_many(&processor).await {
        accepted(&answer);
    }
    assert_eq!(system.paypal.granted_tokens(), 1);
}

#[tokio::test]
async fn a_token_that_paypal_refuses_is_renewed_once_for_all_callers() {
    let system = System::start().await;
    let processor = system.processor();
    accepted(&submit(&processor, &instruction(&processor)).await);
    system.paypal.revoke_tokens();
    for answer in submit_many(&processor).await {
        accepted(&answer);
    }
    assert_eq!(system.paypal.granted_tokens(), 2);
}

#[tokio::test]
async fn wrong_credentials_refuse_every_payment_for_now_and_make_none() {
    let system = System::start().await;
    let mut settings = system.settings();
    settings.client_secret = WRONG_SECRET.into();
    let processor = PaypalProcessor::new(&settings).unwrap();
    for answer in submit_many(&processor).await {
        assert!(
            matches!(answer, Err(ProcessorError::Refused { .. })),
            "{answer:?}"
        );
    }
    assert_eq!(
        (system.payments(), system.paypal.granted_tokens()),
        (Vec::new(), 0)
    );
}

#[tokio::test]
async fn without_a_connection_for_the_token_nothing_was_sent() {
    let system = System::start().await;
    let processor = system.processor();
    drop(system);
    for answer in submit_many(&processor).await {
        assert!(
            matches!(answer, Err(ProcessorError::NeverSent { .. })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_secret_is_shown_nowhere() {
    let system = System::start().await;
    let (settings, processor) = (system.settings(), system.processor());
    accepted(&submit(&processor, &instruction(&processor)).await);
    assert!(!format!("{settings:?} {processor:?}").contains(crate::support::SECRET));
}
