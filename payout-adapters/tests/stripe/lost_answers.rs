//! Each answer that can be lost, and how the payment still ends as one transfer or none.

use super::*;

/// A profile with one fault of every call.
fn always(fault: impl FnOnce(&mut FaultProfile)) -> FaultProfile {
    let mut faults = FaultProfile::off();
    fault(&mut faults);
    faults
}

/// Sends an instruction with a fault, then without; returns the answers to the first request, to a look-up, and to a
/// repetition.
async fn sent_with(
    stand_in: &StandIn,
    faults: FaultProfile,
    instruction: &Instruction,
) -> (
    Result<ProviderAnswer, ProcessorError>,
    LookUpAnswer,
    Result<ProviderAnswer, ProcessorError>,
) {
    let processor = processor(stand_in);
    stand_in.set_faults(faults);
    let first = processor.submit(instruction).await;
    stand_in.set_faults(FaultProfile::off());
    let found = processor.look_up(&look_up(instruction)).await.unwrap();
    let again = processor.submit(instruction).await;
    (first, found, again)
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_transfer_is_unknown_and_the_transfer_is_found() {
    let stand_in = started(Stripe::default()).await;
    for faults in [
        always(|faults| faults.lose_answer = 1000),
        always(|faults| faults.cut_answer = 1000),
        always(|faults| faults.hang = 1000),
        always(|faults| faults.error_after = 1000),
    ] {
        let instruction = instruction();
        let (first, found, again) = sent_with(&stand_in, faults.clone(), &instruction).await;
        assert!(
            matches!(first, Err(ProcessorError::Unknown { .. })),
            "{faults:?}: {first:?}"
        );
        let found = found.found().unwrap();
        assert_paid(&found);
        assert_eq!(again.unwrap(), found, "{faults:?}");
        assert_eq!(transfers(&stand_in, &instruction), 1, "{faults:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_never_executed_cannot_be_told_and_is_paid_by_the_repetition() {
    let stand_in = started(Stripe::default()).await;
    for faults in [
        always(|faults| faults.reset = 1000),
        always(|faults| faults.error_before = 1000),
    ] {
        let instruction = instruction();
        let (first, found, again) = sent_with(&stand_in, faults.clone(), &instruction).await;
        assert!(
            matches!(first, Err(ProcessorError::Unknown { .. })),
            "{faults:?}: {first:?}"
        );
        assert!(
            matches!(found, LookUpAnswer::CannotTell { .. }),
            "{faults:?}: {found:?}"
        );
        assert_paid(&again.unwrap());
        assert_eq!(transfers(&stand_in, &instruction), 1, "{faults:?}");
    }
}

#[tokio::test]
async fn a_stored_500_is_replayed_and_never_becomes_definite() {
    let stand_in = started(Stripe::default()).await;
    let instruction = instruction();
    let faults = always(|faults| faults.stored_error = 1000);
    let (first, found, again) = sent_with(&stand_in, faults, &instruction).await;
    for answer in [first, again] {
        assert!(
            matches!(answer, Err(ProcessorError::Unknown { .. })),
            "{answer:?}"
        );
    }
    assert!(matches!(found, LookUpAnswer::CannotTell { .. }), "{found:?}");
    assert_eq!(transfers(&stand_in, &instruction), 0);
}

#[tokio::test]
async fn a_list_that_lags_leads_to_a_repetition_that_is_answered_with_the_first_transfer() {
    let mut vendor = Stripe::default();
    vendor.list_lags = Duration::from_secs(60);
    let stand_in = started(vendor).await;
    let instruction = instruction();
    let faults = always(|faults| faults.lose_answer = 1000);
    let (_, found, again) = sent_with(&stand_in, faults, &instruction).await;
    assert!(matches!(found, LookUpAnswer::CannotTell { .. }), "{found:?}");
    assert_paid(&again.unwrap());
    assert_eq!(transfers(&stand_in, &instruction), 1);
}

#[tokio::test]
async fn a_repetition_while_the_first_request_runs_conflicts_and_both_are_one_transfer() {
    let mut vendor = Stripe::default();
    vendor.takes = Duration::from_millis(500);
    let stand_in = started(vendor).await;
    let (processor, instruction) = (processor(&stand_in), instruction());
    let gave_up = tokio::time::timeout(Duration::from_millis(200), processor.submit(&instruction)).await;
    assert!(gave_up.is_err());
    let found = processor.look_up(&look_up(&instruction)).await.unwrap();
    assert!(matches!(found, LookUpAnswer::CannotTell { .. }), "{found:?}");
    let conflict = processor.submit(&instruction).await.unwrap_err();
    assert!(
        conflict.is_not_now() && conflict.may_have_arrived(),
        "{conflict:?}"
    );
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_paid(&processor.submit(&instruction).await.unwrap());
    assert_eq!(transfers(&stand_in, &instruction), 1);
}

#[tokio::test]
async fn a_refusal_whose_answer_is_lost_is_replayed() {
    let stand_in = started(Stripe::default()).await;
    let faults = always(|faults| {
        faults.no_funds = 1000;
        faults.lose_answer = 1000;
    });
    let instruction = instruction();
    let (first, found, again) = sent_with(&stand_in, faults, &instruction).await;
    assert!(matches!(first, Err(ProcessorError::Unknown { .. })), "{first:?}");
    assert!(matches!(found, LookUpAnswer::CannotTell { .. }), "{found:?}");
    assert!(
        matches!(
            again,
            Ok(ProviderAnswer::Waiting {
                key_is_spent: true,
                ..
            })
        ),
        "{again:?}"
    );
    assert_eq!(transfers(&stand_in, &instruction), 0);
}

#[tokio::test]
async fn a_call_that_reaches_nobody_was_never_sent() {
    let stand_in = started(Stripe::default()).await;
    let processor = processor(&stand_in);
    drop(stand_in);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = processor.submit(&instruction()).await;
    assert!(
        matches!(answer, Err(ProcessorError::NeverSent { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn too_many_calls_are_refused_for_now_with_the_wait_that_is_asked_for() {
    let stand_in = started(Stripe::default()).await;
    let processor = processor(&stand_in);
    stand_in.set_faults(always(|faults| faults.throttle = 1000));
    for error in [
        processor.submit(&instruction()).await.unwrap_err(),
        processor.look_up(&look_up(&instruction())).await.unwrap_err(),
    ] {
        assert!(matches!(error, ProcessorError::Refused { .. }), "{error:?}");
        assert!(error.retry_after() >= Some(Duration::from_secs(1)));
    }
}
