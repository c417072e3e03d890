//! The course of a payment, and PayPal's refusals.

use payout_core::ports::Processor;
use payout_core::provider::{DeclineCode, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer, WaitReason};
use payout_stand_ins::ledger::Standing;

use crate::support::{System, accepted, assert_unknown, instruction, look_up, noted, submit};

#[tokio::test]
async fn a_payment_is_accepted_first_and_paid_when_it_is_looked_up() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    let reference = accepted(&submit(&processor, &instruction).await);
    assert_eq!(
        look_up(&processor, &instruction, &reference).await,
        ProviderAnswer::Paid { reference }
    );
    let [payment] = &system.payments()[..] else {
        panic!("one payment")
    };
    assert_eq!(payment.idempotency.as_deref(), Some(instruction.key.as_str()));
    assert_eq!(
        (payment.amount.as_str(), payment.currency.as_str()),
        ("10.50", "USD")
    );
}

#[tokio::test]
async fn without_a_reference_a_look_up_cannot_tell() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    accepted(&submit(&processor, &instruction).await);
    let question = LookUp::of_key(instruction.key.clone(), instruction.payout_id);
    let answer = processor.look_up(&question).await.unwrap();
    assert!(matches!(answer, LookUpAnswer::CannotTell { .. }), "{answer:?}");
    assert!(processor.capabilities().repeat_is_safe);
}

#[tokio::test]
async fn every_state_on_the_way_is_accepted_until_the_item_is_decided() {
    let system = System::start().await;
    let processor = system.processor();
    system.with_faults(|faults| {
        faults.settle_late = 1000;
        faults.settle_within_ms = 600_000;
    });
    let mut states = std::collections::HashSet::new();
    for _ in 0..24 {
        let instruction = instruction(&processor);
        let reference = accepted(&submit(&processor, &instruction).await);
        let found = look_up(&processor, &instruction, &reference).await;
        assert!(matches!(found, ProviderAnswer::Accepted { .. }), "{found:?}");
        let payment = system.stand_in.settle(instruction.key.as_str()).await.unwrap();
        states.insert(payment.detail["waits_as"].to_string());
        let found = look_up(&processor, &instruction, &reference).await;
        assert!(matches!(found, ProviderAnswer::Paid { .. }), "{found:?}");
    }
    assert!(states.len() > 2, "{states:?}");
}

#[tokio::test]
async fn a_paid_payment_that_comes_back_is_returned() {
    let system = System::start().await;
    let processor = system.processor();
    for code in ["RETURNED", "REFUNDED", "REVERSED"] {
        let instruction = instruction(&processor);
        let reference = accepted(&submit(&processor, &instruction).await);
        system
            .stand_in
            .return_payment(instruction.key.as_str(), code)
            .await
            .unwrap();
        let found = look_up(&processor, &instruction, &reference).await;
        let ProviderAnswer::Returned(returned) = found else {
            panic!("{found:?}")
        };
        assert_eq!(returned.reason.code(), code);
        assert!(returned.at.is_some());
    }
}

#[tokio::test]
async fn an_unclaimed_payment_that_was_cancelled_is_returned() {
    let system = System::start().await;
    let processor = system.processor();
    system.with_faults(|faults| {
        faults.settle_late = 1000;
        faults.settle_within_ms = 600_000;
    });
    let instruction = instruction(&processor);
    let reference = accepted(&submit(&processor, &instruction).await);
    system
        .stand_in
        .return_payment(instruction.key.as_str(), "RETURNED")
        .await
        .unwrap();
    let found = look_up(&processor, &instruction, &reference).await;
    assert!(matches!(found, ProviderAnswer::Returned(_)), "{found:?}");
}

#[tokio::test]
async fn a_failed_item_is_declined_although_its_batch_succeeded() {
    let system = System::start().await;
    let processor = system.processor();
    for (code, reason) in [
        ("RECEIVER_ACCOUNT_LOCKED", DeclineCode::Blocked),
        ("RECEIVER_ACCOUNT_INVALID", DeclineCode::InvalidAccount),
        ("REGULATORY_BLOCKED", DeclineCode::Compliance),
    ] {
        system.with_faults(|faults| {
            faults.settle_late = 1000;
            faults.settle_within_ms = 600_000;
        });
        let instruction = instruction(&processor);
        let reference = accepted(&submit(&processor, &instruction).await);
        system
            .stand_in
            .decline(instruction.key.as_str(), code)
            .await
            .unwrap();
        let found = look_up(&processor, &instruction, &reference).await;
        let ProviderAnswer::Declined(failure) = found else {
            panic!("{found:?}")
        };
        assert_eq!((failure.code(), failure.reason()), (code, Some(reason)));
    }
}

