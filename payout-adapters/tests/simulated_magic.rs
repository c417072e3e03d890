//! Magic recipients of the simulated processor lead to the endings that they name, in every process.
#![cfg(feature = "simulated")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_adapters::provider::simulated::magic::A_WHILE;
use payout_core::contract::build;
use payout_core::payout::{Recipient, RecipientAccount, RecipientName};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    DeclineCode, Instruction, LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderAnswer, WaitReason,
};

fn new_process() -> SimulatedProcessor {
    SimulatedProcessor::new(Duration::ZERO, 0.0).unwrap()
}

fn instruction_to(name: &str) -> Instruction {
    let account = RecipientAccount::new(&format!("magic:{name}")).unwrap();
    let mut instruction = build::instruction();
    instruction.details.recipient = Recipient::new(account, RecipientName::new("Ada").unwrap());
    instruction
}

fn look_up(instruction: &Instruction) -> LookUp {
    LookUp::of_key(instruction.key.clone(), instruction.payout_id)
}

/// Builds the look-up that follows an answer, of a payment that was sent this long ago.
fn look_up_after(instruction: &Instruction, answer: &ProviderAnswer, ago: Duration) -> LookUp {
    let reference = match answer {
        ProviderAnswer::Paid { reference } | ProviderAnswer::Accepted { reference, .. } => reference.clone(),
        ProviderAnswer::Declined(_)
        | ProviderAnswer::Returned(_)
        | ProviderAnswer::Waiting { .. }
        | ProviderAnswer::Reported { .. } => panic!("no reference in {answer:?}"),
    };
    LookUp {
        reference: Some(reference),
        first_sent_at: Some(System::default().now() - ago),
        ..look_up(instruction)
    }
}

async fn found(process: &SimulatedProcessor, question: &LookUp) -> ProviderAnswer {
    process.look_up(question).await.unwrap().found().unwrap()
}

