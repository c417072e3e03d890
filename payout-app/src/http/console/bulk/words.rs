//! Bulk actions in words.

use payout_core::bulk::{BulkAction, BulkState, BulkStep};

use crate::http::console::format::count;

/// Returns the name of a step.
pub(super) fn name(step: BulkStep) -> &'static str {
    match step {
        BulkStep::Approve => "Approve",
        BulkStep::Reject => "Reject",
        BulkStep::Cancel => "Cancel",
        BulkStep::Retry => "Retry",
    }
}

/// Returns the word for payouts with which the step was taken.
pub(in crate::http::console) fn done(step: BulkStep) -> &'static str {
    match step {
        BulkStep::Approve => "Approved",
        BulkStep::Reject => "Rejected",
        BulkStep::Cancel => "Cancelled",
        BulkStep::Retry => "Retried",
    }
}

/// Returns the effect of a step.
pub(super) fn about(step: BulkStep) -> &'static str {
    match step {
        BulkStep::Approve => {
            "You confirm each of these payouts, except those that you made yourself. A worker sends each that \
             enough people have approved. One that changes before the action comes to it is not approved."
        }
        BulkStep::Reject => "Each payout that awaits approval is cancelled for good, and nothing is sent.",
        BulkStep::Cancel => "Each payout that no worker has claimed is never sent. This cannot be undone.",
        BulkStep::Retry => {
            "For each payout that failed or was returned, a new attempt begins under a new key: the provider sees \
             another payment. If rules require approvals, they await them again. One that changes before the action \
             comes to it is not retried."
        }
    }
}

/// Returns the title of an action.
pub(in crate::http::console) fn title(action: &BulkAction) -> String {
    let payouts = if action.matched == 1 { "payout" } else { "payouts" };
    format!("{} {} {payouts}", name(action.step), count(action.matched))
}

/// Returns the state of an action, and its class in the style sheet.
pub(super) fn state(state: &BulkState) -> (&'static str, &'static str) {
    match state {
        BulkState::Running => ("Running", "busy"),
        BulkState::Stopped { .. } => ("Stopped", "warn"),
        BulkState::Finished { .. } => ("Finished", "good"),
    }
}
