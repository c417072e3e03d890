//! The Stripe processor keeps the contract of its port against a stand-in that keeps Stripe's rules.
#![cfg(feature = "stripe")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "stripe/lost_answers.rs"]
mod lost_answers;
#[path = "stripe/notifications.rs"]
mod notifications;

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::outbound::OutboundSettings;
use payout_adapters::provider::stripe::{StripeProcessor, StripeSettings, StripeSetupError};
use payout_core::contract::{Fixture, build};
use payout_core::money::Money;
use payout_core::payout::{ProviderAccountId, Recipient, RecipientName, TypedAccount};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    DeclineCode, Instruction, LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderAnswer, WaitReason,
};
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::stripe::{SECRET_KEY, SIGNING_SECRET, Stripe};
use payout_stand_ins::{StandIn, StandInSettings};

fn processor(stand_in: &StandIn) -> StripeProcessor {
    let mut settings = StripeSettings::new("stripe-eu".parse().unwrap(), SECRET_KEY.into());
    settings.url = stand_in.url();
    settings.notification_key = Some(SIGNING_SECRET.into());
    settings.outbound = OutboundSettings {
        timeout: Duration::from_secs(2),
        ..OutboundSettings::default()
    };
    StripeProcessor::new(&settings).unwrap()
}

async fn started(vendor: Stripe) -> StandIn {
    let settings = StandInSettings {
        seed: 7,
        ..StandInSettings::default()
    };
    StandIn::start(vendor, settings).await.unwrap()
}

async fn stand_in() -> (StandIn, StripeProcessor) {
    let stand_in = started(Stripe::default()).await;
    let processor = processor(&stand_in);
    (stand_in, processor)
}

/// Makes an instruction to pay an account at this provider.
fn instruction_to(account: &str) -> Instruction {
    let mut instruction = build::instruction();
    let account = TypedAccount::ProviderAccount {
        provider: "stripe-eu".parse().unwrap(),
        id: ProviderAccountId::new(account).unwrap(),
    };
    instruction.details.recipient = Recipient::typed(account, RecipientName::new("Ada Lovelace").unwrap());
    instruction
}

fn instruction() -> Instruction {
    instruction_to("acct_ada")
}

fn look_up(instruction: &Instruction) -> LookUp {
    LookUp {
        first_sent_at: Some(System::default().now()),
        ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
    }
}

/// Returns the number of transfers of a key that were made, whatever became of them.
fn transfers(stand_in: &StandIn, instruction: &Instruction) -> usize {
    stand_in.ledger().by_key(instruction.key.as_str()).len()
}

#[track_caller]
fn assert_paid(answer: &ProviderAnswer) {
    assert!(
        matches!(answer.outcome(), ProviderAnswer::Paid { .. }),
        "{answer:?}"
    );
}

async fn for_the_contract() -> Fixture<dyn Processor> {
    let stand_in = started(Stripe::default()).await;
    let open = || -> Arc<dyn Processor> { Arc::new(processor(&stand_in)) };
    let (one, peer) = (open(), open());
    Fixture::from((one, stand_in)).with_peer(peer)
}

mod contract {
    payout_core::processor_contract!(super::for_the_contract);
}

#[tokio::test]
async fn a_transfer_has_the_amount_the_account_and_the_key_and_is_found_by_id_and_by_key() {
    let (stand_in, processor) = stand_in().await;
    let instruction = instruction();
    let paid = processor.submit(&instruction).await.unwrap();
    let ProviderAnswer::Paid { reference } = paid.outcome() else {
        panic!("{paid:?}");
    };
    let [made] = &stand_in.ledger().payments()[..] else {
        panic!("one transfer");
    };
    assert_eq!((made.amount.as_str(), made.currency.as_str()), ("1050", "usd"));
    assert_eq!(
        (made.recipient.as_str(), made.key.as_str()),
        ("acct_ada", instruction.key.as_str())
    );
    let mut question = look_up(&instruction);
    assert_eq!(
        processor.look_up(&question).await.unwrap().found(),
        Some(paid.clone())
    );
    question.reference = Some(reference.clone());
    assert_eq!(
        processor.look_up(&question).await.unwrap().found(),
        Some(paid.clone())
    );
    let money = instruction.details.money;
    assert_eq!(
        paid.payment()
            .unwrap()
            .contradicts(money, Some(&instruction.digest())),
        None
    );
    assert!(
        paid.payment()
            .unwrap()
            .contradicts(money, Some("another"))
            .is_some()
    );
}

#[tokio::test]
async fn an_account_that_cannot_be_paid_declines_with_a_reason() {
    let (stand_in, processor) = stand_in().await;
    for (account, reason) in [
        ("acct_missing", DeclineCode::AccountNotFound),
        ("acct_restricted", DeclineCode::RecipientRefused),
        ("acct_closed", DeclineCode::AccountClosed),
    ] {
        let instruction = instruction_to(account);
        let answer = processor.submit(&instruction).await.unwrap();
        let ProviderAnswer::Declined(failure) = &answer else {
            panic!("{answer:?}");
        };
        assert_eq!(failure.reason(), Some(reason));
        assert_eq!(
            processor.submit(&instruction).await.unwrap(),
            answer,
            "it is replayed"
        );
        assert_eq!(transfers(&stand_in, &instruction), 0);
    }
}