#[tokio::test]
async fn every_decline_has_its_reason_whatever_the_failure_rate() {
    for reason in DeclineCode::ALL {
        let instruction = instruction_to(&format!("decline:{}", reason.as_str()));
        let ProviderAnswer::Declined(failure) = new_process().submit(&instruction).await.unwrap() else {
            panic!("{reason:?}");
        };
        assert_eq!(failure.reason(), Some(*reason));
    }
    let all_declined = SimulatedProcessor::new(Duration::ZERO, 1.0).unwrap();
    let answer = all_declined.submit(&instruction_to("return")).await.unwrap();
    assert!(matches!(answer, ProviderAnswer::Paid { .. }), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_payment_is_paid_after_a_while() {
    let (process, instruction) = (new_process(), instruction_to("accept"));
    let accepted = process.submit(&instruction).await.unwrap();
    let ProviderAnswer::Accepted { look_again, .. } = &accepted else {
        panic!("{accepted:?}");
    };
    assert_eq!(*look_again, Some(A_WHILE));
    tokio::time::advance(A_WHILE).await;
    let paid = found(&process, &look_up(&instruction)).await;
    assert!(matches!(paid, ProviderAnswer::Paid { .. }), "{paid:?}");
    assert_eq!(process.submit(&instruction).await.unwrap(), paid);
}

#[tokio::test]
async fn a_process_that_never_received_the_key_finds_the_payment_by_its_reference() {
    for (name, late) in [
        ("accept", "Paid"),
        ("accept:decline", "Declined"),
        ("return", "Returned"),
    ] {
        let instruction = instruction_to(name);
        let first = new_process().submit(&instruction).await.unwrap();
        let early = look_up_after(&instruction, &first, Duration::ZERO);
        let kept = found(&new_process(), &early).await;
        assert_eq!(
            std::mem::discriminant(&kept),
            std::mem::discriminant(&first),
            "{name}"
        );
        let later = look_up_after(&instruction, &first, A_WHILE);
        let ended = found(&new_process(), &later).await;
        assert!(format!("{ended:?}").starts_with(late), "{name}: {ended:?}");
    }
}

#[tokio::test]
async fn the_reference_of_another_key_finds_nothing() {
    let (instruction, other) = (instruction_to("return"), instruction_to("return"));
    let answer = new_process().submit(&instruction).await.unwrap();
    let mut question = look_up_after(&instruction, &answer, A_WHILE);
    question.key = other.key;
    assert_eq!(
        new_process().look_up(&question).await.unwrap(),
        LookUpAnswer::Absent
    );
}

#[tokio::test(start_paused = true)]
async fn a_paid_payment_comes_back_in_full_or_in_part_and_may_be_rechecked_so_long() {
    for (name, amount) in [("return", None), ("return:partly", Some("1".parse().unwrap()))] {
        let (process, instruction) = (new_process(), instruction_to(name));
        let window = process.capabilities().returns.of(&instruction.details);
        assert!(window > Some(A_WHILE));
        let paid = process.submit(&instruction).await.unwrap();
        assert!(matches!(paid, ProviderAnswer::Paid { .. }), "{paid:?}");
        tokio::time::advance(A_WHILE).await;
        let ProviderAnswer::Returned(returned) = found(&process, &look_up(&instruction)).await else {
            panic!("{name}");
        };
        assert_eq!(returned.amount, amount);
        assert_eq!(returned.reason.reason(), Some(DeclineCode::AccountClosed));
    }
    assert_eq!(
        new_process()
            .capabilities()
            .returns
            .of(&build::instruction().details),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_by_the_process_that_paid_and_repeated_by_another() {
    let (payer, other, instruction) = (new_process(), new_process(), instruction_to("timeout:paid"));
    let call = Duration::from_secs(3);
    assert!(
        tokio::time::timeout(call, payer.submit(&instruction))
            .await
            .is_err()
    );
    let paid = found(&payer, &look_up(&instruction)).await;
    assert!(matches!(paid, ProviderAnswer::Paid { .. }));
    assert_eq!(
        other.look_up(&look_up(&instruction)).await.unwrap(),
        LookUpAnswer::Absent
    );
    assert!(
        tokio::time::timeout(call, other.submit(&instruction))
            .await
            .is_err()
    );
    assert_eq!(found(&other, &look_up(&instruction)).await, paid);
    assert_eq!(other.submit(&instruction).await.unwrap(), paid);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_leaves_nothing_behind() {
    let (process, instruction) = (new_process(), instruction_to("timeout"));
    let hour = Duration::from_secs(3600);
    assert!(
        tokio::time::timeout(hour, process.submit(&instruction))
            .await
            .is_err()
    );
    assert_eq!(
        process.look_up(&look_up(&instruction)).await.unwrap(),
        LookUpAnswer::Absent
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_now_leaves_no_trace_and_ends_after_a_while() {
    for (name, reason) in [("funds", WaitReason::Funds), ("limit", WaitReason::ProviderLimit)] {
        let (process, instruction) = (new_process(), instruction_to(name));
        let waiting = process.submit(&instruction).await.unwrap();
        assert!(
            matches!(&waiting, ProviderAnswer::Waiting { reason: why, key_is_spent: false, .. } if *why == reason),
            "{waiting:?}"
        );
        tokio::time::advance(A_WHILE).await;
        // A look-up pays nothing, however late it comes.
        assert_eq!(
            process.look_up(&look_up(&instruction)).await.unwrap(),
            LookUpAnswer::Absent
        );
        let paid = process.submit(&instruction).await.unwrap();
        assert!(matches!(paid, ProviderAnswer::Paid { .. }), "{paid:?}");
        assert_eq!(found(&process, &look_up(&instruction)).await, paid);
        let elsewhere = look_up_after(&instruction, &paid, Duration::ZERO);
        assert_eq!(found(&new_process(), &elsewhere).await, paid);
    }
}

#[tokio::test]
async fn a_spent_key_is_never_paid_and_the_next_generation_is() {
    let (process, mut instruction) = (new_process(), instruction_to("funds:key_spent"));
    let waiting = process.submit(&instruction).await.unwrap();
    assert!(matches!(
        waiting,
        ProviderAnswer::Waiting {
            key_is_spent: true,
            ..
        }
    ));
    assert_eq!(found(&process, &look_up(&instruction)).await, waiting);
    instruction.key = ProcessorKey::new(instruction.payout_id, None, 1);
    let paid = process.submit(&instruction).await.unwrap();
    assert!(matches!(paid, ProviderAnswer::Paid { .. }), "{paid:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_calls_are_answered_after_a_while() {
    let (process, instruction) = (new_process(), instruction_to("refuse"));
    let refused = process.submit(&instruction).await;
    assert!(
        matches!(refused, Err(ProcessorError::Refused { .. })),
        "{refused:?}"
    );
    tokio::time::advance(A_WHILE).await;
    let paid = process.submit(&instruction).await;
    assert!(matches!(paid, Ok(ProviderAnswer::Paid { .. })), "{paid:?}");
}

#[tokio::test]
async fn an_unclear_answer_stays_unclear() {
    let (process, instruction) = (new_process(), instruction_to("cannot_tell"));
    let unclear = process.submit(&instruction).await;
    assert!(
        matches!(unclear, Err(ProcessorError::Unknown { .. })),
        "{unclear:?}"
    );
    let answer = process.look_up(&look_up(&instruction)).await.unwrap();
    assert!(matches!(answer, LookUpAnswer::CannotTell { .. }), "{answer:?}");
}
