//! Cases for the promise that one key has one answer.

use crate::contract::{Pair, build, drive};
use crate::payout::ProviderReference;
use crate::ports::{Clock, Processor, System};
use crate::provider::{Instruction, LookUp, LookUpAnswer, ProcessorKey, ProviderAnswer};

type Processors = Pair<dyn Processor>;

fn is_definite(answer: &ProviderAnswer) -> bool {
    match answer.outcome() {
        ProviderAnswer::Paid { .. } | ProviderAnswer::Declined(_) | ProviderAnswer::Returned(_) => true,
        ProviderAnswer::Accepted { .. }
        | ProviderAnswer::Waiting { .. }
        | ProviderAnswer::Reported { .. } => false,
    }
}

/// Returns the definite outcome of an answer, without the provider's report.
fn definite(answer: &ProviderAnswer) -> Option<ProviderAnswer> {
    is_definite(answer).then(|| answer.outcome().clone())
}

/// Submits under one key until there is a definite answer. A provider that accepts a payment may answer every repetition
/// so: its key is looked up, as a worker does.
async fn submit_until_definite(processor: &dyn Processor, instruction: &Instruction) -> ProviderAnswer {
    let submit = async || {
        let answer = processor.submit(instruction).await.ok()?;
        if let ProviderAnswer::Accepted { .. } = answer.outcome() {
            let question = look_up_of(instruction, Some(&answer));
            let found = processor.look_up(&question).await.ok()?.found()?;
            return definite(&found);
        }
        definite(&answer)
    };
    drive::eventually("the instruction has a definite answer", submit).await
}

/// Makes an instruction that the provider can pay.
fn instruction_for(processor: &dyn Processor) -> Instruction {
    build::payable(&processor.capabilities())
}

/// Returns the reference of a payment that was paid or accepted.
fn reference_of(answer: &ProviderAnswer) -> Option<&ProviderReference> {
    match answer.outcome() {
        ProviderAnswer::Paid { reference } | ProviderAnswer::Accepted { reference, .. } => Some(reference),
        ProviderAnswer::Declined(_)
        | ProviderAnswer::Returned(_)
        | ProviderAnswer::Waiting { .. }
        | ProviderAnswer::Reported { .. } => None,
    }
}

/// Builds a look-up of an instruction, as a worker does that has received this answer.
fn look_up_of(instruction: &Instruction, answer: Option<&ProviderAnswer>) -> LookUp {
    LookUp {
        reference: answer.and_then(reference_of).cloned(),
        first_sent_at: Some(System::default().now()),
        ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
    }
}

/// Asserts that the provider does not know a key: it says so, or it says that it cannot tell.
async fn assert_unknown(processor: &dyn Processor, instruction: &Instruction) {
    match processor.look_up(&look_up_of(instruction, None)).await.unwrap() {
        LookUpAnswer::Absent | LookUpAnswer::CannotTell { .. } => (),
        LookUpAnswer::Found(answer) => panic!("{} is found: {answer:?}", instruction.key),
    }
}

/// Looks the key up until the provider knows it.
async fn look_up_until_found(
    processor: &dyn Processor,
    instruction: &Instruction,
    first: &ProviderAnswer,
) -> ProviderAnswer {
    let question = look_up_of(instruction, Some(first));
    let look_up = async || {
        processor
            .look_up(&question)
            .await
            .ok()
            .and_then(LookUpAnswer::found)
            .map(|answer| answer.outcome().clone())
    };
    drive::eventually("the key is known", look_up).await
}

/// An instruction is paid, at once or after it was accepted, even with the largest amount.
pub async fn a_submitted_instruction_is_paid(Pair { port, .. }: Processors) {
    let mut largest = instruction_for(&*port);
    let currency = largest.details.money.currency();
    let decimals = usize::try_from(currency.minor_units()).unwrap();
    let (whole, fraction) = ("9".repeat(18 - decimals), "9".repeat(decimals));
    let amount = format!("{whole}.{fraction}");
    largest.details.money = build::money(amount.trim_end_matches('.'), currency.code());
    for instruction in [instruction_for(&*port), largest] {
        let answer = submit_until_definite(&*port, &instruction).await;
        assert!(matches!(answer, ProviderAnswer::Paid { .. }), "{answer:?}");
    }
}

/// A key that was never submitted is not found, which is not an error.
pub async fn a_key_that_was_never_submitted_is_not_found(Pair { port, .. }: Processors) {
    assert_unknown(&*port, &instruction_for(&*port)).await;
}

/// An instruction under one key receives one definite answer, however often and from wherever it is sent.
pub async fn the_same_key_is_answered_the_same_ever_after(Pair { port, peer }: Processors) {
    let instruction = instruction_for(&*port);
    let first = submit_until_definite(&*port, &instruction).await;
    for processor in [&port, &peer, &port] {
        assert_eq!(submit_until_definite(&**processor, &instruction).await, first);
    }
}

/// After a definite answer a look-up returns that answer.
pub async fn a_look_up_after_a_definite_answer_equals_it(Pair { port, peer }: Processors) {
    let instruction = instruction_for(&*port);
    let first = submit_until_definite(&*port, &instruction).await;
    for processor in [&port, &peer] {
        let found = look_up_until_found(&**processor, &instruction, &first).await;
        assert_eq!(found, first);
    }
}

/// A look-up pays nothing: a key that was only looked up stays unknown.
pub async fn a_look_up_leaves_no_trace(Pair { port, .. }: Processors) {
    let instruction = instruction_for(&*port);
    for _ in 0..3 {
        assert_unknown(&*port, &instruction).await;
    }
}

/// Every generation of a payout is a payment of its own: the answer for one is no answer for another.
pub async fn generations_are_told_apart(Pair { port, .. }: Processors) {
    let first = instruction_for(&*port);
    submit_until_definite(&*port, &first).await;
    for generation in [1, 10] {
        let key = ProcessorKey::new(first.payout_id, None, generation);
        let next = Instruction { key, ..first.clone() };
        assert_unknown(&*port, &next).await;
        let answer = submit_until_definite(&*port, &next).await;
        assert!(matches!(answer, ProviderAnswer::Paid { .. }), "{answer:?}");
    }
}

/// If thirty-two calls submit under one key at once, all answers are of one payment, and the definite ones are equal.
pub async fn concurrent_submissions_under_one_key_agree(Pair { port, peer }: Processors) {
    let instruction = instruction_for(&*port);
    let racers = (0..32).map(|n| {
        let (processor, instruction) = (
            if n % 2 == 0 { port.clone() } else { peer.clone() },
            instruction.clone(),
        );
        async move { processor.submit(&instruction).await.ok() }
    });
    let answers = drive::race(racers).await;
    let last = submit_until_definite(&*port, &instruction).await;
    for answer in answers.into_iter().flatten() {
        assert_eq!(reference_of(&answer), reference_of(&last), "{answer:?}");
        assert!(
            definite(&answer).is_none_or(|answer| answer == last),
            "{answer:?}"
        );
    }
}

/// A caller that drops its call leaves the outcome open, and a repetition under the same key finds one answer.
pub async fn a_dropped_call_may_be_repeated_under_its_key(Pair { port, .. }: Processors) {
    let instruction = instruction_for(&*port);
    let dropped = tokio::time::timeout(std::time::Duration::from_millis(1), port.submit(&instruction)).await;
    let answer = submit_until_definite(&*port, &instruction).await;
    if let Ok(Ok(first)) = dropped
        && let Some(first) = definite(&first)
    {
        assert_eq!(answer, first);
    }
    assert_eq!(look_up_until_found(&*port, &instruction, &answer).await, answer);
}