#[track_caller]
fn waits_for(answer: &ProviderAnswer) -> (WaitReason, bool) {
    let ProviderAnswer::Waiting {
        reason, key_is_spent, ..
    } = answer
    else {
        panic!("{answer:?}")
    };
    (*reason, *key_is_spent)
}

#[tokio::test]
async fn a_lack_of_funds_waits_and_only_a_denied_batch_has_spent_the_key() {
    let system = System::start().await;
    let processor = system.processor();
    system.with_faults(|faults| faults.no_funds = 1000);
    let (mut at_once, mut by_batch) = (0, 0);
    for _ in 0..24 {
        let instruction = instruction(&processor);
        let answer = submit(&processor, &instruction).await.unwrap();
        if let ProviderAnswer::Accepted { reference, .. } = answer {
            let found = look_up(&processor, &instruction, &reference).await;
            assert_eq!(waits_for(&found), (WaitReason::Funds, true));
            by_batch += 1;
            continue;
        }
        assert_eq!(waits_for(&answer), (WaitReason::Funds, false));
        // The same key is paid once there are funds.
        let reference = accepted(&submit(&processor, &instruction).await);
        let found = look_up(&processor, &instruction, &reference).await;
        assert!(matches!(found, ProviderAnswer::Paid { .. }), "{found:?}");
        at_once += 1;
    }
    assert!(at_once > 0 && by_batch > 0, "{at_once} {by_batch}");
}

#[tokio::test]
async fn each_sandbox_value_has_its_answer_and_none_makes_a_payment() {
    let system = System::start().await;
    let processor = system.processor();
    for (note, expected) in [
        ("ERRPYO001", "refused"),
        ("ERRPYO002", "refused"),
        ("ERRPYO003", "refused"),
        ("ERRPYO005", "waiting"),
        ("ERRPYO006", "unknown"),
        ("ERRPYO010", "unknown"),
        ("ERRPYO011", "refused"),
        ("ERRPYO012", "refused"),
        ("ERRPYO014", "unknown"),
    ] {
        let found = match submit(&processor, &noted(&processor, note)).await {
            Ok(ProviderAnswer::Waiting { .. }) => "waiting",
            Err(ProcessorError::Refused { .. }) => "refused",
            Err(ProcessorError::Unknown { .. }) => "unknown",
            other => panic!("{note}: {other:?}"),
        };
        assert_eq!(found, expected, "{note}");
    }
    assert_eq!(system.payments(), []);
}

#[tokio::test]
async fn a_payment_that_paypal_cannot_take_is_declined_and_never_sent() {
    let system = System::start().await;
    let processor = system.processor();
    let plain = payout_core::contract::build::instruction();
    let answer = submit(&processor, &plain).await;
    assert!(matches!(answer, Ok(ProviderAnswer::Declined(_))), "{answer:?}");
    assert_eq!(
        (system.payments(), system.paypal.granted_tokens()),
        (Vec::new(), 0)
    );
}

#[tokio::test]
async fn a_batch_that_paypal_does_not_find_is_unknown() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    let question = LookUp {
        reference: payout_core::payout::ProviderReference::new("NOSUCHBATCH12"),
        ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
    };
    let error = processor.look_up(&question).await.unwrap_err();
    assert!(matches!(error, ProcessorError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_batch_of_another_key_is_never_adopted() {
    let system = System::start().await;
    let processor = system.processor();
    let (one, another) = (instruction(&processor), instruction(&processor));
    let reference = accepted(&submit(&processor, &one).await);
    let question = LookUp {
        reference: Some(reference),
        ..LookUp::of_key(another.key.clone(), another.payout_id)
    };
    assert_unknown(
        &processor
            .look_up(&question)
            .await
            .map(|answer| answer.found().unwrap()),
    );
}

#[tokio::test]
async fn two_keys_with_one_payouts_id_are_two_payments() {
    let system = System::start().await;
    let processor = system.processor();
    let first = instruction(&processor);
    let mut second = first.clone();
    second.key = payout_core::provider::ProcessorKey::new(first.payout_id, None, 1);
    accepted(&submit(&processor, &first).await);
    accepted(&submit(&processor, &second).await);
    let standings: Vec<_> = system.payments().iter().map(|payment| payment.standing).collect();
    assert_eq!(
        standings,
        [Standing::Paid, Standing::Paid],
        "PayPal keeps no item from being paid twice"
    );
}
