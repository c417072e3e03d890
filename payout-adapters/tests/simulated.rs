//! The simulated processor keeps the contract of its port.
#![cfg(feature = "simulated")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::provider::simulated::{InvalidFailureRate, SimulatedProcessor};
use payout_core::contract::build::instruction;
use payout_core::ports::Processor;
use payout_core::provider::{Instruction, LookUp, LookUpAnswer, ProcessorKey, ProviderAnswer};

fn at_once(failure_rate: f64) -> SimulatedProcessor {
    SimulatedProcessor::new(Duration::ZERO, failure_rate).unwrap()
}

fn look_up(instruction: &Instruction) -> LookUp {
    LookUp::of_key(instruction.key.clone(), instruction.payout_id)
}

async fn for_the_contract() -> Arc<dyn Processor> {
    Arc::new(at_once(0.0))
}

mod contract {
    payout_core::processor_contract!(super::for_the_contract);
}

#[tokio::test]
async fn a_key_has_the_same_answer_in_every_process() {
    let (one, other) = (at_once(0.5), at_once(0.5));
    for _ in 0..100 {
        let instruction = instruction();
        let answer = one.submit(&instruction).await.unwrap();
        assert_eq!(one.submit(&instruction).await.unwrap(), answer);
        assert_eq!(other.submit(&instruction).await.unwrap(), answer);
        assert_eq!(
            one.look_up(&look_up(&instruction)).await.unwrap(),
            LookUpAnswer::Found(answer)
        );
    }
}

#[tokio::test]
async fn a_key_never_received_is_not_found() {
    assert_eq!(
        at_once(0.0).look_up(&look_up(&instruction())).await.unwrap(),
        LookUpAnswer::Absent
    );
}

#[tokio::test]
async fn every_key_has_a_reference_of_its_own_and_a_new_generation_another() {
    let processor = at_once(0.0);
    let mut instruction = instruction();
    let ProviderAnswer::Paid { reference: first } = processor.submit(&instruction).await.unwrap() else {
        panic!()
    };
    instruction.key = ProcessorKey::new(instruction.payout_id, None, 1);
    let ProviderAnswer::Paid { reference: second } = processor.submit(&instruction).await.unwrap() else {
        panic!()
    };
    assert!(first.as_str().starts_with("sim_"));
    assert_ne!(first, second);
}

#[tokio::test]
async fn the_failure_rate_is_about_that_and_0_and_1_are_exact() {
    for (rate, expected) in [(0.0, 0..=0), (0.3, 220..=380), (1.0, 1000..=1000)] {
        let processor = at_once(rate);
        let mut declined = 0;
        for _ in 0..1000 {
            match processor.submit(&instruction()).await.unwrap() {
                ProviderAnswer::Declined(failure) => {
                    assert_eq!(failure.code(), "simulated_decline");
                    declined += 1;
                }
                ProviderAnswer::Paid { .. } => {}
                ProviderAnswer::Accepted { .. } => panic!("it never accepts"),
                ProviderAnswer::Reported { .. } => panic!("it says nothing of the payment"),
                ProviderAnswer::Returned(_) => panic!("it never returns a payment"),
                ProviderAnswer::Waiting { .. } => panic!("it never runs out of funds"),
            }
        }
        assert!(expected.contains(&declined), "{declined} of 1000 at {rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_finds_the_outcome_when_it_looks() {
    let processor = SimulatedProcessor::new(Duration::from_secs(60), 0.0).unwrap();
    let instruction = instruction();
    let gave_up = tokio::time::timeout(Duration::from_secs(5), processor.submit(&instruction)).await;
    assert!(gave_up.is_err());
    assert!(matches!(
        processor.look_up(&look_up(&instruction)).await.unwrap(),
        LookUpAnswer::Found(ProviderAnswer::Paid { .. })
    ));
}

#[test]
fn a_rate_that_is_none_is_refused() {
    for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            SimulatedProcessor::new(Duration::ZERO, rate).unwrap_err(),
            InvalidFailureRate
        );
    }
}
