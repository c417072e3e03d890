//! Short names of what a call answers.

use payout_core::provider::{LookUpAnswer, ProcessorError, ProviderAnswer, WaitReason};

/// Returns the name of what a submission answers.
pub fn of_submission(said: &Result<ProviderAnswer, ProcessorError>) -> String {
    match said {
        Ok(answer) => of_answer(answer),
        Err(error) => of_error(error).to_owned(),
    }
}

/// Returns the name of what a look-up answers.
pub fn of_look_up(said: &Result<LookUpAnswer, ProcessorError>) -> String {
    match said {
        Ok(LookUpAnswer::Found(answer)) => of_answer(answer),
        Ok(LookUpAnswer::Absent) => "never received".to_owned(),
        Ok(LookUpAnswer::CannotTell { .. }) => "cannot tell".to_owned(),
        Err(error) => of_error(error).to_owned(),
    }
}

fn of_answer(answer: &ProviderAnswer) -> String {
    match answer.outcome() {
        ProviderAnswer::Paid { .. } => "paid".to_owned(),
        ProviderAnswer::Accepted { .. } => "accepted".to_owned(),
        ProviderAnswer::Declined(_) => "declined".to_owned(),
        ProviderAnswer::Returned(_) => "returned".to_owned(),
        ProviderAnswer::Waiting { reason, .. } => format!("waits for {}", of_reason(*reason)),
        ProviderAnswer::Reported { answer, .. } => of_answer(answer),
    }
}

fn of_reason(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Funds => "funds",
        WaitReason::ProviderLimit => "a limit",
        WaitReason::Provider | WaitReason::ProviderPaused | WaitReason::ProviderMissing => "the provider",
    }
}

fn of_error(error: &ProcessorError) -> &'static str {
    match error {
        ProcessorError::NeverSent { .. } => "never sent",
        ProcessorError::Refused { .. } => "not now",
        ProcessorError::Overloaded { .. } => "overloaded",
        // Of a non-exhaustive enum. The money may have been paid, which any other error may mean too.
        ProcessorError::Unknown { .. } | _ => "unknown",
    }
}
