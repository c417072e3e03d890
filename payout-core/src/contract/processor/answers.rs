//! One key, one answer.

use crate::contract::{Pair, build, drive};
use crate::ports::{Answer, Instruction, Processor, ProcessorKey};

type Payer = Pair<dyn Processor>;

/// Submits as a worker does, under the same key until there is a definite answer.
async fn submit_until_definite(processor: &dyn Processor, instruction: &Instruction) -> Answer {
    drive::eventually("the instruction is answered", async || {
        processor.submit(instruction).await.ok().filter(is_definite)
    })
    .await
}

fn is_definite(answer: &Answer) -> bool {
    match answer {
        Answer::Paid { .. } | Answer::Declined(_) => true,
        Answer::Accepted { .. } => false,
    }
}

/// An instruction is paid, at once or after it was accepted.
pub async fn a_submitted_instruction_is_paid(Pair { port, .. }: Payer) {
    let answer = submit_until_definite(&*port, &build::instruction()).await;
    assert!(matches!(answer, Answer::Paid { .. }), "{answer:?}");
}

/// A key that was never submitted is not found, which is no error.
pub async fn a_key_that_was_never_submitted_is_not_found(Pair { port, .. }: Payer) {
    let key = ProcessorKey::new(build::fresh_id(), 0);
    assert_eq!(port.look_up(&key).await.unwrap(), None);
}