#[tokio::test]
async fn a_payment_that_stripe_cannot_make_is_declined_without_a_request() {
    let stand_in = started(Stripe::default()).await;
    let processor = processor(&stand_in);
    drop(stand_in);
    let mut odd = instruction();
    odd.details.money = Money::new("5.124".parse().unwrap(), "KWD".parse().unwrap()).unwrap();
    for (instruction, code) in [
        (odd, "amount_not_representable"),
        (build::instruction(), "recipient_not_at_stripe"),
    ] {
        let answer = processor.submit(&instruction).await.unwrap();
        assert!(
            matches!(&answer, ProviderAnswer::Declined(failure) if failure.code() == code),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn lack_of_funds_spends_the_key_and_the_next_generation_is_paid() {
    let vendor = Stripe::default();
    *vendor.balance.lock().unwrap() = Some(0);
    let (vendor, poor) = (Arc::new(vendor), instruction());
    let stand_in = StandIn::start_boxed(vendor.clone(), StandInSettings::default())
        .await
        .unwrap();
    let processor = processor(&stand_in);
    let waiting = processor.submit(&poor).await.unwrap();
    assert!(
        matches!(
            waiting,
            ProviderAnswer::Waiting {
                reason: WaitReason::Funds,
                key_is_spent: true,
                ..
            }
        ),
        "{waiting:?}"
    );
    *vendor.balance.lock().unwrap() = Some(10_000);
    // There is money now, but Stripe replays the refusal.
    assert_eq!(processor.submit(&poor).await.unwrap(), waiting);
    let mut next = poor.clone();
    next.key = ProcessorKey::new(poor.payout_id, None, 1);
    assert_paid(&processor.submit(&next).await.unwrap());
    assert_eq!((transfers(&stand_in, &poor), transfers(&stand_in, &next)), (0, 1));
}

#[tokio::test]
async fn a_reversal_is_found_as_a_return_in_full_or_in_part() {
    let (stand_in, processor) = stand_in().await;
    for (part, expected) in [("", None), ("50", Some("0.50".parse().unwrap()))] {
        let instruction = instruction();
        let paid = processor.submit(&instruction).await.unwrap();
        stand_in
            .return_payment(instruction.key.as_str(), part)
            .await
            .unwrap();
        let found = processor
            .look_up(&look_up(&instruction))
            .await
            .unwrap()
            .found()
            .unwrap();
        let ProviderAnswer::Returned(returned) = found.outcome() else {
            panic!("{found:?}");
        };
        assert_eq!(returned.amount, expected);
        assert!(returned.at.is_some());
        // A repeated request is answered as the first one was, before the reversal.
        assert_eq!(processor.submit(&instruction).await.unwrap(), paid);
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_unknown_and_the_transfer_is_found() {
    let (stand_in, processor) = stand_in().await;
    let instruction = instruction();
    let paid = processor.submit(&instruction).await.unwrap();
    let mut restored = instruction.clone();
    restored.payout_id = build::instruction().payout_id;
    let clash = processor.submit(&restored).await;
    assert!(matches!(clash, Err(ProcessorError::Unknown { .. })), "{clash:?}");
    let found = processor.look_up(&look_up(&restored)).await.unwrap();
    assert_eq!(found.found(), Some(paid));
    assert_eq!(transfers(&stand_in, &instruction), 1);
}

#[tokio::test]
async fn a_wrong_secret_key_is_refused_for_now_and_is_shown_nowhere() {
    let stand_in = started(Stripe::default()).await;
    let mut settings = StripeSettings::new("stripe-eu".parse().unwrap(), "sk_test_hunter2".into());
    settings.url = stand_in.url();
    let processor = StripeProcessor::new(&settings).unwrap();
    for error in [
        processor.submit(&instruction()).await.unwrap_err(),
        processor.look_up(&look_up(&instruction())).await.unwrap_err(),
    ] {
        assert!(matches!(error, ProcessorError::Refused { .. }), "{error:?}");
    }
    assert!(!format!("{settings:?} {processor:?}").contains("hunter2"));
    assert_eq!(processor.capabilities().calls_per_second, Some(25));
    settings.secret_key = "hunter2\n".into();
    let error = StripeProcessor::new(&settings).unwrap_err();
    assert!(matches!(error, StripeSetupError::InvalidSecretKey));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_transfer_of_another_account_cannot_be_told() {
    let (stand_in, processor) = stand_in().await;
    let instruction = instruction();
    let paid = processor.submit(&instruction).await.unwrap();
    let ProviderAnswer::Paid { reference } = paid.outcome().clone() else {
        panic!("{paid:?}");
    };
    drop(stand_in);
    let other = started(Stripe::default()).await;
    let question = LookUp {
        reference: Some(reference),
        ..look_up(&instruction)
    };
    let answer = self::processor(&other).look_up(&question).await.unwrap();
    assert!(matches!(answer, LookUpAnswer::CannotTell { .. }), "{answer:?}");
}
