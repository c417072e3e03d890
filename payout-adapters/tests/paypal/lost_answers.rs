//! Each way in which an answer is lost: the payment is made at most once, and found.

use payout_core::provider::{LookUpAnswer, ProcessorError, ProviderAnswer};
use payout_stand_ins::faults::FaultProfile;

use crate::support::{System, accepted, assert_unknown, instruction, look_up, submit};

/// Loses the answer to a first submission, repeats it, and checks that there is one payment, which is found.
async fn recovered(fault: impl FnOnce(&mut FaultProfile), made_by_the_first: usize) {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    system.with_faults(fault);
    assert_unknown(&submit(&processor, &instruction).await);
    assert_eq!(system.payments().len(), made_by_the_first);
    system.without_faults();
    let mut paid = submit(&processor, &instruction).await.unwrap().outcome().clone();
    if let ProviderAnswer::Accepted { reference, .. } = &paid {
        paid = look_up(&processor, &instruction, &reference.clone()).await;
    }
    let [payment] = &system.payments()[..] else {
        panic!("one payment")
    };
    let ProviderAnswer::Paid { reference } = paid else {
        panic!("{paid:?}")
    };
    assert_eq!(reference.as_str(), payment.id);
}

#[tokio::test]
async fn an_answer_that_was_never_sent_is_found_by_a_repeat() {
    recovered(|faults| faults.lose_answer = 1000, 1).await;
}

#[tokio::test]
async fn an_answer_that_broke_off_is_found_by_a_repeat() {
    recovered(|faults| faults.cut_answer = 1000, 1).await;
}

#[tokio::test]
async fn an_answer_that_never_came_is_found_by_a_repeat() {
    recovered(|faults| faults.hang = 1000, 1).await;
}

#[tokio::test]
async fn a_5xx_after_the_payment_is_found_by_a_repeat() {
    recovered(|faults| faults.error_after = 1000, 1).await;
    recovered(|faults| faults.stored_error = 1000, 1).await;
}

#[tokio::test]
async fn a_5xx_before_the_payment_is_followed_by_one_payment() {
    recovered(|faults| faults.error_before = 1000, 0).await;
}

#[tokio::test]
async fn a_connection_that_closed_before_the_payment_is_followed_by_one_payment() {
    recovered(|faults| faults.reset = 1000, 0).await;
}

#[tokio::test]
async fn a_repeat_that_is_refused_without_a_link_is_unknown_and_pays_nothing() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    accepted(&submit(&processor, &instruction).await);
    system.paypal.set_without_links(true);
    for _ in 0..3 {
        assert_unknown(&submit(&processor, &instruction).await);
    }
    assert_eq!(system.payments().len(), 1);
    system.paypal.set_without_links(false);
    let found = submit(&processor, &instruction).await.unwrap();
    assert!(
        matches!(found.outcome(), ProviderAnswer::Paid { .. }),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_request_that_lost_a_race_under_its_key_is_unknown_and_the_payment_is_found_later() {
    recovered(|faults| faults.conflict = 1000, 1).await;
}

#[tokio::test]
async fn a_repeat_whose_batch_cannot_be_read_now_keeps_the_batchs_id() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    let first = accepted(&submit(&processor, &instruction).await);
    // A creation is refused as a repeat before the fault of the question is drawn.
    let mut kept = 0;
    for seed in 0..20 {
        system.with_faults(|faults| faults.error_before = 300 + seed);
        if let Ok(ProviderAnswer::Accepted { reference, .. }) = submit(&processor, &instruction).await {
            assert_eq!(reference, first);
            kept += 1;
        }
    }
    assert!(kept > 0);
    assert_eq!(system.payments().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_look_up_is_unknown_and_the_next_one_finds_the_payment() {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    let reference = accepted(&submit(&processor, &instruction).await);
    let faults: [fn(&mut FaultProfile); 6] = [
        |faults| faults.lose_answer = 1000,
        |faults| faults.cut_answer = 1000,
        |faults| faults.hang = 1000,
        |faults| faults.error_after = 1000,
        |faults| faults.error_before = 1000,
        |faults| faults.reset = 1000,
    ];
    for fault in faults {
        system.with_faults(fault);
        let question = payout_core::provider::LookUp {
            reference: Some(reference.clone()),
            ..payout_core::provider::LookUp::of_key(instruction.key.clone(), instruction.payout_id)
        };
        let answer = payout_core::ports::Processor::look_up(&processor, &question).await;
        assert_unknown(&answer.map(|answer: LookUpAnswer| answer.found().unwrap()));
        system.without_faults();
        let found = look_up(&processor, &instruction, &reference).await;
        assert!(matches!(found, ProviderAnswer::Paid { .. }), "{found:?}");
    }
}

#[tokio::test]
async fn a_refusal_for_now_has_its_wait_and_makes_no_payment() {
    let system = System::start().await;
    let processor = system.processor();
    system.with_faults(|faults| {
        faults.throttle = 1000;
        faults.retry_after_seconds = 1;
    });
    let error = submit(&processor, &instruction(&processor)).await.unwrap_err();
    assert!(matches!(error, ProcessorError::Refused { .. }), "{error:?}");
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(1)));
    assert_eq!(system.payments(), []);
}
