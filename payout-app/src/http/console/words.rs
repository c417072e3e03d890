//! Words for what a payout is doing, and what comes next.

use chrono::TimeDelta;
use payout_core::Timestamp;
use payout_core::payout::{EventKind, Payout, Status};
use payout_core::provider::WaitReason;

use super::format::duration;

/// Returns the name of a status for people.
pub(super) fn status(status: Status, needs_review: bool) -> &'static str {
    match status {
        Status::Processing if needs_review => "Under review",
        Status::AwaitingApproval => "Awaiting approval",
        Status::Pending => "Pending",
        Status::Processing => "Processing",
        Status::Completed => "Completed",
        Status::Returned => "Returned",
        Status::Failed => "Failed",
        Status::Cancelled => "Cancelled",
    }
}

/// Returns the class of a status in the style sheet.
pub(super) fn tone(status: Status, needs_review: bool) -> &'static str {
    match status {
        Status::Processing if needs_review => "warn",
        Status::AwaitingApproval => "warn",
        Status::Pending => "calm",
        Status::Processing => "busy",
        Status::Completed => "good",
        Status::Returned | Status::Failed => "bad",
        Status::Cancelled => "none",
    }
}

/// Returns what happens next to a payout, and when.
pub(super) fn next(payout: &Payout, waiting: Option<WaitReason>, now: Timestamp) -> String {
    let parts = payout.parts();
    let until = |at: Timestamp| {
        let left = at - now;
        if left > TimeDelta::seconds(1) {
            format!("in {}", duration(left))
        } else {
            "now".to_owned()
        }
    };
    let due = parts.due_at.map_or_else(String::new, until);
    match payout.status() {
        Status::AwaitingApproval => {
            let approval = parts.approval.as_ref();
            let (required, given) =
                approval.map_or((1, 0), |approval| (approval.required, approval.given.len()));
            let left = usize::from(required).saturating_sub(given).max(1);
            let people = if left == 1 {
                "one more person"
            } else {
                "more people"
            };
            format!("Nothing is sent until {people} approved it: {given} of {required} have.")
        }
        Status::Pending => match waiting {
            Some(reason) => format!("It waits: {}. The next look at it is {due}.", wait(reason)),
            None => match parts.details.scheduled_at.filter(|at| *at > now) {
                Some(at) => format!("It is scheduled: it is sent {}.", until(at)),
                None => format!("A worker sends it {due}."),
            },
        },
        Status::Processing if payout.needs_review() => {
            "Nobody knows yet whether it was paid. Look it up at the provider, and decide how it ended."
                .to_owned()
        }
        Status::Processing if parts.provider_reference.is_some() => {
            format!("The provider has accepted it and settles it later. The next look at it is {due}.")
        }
        Status::Processing => format!("A worker is sending it, or asks the provider again {due}."),
        Status::Completed => match parts.recheck_at {
            Some(at) => format!(
                "The provider paid it. The payment can still come back, and is looked up again {}.",
                until(at)
            ),
            None => "The provider paid it. Nothing is left to do.".to_owned(),
        },
        Status::Returned => {
            "It was paid, and the money came back. Mend what was wrong, and retry it.".to_owned()
        }
        Status::Failed => {
            "The provider declined it for good: nobody was paid. Retry it, or leave it.".to_owned()
        }
        Status::Cancelled => "It was cancelled before anything was sent. Nothing is left to do.".to_owned(),
    }
}

/// Returns the reason for a wait.
fn wait(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Funds => "the balance at the provider is too low",
        WaitReason::ProviderLimit => "a limit of the provider is reached",
        WaitReason::Provider => "the provider is unavailable, or refuses calls for now",
        WaitReason::ProviderPaused => "its provider is paused",
        WaitReason::ProviderMissing => "its provider is not configured any more",
    }
}

/// Returns the name of an event for people.
pub(super) fn event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => "Created",
        EventKind::Imported => "Imported",
        EventKind::Edited => "Edited",
        EventKind::Approved => "Approved",
        EventKind::Rejected => "Rejected",
        EventKind::EditRefused => "An edit was refused",
        EventKind::Revealed => "The recipient was revealed",
        EventKind::Claimed => "Claimed by a worker",
        EventKind::Completed => "Paid by the provider",
        EventKind::Returned => "The payment came back",
        EventKind::Failed => "Declined by the provider",
        EventKind::Accepted => "Accepted by the provider, which settles it later",
        EventKind::Postponed => "No definite answer: it is looked at again",
        EventKind::Released => "Nothing was sent: pending again",
        EventKind::KeySpent => "Refused for now: pending again, under a new key",
        EventKind::ReviewRequested => "Under review: a person must decide",
        EventKind::Resolved => "A person decided how it ended",
        EventKind::Retried => "Retried",
        EventKind::Cancelled => "Cancelled",
        EventKind::Deleted => "Deleted",
        EventKind::LateOutcome => "A worker reported too late; nothing changed",
    }
}
