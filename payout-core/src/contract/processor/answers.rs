//! Cases for the promise that one key has one answer.

use crate::contract::{Pair, build, drive};
use crate::ports::Processor;
use crate::provider::{Instruction, ProcessorKey, ProviderAnswer};

type Processors = Pair<dyn Processor>;

fn is_definite(answer: &ProviderAnswer) -> bool {
    match answer.outcome() {
        ProviderAnswer::Paid { .. } | ProviderAnswer::Declined(_) => true,
        ProviderAnswer::Accepted { .. } | ProviderAnswer::Reported { .. } => false,
    }
}

/// Submits under one key until there is a definite answer.
async fn submit_until_definite(processor: &dyn Processor, instruction: &Instruction) -> ProviderAnswer {
    let submit = async || processor.submit(instruction).await.ok().filter(is_definite);
    drive::eventually("the instruction has a definite answer", submit).await
}

/// Looks the key up until the provider knows it.
async fn look_up_until_found(processor: &dyn Processor, key: &ProcessorKey) -> ProviderAnswer {
    let look_up = async || processor.look_up(key).await.ok().flatten();
    drive::eventually("the key is known", look_up).await
}

/// An instruction is paid, at once or after it was accepted, even with the largest amount.
pub async fn a_submitted_instruction_is_paid(Pair { port, .. }: Processors) {
    let mut yen = build::instruction();
    yen.details.money = build::money("999999999999999999", "JPY");
    for instruction in [build::instruction(), yen] {
        let answer = submit_until_definite(&*port, &instruction).await;
        assert!(matches!(answer, ProviderAnswer::Paid { .. }), "{answer:?}");
    }
}

/// A key that was never submitted is not found, which is not an error.
pub async fn a_key_that_was_never_submitted_is_not_found(Pair { port, .. }: Processors) {
    let key = ProcessorKey::new(build::fresh_id(), None, 0);
    assert_eq!(port.look_up(&key).await.unwrap(), None);
}

/// An instruction under one key receives one definite answer, however often and from wherever it is sent.
pub async fn the_same_key_is_answered_the_same_ever_after(Pair { port, peer }: Processors) {
    let instruction = build::instruction();
    let first = submit_until_definite(&*port, &instruction).await;
    for processor in [&port, &peer, &port] {
        assert_eq!(submit_until_definite(&**processor, &instruction).await, first);
    }
}

/// After a definite answer a look-up returns that answer.
pub async fn a_look_up_after_a_definite_answer_equals_it(Pair { port, peer }: Processors) {
    let instruction = build::instruction();
    let first = submit_until_definite(&*port, &instruction).await;
    for processor in [&port, &peer] {
        assert_eq!(look_up_until_found(&**processor, &instruction.key).await, first);
    }
}

/// A look-up pays nothing: a key that was only looked up stays unknown.
pub async fn a_look_up_leaves_no_trace(Pair { port, .. }: Processors) {
    let key = build::instruction().key;
    for _ in 0..3 {
        assert_eq!(port.look_up(&key).await.unwrap(), None);
    }
}

/// Every generation of a payout is a payment of its own: the answer for one is no answer for another.
pub async fn generations_are_told_apart(Pair { port, .. }: Processors) {
    let first = build::instruction();
    submit_until_definite(&*port, &first).await;
    for generation in [1, 10] {
        let key = ProcessorKey::new(first.payout_id, None, generation);
        assert_eq!(port.look_up(&key).await.unwrap(), None, "{key}");
        let next = Instruction { key, ..first.clone() };
        let answer = submit_until_definite(&*port, &next).await;
        assert!(matches!(answer, ProviderAnswer::Paid { .. }), "{answer:?}");
    }
}

/// If thirty-two calls submit under one key at once, all definite answers are equal.
pub async fn concurrent_submissions_under_one_key_agree(Pair { port, peer }: Processors) {
    let instruction = build::instruction();
    let racers = (0..32).map(|n| {
        let (processor, instruction) = (
            if n % 2 == 0 { port.clone() } else { peer.clone() },
            instruction.clone(),
        );
        async move { processor.submit(&instruction).await.ok().filter(is_definite) }
    });
    let answers = drive::race(racers).await;
    let last = submit_until_definite(&*port, &instruction).await;
    for answer in answers.into_iter().flatten() {
        assert_eq!(answer, last);
    }
}

/// A caller that drops its call leaves the outcome open, and a repetition under the same key finds one answer.
pub async fn a_dropped_call_may_be_repeated_under_its_key(Pair { port, .. }: Processors) {
    let instruction = build::instruction();
    let dropped = tokio::time::timeout(std::time::Duration::from_millis(1), port.submit(&instruction)).await;
    let answer = submit_until_definite(&*port, &instruction).await;
    if let Ok(Ok(first)) = dropped
        && is_definite(&first)
    {
        assert_eq!(answer, first);
    }
    assert_eq!(look_up_until_found(&*port, &instruction.key).await, answer);
}
