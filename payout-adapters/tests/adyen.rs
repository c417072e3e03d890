//! The Adyen processor with Adyen's stand-in, which keeps the vendor's rules and loses answers.
#![cfg(feature = "adyen")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::provider::adyen::{AdyenProcessor, AdyenSettings, AdyenSetupError};
use payout_core::contract::{Fixture, build};
use payout_core::payout::ProviderReference;
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderAnswer, ProviderName, WaitReason,
};
use payout_stand_ins::adyen::{API_KEY, Adyen, BALANCE_ACCOUNT, NOTIFICATION_KEY, PATH};
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::ledger::{Payment, Standing};
use payout_stand_ins::{StandIn, StandInSettings};

#[path = "adyen/lost_answers.rs"]
mod lost_answers;
#[path = "adyen/notifications.rs"]
mod notifications;

fn settings(url: &str) -> AdyenSettings {
    AdyenSettings {
        url: format!("{url}{PATH}"),
        notification_key: Some(NOTIFICATION_KEY.into()),
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_millis(1000),
        ..AdyenSettings::new(
            ProviderName::new("adyen").unwrap(),
            API_KEY.into(),
            BALANCE_ACCOUNT,
        )
    }
}

fn processor(url: &str) -> AdyenProcessor {
    AdyenProcessor::new(&settings(url)).unwrap()
}

async fn stand_in(faults: FaultProfile) -> StandIn {
    let settings = StandInSettings {
        faults,
        ..StandInSettings::default()
    };
    StandIn::start(Adyen::default(), settings).await.unwrap()
}

async fn for_the_contract() -> Fixture<dyn Processor> {
    let stand_in = stand_in(FaultProfile::off()).await;
    let open = || -> Arc<dyn Processor> { Arc::new(processor(&stand_in.url())) };
    let (port, peer) = (open(), open());
    Fixture::from((port, stand_in)).with_peer(peer)
}

mod contract {
    payout_core::processor_contract!(super::for_the_contract);
}

fn instruction(processor: &AdyenProcessor) -> Instruction {
    build::payable(&processor.capabilities())
}

/// Builds the look-up of an instruction that was sent a while ago.
fn look_up(instruction: &Instruction, reference: Option<&ProviderReference>) -> LookUp {
    LookUp {
        reference: reference.cloned(),
        first_sent_at: Some(System::default().now() - chrono::Duration::hours(1)),
        ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
    }
}

/// Looks a key up by its reference, and requires that the transfer is found.
async fn found(processor: &AdyenProcessor, instruction: &Instruction) -> ProviderAnswer {
    let answer = processor.look_up(&look_up(instruction, None)).await.unwrap();
    answer.found().expect("the transfer is found").outcome().clone()
}

fn payment(stand_in: &StandIn, instruction: &Instruction) -> Payment {
    let [payment] = &stand_in.ledger().by_key(instruction.key.as_str())[..] else {
        panic!("one payment of {}", instruction.key);
    };
    payment.clone()
}

/// Returns a profile with late settlements only, so that a test decides when a transfer is booked.
fn undecided() -> FaultProfile {
    FaultProfile {
        settle_late: 1000,
        settle_within_ms: 3_600_000,
        ..FaultProfile::off()
    }
}

