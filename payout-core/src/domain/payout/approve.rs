//! Approvals: the steps of an approver, and what edits and retries do to the approvals that were given.

use std::time::Duration;

use crate::approval::{ApprovalDigest, Person};
use crate::payout::{
    Caller, Change, Due, EventKind, IllegalStep, Payout, PayoutId, PayoutParts, Status, StepError,
};

/// An approval to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    /// The person who approves.
    pub person: Person,
    /// The digest of the payout as the person approves it.
    pub digest: ApprovalDigest,
}

impl Payout {
    /// Returns whether the payout is not sent yet and no worker holds it: it is pending, or awaits approval.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status(), Status::AwaitingApproval | Status::Pending)
    }

    /// Returns whether the payout awaits approval, and this person has neither asked for it nor approved it.
    pub fn is_approvable_by(&self, person: &Person) -> bool {
        let Some(approval) = &self.parts().approval else {
            return false;
        };
        self.status() == Status::AwaitingApproval
            && approval.creator.as_ref() != Some(person)
            && approval.editor.as_ref() != Some(person)
            && approval.given.iter().all(|given| given.person != *person)
    }

    /// Approves a payout that awaits approval. The last approval that is required makes it pending and due, at once or at its schedule, and
    /// binds it to what was approved: a claim of anything else sends nothing.
    ///
    /// # Errors
    /// [`StepError::Illegal`] unless the payout awaits approval. [`StepError::Approver`] if the caller may not approve
    /// it. [`StepError::AlteredSinceApproval`] if it is not what was approved first.
    pub fn approve(self, caller: Caller) -> Result<Change, StepError> {
        let person = caller.person();
        let digest = ApprovalDigest::of(self.parts());
        let is_last = match &self.parts().approval {
            Some(approval) if self.status() == Status::AwaitingApproval => {
                approval.admits(&person, &caller.actor, self.parts().created_by.as_ref())?;
                if approval.given.iter().any(|given| given.digest != digest) {
                    return Err(StepError::AlteredSinceApproval);
                }
                approval.lacks_one()
            }
            Some(_) | None => return Err(self.refuse("approved").into()),
        };
        let due = if is_last { due_of(self.parts()) } else { Due::Never };
        let mut change = self.change(due, EventKind::Approved, caller, |parts| {
            if let Some(approval) = parts.approval.as_mut().filter(|_| is_last) {
                approval.digest = Some(digest);
                parts.status = Status::Pending;
            }
        });
        change.approval = Some(NewApproval { person, digest });
        Ok(change)
    }

    /// Rejects a payout that awaits approval: it is cancelled.
    ///
    /// # Errors
    /// [`IllegalStep`] unless the payout awaits approval.
    pub fn reject(self, caller: Caller) -> Result<Change, IllegalStep> {
        if self.status() != Status::AwaitingApproval {
            return Err(self.refuse("rejected"));
        }
        Ok(self.change(Due::Never, EventKind::Rejected, caller, |parts| {
            parts.status = Status::Cancelled;
        }))
    }
}

/// Returns the time at which a payout becomes due once it needs no more approvals: its schedule, or at once.
fn due_of(parts: &PayoutParts) -> Due {
    parts.details.scheduled_at.map_or(Due::Now, Due::At)
}

impl Change {
    /// Voids every approval, since the payout was edited or is to be sent again. A payout that requires approval awaits
    /// it again, from others than the caller.
    pub(super) fn voiding_approvals(mut self) -> Self {
        let person = self.caller.person();
        let mut parts = self.after.into_parts();
        if let Some(approval) = &mut parts.approval {
            approval.editor = Some(person);
            approval.begin_round();
            if approval.required > 0 {
                parts.status = Status::AwaitingApproval;
                self.due = Due::Never;
            }
        }
        self.after = Payout::from_parts(parts);
        self
    }

    /// Applies the operator's rules to an edit or a retry: its amount requires the approval of this many people. A likely
    /// duplicate stays one.
    #[must_use]
    pub fn requiring(mut self, by_amount: u8) -> Self {
        let person = self.caller.person();
        let mut parts = self.after.into_parts();
        if by_amount == 0 && parts.approval.is_none() {
            self.after = Payout::from_parts(parts);
            return self;
        }
        let approval = parts.approval.get_or_insert_default();
        approval.editor = Some(person);
        let duplicate_of = approval.duplicate_of();
        approval.require(by_amount, duplicate_of);
        let is_held = approval.required > 0;
        match (is_held, parts.status) {
            (true, Status::Pending) => {
                parts.status = Status::AwaitingApproval;
                self.due = Due::Never;
            }
            (false, Status::AwaitingApproval) => {
                parts.status = Status::Pending;
                self.due = due_of(&parts);
            }
            (
                true | false,
                Status::AwaitingApproval
                | Status::Pending
                | Status::Processing
                | Status::Completed
                | Status::Returned
                | Status::Failed
                | Status::Cancelled,
            ) => (),
        }
        self.after = Payout::from_parts(parts);
        self
    }

    /// Asks the repository to look for a likely duplicate of the payout as it is after the change, of up to this age.
    #[must_use]
    pub fn looking_for_duplicates(mut self, within: Duration) -> Self {
        self.duplicates_within = Some(within);
        self
    }

    /// Holds the payout for approval, since after the change it likely duplicates another one. The audit trail tells
    /// which.
    #[must_use]
    pub fn held_as_duplicate_of(mut self, other: PayoutId) -> Self {
        let person = self.caller.person();
        let mut parts = self.after.into_parts();
        let approval = parts.approval.get_or_insert_default();
        approval.editor = Some(person);
        approval.require(approval.required_by_amount(), Some(other));
        parts.status = Status::AwaitingApproval;
        self.due = Due::Never;
        self.after = Payout::from_parts(parts);
        if self.caller.reason.is_none() {
            self.caller = self.caller.because(&duplicate_words(other));
        }
        self
    }
}

/// Returns the words of the audit trail for a payout that is held as a likely duplicate.
pub(super) fn duplicate_words(other: PayoutId) -> String {
    format!("It is likely a duplicate of {other}.")
}
