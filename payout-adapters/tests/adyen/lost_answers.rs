//! Each way in which an answer can be lost, and what a look-up and a repetition find afterwards.

use super::*;

/// A fault of a submission, and what it leaves behind.
struct Lost {
    name: &'static str,
    faults: FaultProfile,
    /// True if Adyen carried the submission out.
    executed: bool,
    /// True if the error tells that the request was refused for now.
    refused: bool,
}

fn every_fault() -> Vec<Lost> {
    let off = FaultProfile::off;
    let lost = |name, faults, executed| Lost {
        name,
        faults: FaultProfile {
            settle_late: 1000,
            settle_within_ms: 3_600_000,
            ..faults
        },
        executed,
        refused: false,
    };
    vec![
        lost(
            "answer lost",
            FaultProfile {
                lose_answer: 1000,
                ..off()
            },
            true,
        ),
        lost(
            "answer cut off",
            FaultProfile {
                cut_answer: 1000,
                ..off()
            },
            true,
        ),
        lost("no answer in time", FaultProfile { hang: 1000, ..off() }, true),
        lost(
            "5xx after the transfer",
            FaultProfile {
                error_after: 1000,
                ..off()
            },
            true,
        ),
        lost("connection reset", FaultProfile { reset: 1000, ..off() }, false),
        lost(
            "5xx before the transfer",
            FaultProfile {
                error_before: 1000,
                ..off()
            },
            false,
        ),
        lost(
            "422 of a request in progress",
            FaultProfile {
                conflict: 1000,
                ..off()
            },
            false,
        ),
        Lost {
            refused: true,
            ..lost(
                "429 with Retry-After",
                FaultProfile {
                    throttle: 1000,
                    ..off()
                },
                false,
            )
        },
    ]
}

#[tokio::test]
async fn after_every_lost_answer_one_transfer_is_found_or_made() {
    for lost in every_fault() {
        let name = lost.name;
        let stand_in = stand_in(lost.faults).await;
        let processor = processor(&stand_in.url());
        let instruction = instruction(&processor);
        let error = processor.submit(&instruction).await.unwrap_err();
        match &error {
            ProcessorError::Unknown { .. } => assert!(!lost.refused, "{name}"),
            ProcessorError::Refused { retry_after, .. } => {
                assert!(lost.refused && retry_after.is_some(), "{name}");
            }
            ProcessorError::NeverSent { .. } | ProcessorError::Overloaded { .. } | _ => {
                panic!("{name}: {error:?}")
            }
        }
        let made = stand_in.ledger().by_key(instruction.key.as_str());
        assert_eq!(made.len(), usize::from(lost.executed), "{name}");
        stand_in.set_faults(undecided());
        let looked_up = processor.look_up(&look_up(&instruction, None)).await.unwrap();
        assert_eq!(looked_up.found().is_some(), lost.executed, "{name}");
        let repeated = processor.submit(&instruction).await.unwrap();
        let reference = payment(&stand_in, &instruction).id;
        let ProviderAnswer::Accepted { reference: said, .. } = repeated.outcome() else {
            panic!("{name}: {repeated:?}");
        };
        assert_eq!(said.as_str(), reference, "{name}");
    }
}

#[tokio::test]
async fn a_lost_look_up_is_unknown_and_changes_nothing() {
    for lost in every_fault() {
        let name = lost.name;
        let stand_in = stand_in(undecided()).await;
        let processor = processor(&stand_in.url());
        let instruction = instruction(&processor);
        processor.submit(&instruction).await.unwrap();
        let before = payment(&stand_in, &instruction);
        if lost.faults.conflict > 0 {
            continue; // Only creations are in conflict.
        }
        stand_in.set_faults(lost.faults);
        let said = processor.look_up(&look_up(&instruction, None)).await;
        assert!(said.is_err(), "{name}: {said:?}");
        assert_eq!(payment(&stand_in, &instruction), before, "{name}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let url = {
        let stand_in = stand_in(FaultProfile::off()).await;
        stand_in.url()
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let processor = processor(&url);
    let error = processor.submit(&instruction(&processor)).await.unwrap_err();
    assert!(matches!(error, ProcessorError::NeverSent { .. }), "{error:?}");
}

#[tokio::test]
async fn under_every_fault_of_the_drill_no_key_is_paid_twice() {
    let faults = FaultProfile {
        settle_within_ms: 50,
        return_late: 0,
        retry_after_seconds: 1,
        ..FaultProfile::drill()
    };
    let stand_in = stand_in(faults).await;
    let settings = AdyenSettings {
        timeout: Duration::from_millis(100),
        ..settings(&stand_in.url())
    };
    let processor = AdyenProcessor::new(&settings).unwrap();
    for _ in 0..60 {
        let instruction = instruction(&processor);
        for _ in 0..6 {
            let _ = processor.submit(&instruction).await;
            let _ = processor.look_up(&look_up(&instruction, None)).await;
        }
        let payments = stand_in.ledger().by_key(instruction.key.as_str());
        assert!(payments.len() <= 1, "{payments:?}");
    }
    assert!(stand_in.ledger().count() > 50);
}