#[tokio::test]
async fn a_submission_carries_our_key_as_idempotency_key_and_reference() {
    let stand_in = stand_in(undecided()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    processor.submit(&instruction).await.unwrap();
    let payment = payment(&stand_in, &instruction);
    let sent = instruction.key.as_str().replace(':', "-");
    assert_eq!(payment.idempotency.as_ref(), Some(&sent));
    assert_eq!(payment.detail["request"]["reference"], sent.as_str());
    assert_eq!(
        (payment.amount.as_str(), payment.currency.as_str()),
        ("1050", "EUR")
    );
    assert_eq!(payment.recipient, "DE89370400440532013000");
}

#[tokio::test]
async fn a_transfer_is_accepted_until_it_is_booked_and_then_may_come_back() {
    let stand_in = stand_in(undecided()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    let said = processor.submit(&instruction).await.unwrap();
    let ProviderAnswer::Accepted { reference, .. } = said.outcome().clone() else {
        panic!("it is accepted: {said:?}");
    };
    let by_id = look_up(&instruction, Some(&reference));
    let ask = async || {
        let by_id = processor
            .look_up(&by_id)
            .await
            .unwrap()
            .found()
            .unwrap()
            .outcome()
            .clone();
        assert_eq!(found(&processor, &instruction).await, by_id, "by id and by key");
        by_id
    };
    assert!(matches!(ask().await, ProviderAnswer::Accepted { .. }));
    stand_in.settle(instruction.key.as_str()).await.unwrap();
    assert_eq!(
        ask().await,
        ProviderAnswer::Paid {
            reference: reference.clone()
        }
    );
    stand_in
        .return_payment(instruction.key.as_str(), "counterpartyAccountClosed")
        .await
        .unwrap();
    let ProviderAnswer::Returned(returned) = ask().await else {
        panic!("it is returned");
    };
    assert_eq!(returned.reason.code(), "counterpartyAccountClosed");
    assert_eq!(returned.reference, Some(reference));
    assert!(returned.at.is_some());
}

#[tokio::test]
async fn a_transfer_without_funds_waits_and_its_key_is_spent() {
    let no_funds = FaultProfile {
        no_funds: 1000,
        ..FaultProfile::off()
    };
    let stand_in = stand_in(no_funds).await;
    let processor = processor(&stand_in.url());
    let first = instruction(&processor);
    let is_waiting = |answer: &ProviderAnswer| {
        let ProviderAnswer::Waiting {
            reason, key_is_spent, ..
        } = answer.outcome()
        else {
            return false;
        };
        *reason == WaitReason::Funds && *key_is_spent
    };
    assert!(is_waiting(&processor.submit(&first).await.unwrap()));
    stand_in.set_faults(FaultProfile::off());
    assert!(
        is_waiting(&processor.submit(&first).await.unwrap()),
        "the key keeps its answer"
    );
    assert!(is_waiting(&found(&processor, &first).await));
    assert_eq!(payment(&stand_in, &first).standing, Standing::Refused);
    let key = ProcessorKey::new(first.payout_id, None, 1);
    let next = Instruction { key, ..first };
    assert!(matches!(
        processor.submit(&next).await.unwrap().outcome(),
        ProviderAnswer::Accepted { .. }
    ));
}

#[tokio::test]
async fn a_declined_transfer_tells_the_banks_reason() {
    let stand_in = stand_in(undecided()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    processor.submit(&instruction).await.unwrap();
    stand_in
        .decline(instruction.key.as_str(), "counterpartyAccountNotFound")
        .await
        .unwrap();
    let ProviderAnswer::Declined(failure) = found(&processor, &instruction).await else {
        panic!("it is declined");
    };
    assert_eq!(failure.code(), "counterpartyAccountNotFound");
    assert_eq!(failure.reason().unwrap().as_str(), "account_not_found");
}

#[tokio::test]
async fn a_key_of_which_nothing_is_listed_is_absent_only_after_a_while() {
    let stand_in = stand_in(FaultProfile::off()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    let ask = async |first_sent_at| {
        let question = LookUp {
            first_sent_at,
            ..look_up(&instruction, None)
        };
        processor.look_up(&question).await.unwrap()
    };
    let now = System::default().now();
    assert_eq!(
        ask(Some(now - chrono::Duration::hours(1))).await,
        LookUpAnswer::Absent
    );
    for unclear in [Some(now), None] {
        let answer = ask(unclear).await;
        assert!(matches!(answer, LookUpAnswer::CannotTell { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn two_transfers_with_one_key_are_reported_and_not_chosen_from() {
    let stand_in = stand_in(FaultProfile::off()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    processor.submit(&instruction).await.unwrap();
    let request = payment(&stand_in, &instruction).detail["request"].to_string();
    let client = reqwest::Client::new();
    let url = format!("{}{PATH}/transfers", stand_in.url());
    client
        .post(url)
        .header("X-API-Key", API_KEY)
        .body(request)
        .send()
        .await
        .unwrap();
    let error = processor.look_up(&look_up(&instruction, None)).await.unwrap_err();
    assert!(error.to_string().contains("several transfers"), "{error}");
}

#[tokio::test]
async fn a_wrong_api_key_or_balance_account_refuses_for_now_and_declines_nothing() {
    let stand_in = stand_in(FaultProfile::off()).await;
    let valid = settings(&stand_in.url());
    for settings in [
        AdyenSettings {
            api_key: "wrong".into(),
            ..valid.clone()
        },
        AdyenSettings {
            balance_account: "BA2".to_owned(),
            ..valid.clone()
        },
    ] {
        let processor = AdyenProcessor::new(&settings).unwrap();
        let refused = processor.submit(&instruction(&processor)).await;
        assert!(
            matches!(refused, Err(ProcessorError::Refused { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(stand_in.ledger().payments(), []);
}

#[test]
fn settings_that_cannot_be_used_are_refused_without_showing_them() {
    let valid = settings("http://127.0.0.1:1");
    let with = |change: &dyn Fn(&mut AdyenSettings)| {
        let mut settings = valid.clone();
        change(&mut settings);
        AdyenProcessor::new(&settings).unwrap_err()
    };
    let refused = [
        with(&|settings| settings.url = "https://u:hunter2@x".to_owned()),
        with(&|settings| settings.api_key = "hunter2\n".into()),
        with(&|settings| settings.api_key = "".into()),
        with(&|settings| settings.balance_account = "hunter2?".to_owned()),
        with(&|settings| settings.notification_key = Some("hunter2".into())),
    ];
    assert!(matches!(refused[0], AdyenSetupError::InvalidUrl));
    assert!(matches!(refused[1], AdyenSetupError::InvalidApiKey));
    assert!(matches!(refused[2], AdyenSetupError::InvalidApiKey));
    assert!(matches!(refused[3], AdyenSetupError::InvalidBalanceAccount));
    assert!(matches!(refused[4], AdyenSetupError::InvalidNotificationKey));
    let shown = format!("{refused:?} {:?}", processor("http://127.0.0.1:1"));
    assert!(!shown.contains("hunter2") && !shown.contains(API_KEY), "{shown}");
}
