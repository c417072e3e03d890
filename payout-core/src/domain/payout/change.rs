//! Steps that a person takes on a payout: edit, annotate, cancel, retry, resolve and delete.
//!
//! Each step consumes the payout and returns a [`Change`]: the payout after the step, and the version that the stored
//! row must still have when the change is written. A worker's claim also increments the version. Where a person and a
//! worker race, exactly one of them wins.

use std::time::Duration;

use crate::Timestamp;
use crate::approval::{ApprovalDigest, ApproverError, GivenApproval};
use crate::attempt::later;
use crate::payout::approve::NewApproval;
use crate::payout::redact::Redaction;
use crate::payout::{Caller, EventKind, Failure, Metadata, PaymentDetails, Payout, PayoutParts, Status};
use crate::spending::Charge;

/// A write to one payout, to be made only while its version is still [`expected_version`](Self::expected_version).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version at which the payout was read.
    pub expected_version: u64,
    /// The payout after the change, except for the times, which the repository sets.
    pub after: Payout,
    /// True if the change deletes the payout: the row stays, hidden from then on.
    pub deleted: bool,
    /// The effect on the time at which a worker must next look at the payout.
    pub due: Due,
    /// The kind of the event in the audit trail.
    pub event: EventKind,
    /// The caller that asked for the change.
    pub caller: Caller,
    /// The amount charged to the daily limit in the same transaction; absent if nothing is charged.
    pub charge: Option<Charge>,
    /// The approval that the change gives, to be recorded in the same transaction.
    pub approval: Option<NewApproval>,
    /// The age up to which another payout counts as a likely duplicate of the payout as it is after the change; absent if
    /// the repository need not look for one. Where it finds one, it writes the change
    /// [held](Self::held_as_duplicate_of).
    pub duplicates_within: Option<Duration>,
}

/// The effect of a [`Change`] on the time at which a worker must next look at the payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Leaves it as it was.
    Keep,
    /// Makes the payout due at once, by the repository's clock.
    Now,
    /// Sets it to this long after the present.
    After(Duration),
    /// Sets it to this time, or to the present if that is later.
    At(Timestamp),
    /// Clears it: no worker has anything left to do.
    Never,
}

/// A person's judgement of how a payout under review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The money was paid.
    Completed,
    /// The money was not paid, and it will not be paid under the key of this generation.
    Failed,
}

/// The payout's state does not allow the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A payout that is {status}{} cannot be {step}.", if *.needs_review { " (under review)" } else { "" })]
pub struct IllegalStep {
    /// The status of the payout.
    pub status: Status,
    /// True if the payout is under review.
    pub needs_review: bool,
    /// The requested step as a participle: "edited", "cancelled".
    pub step: &'static str,
}

/// The reason why a step was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The payout's state does not allow the step.
    #[error(transparent)]
    Illegal(#[from] IllegalStep),
    /// The payout cannot be deleted: it was sent, or may have been.
    #[error(
        "A payout that is {status} and was with a worker cannot be deleted{}: what was sent, or may have been, is kept.",
        if matches!(.status, Status::AwaitingApproval | Status::Pending) { ", but it can be cancelled" } else { "" }
    )]
    Kept {
        /// The status of the payout.
        status: Status,
    },
    /// The edit changes or removes the client's own reference, by which the payout is known.
    #[error("The external id of a payout cannot be changed once it is set.")]
    ExternalIdSet,
    /// A worker that lost its lease may still be sending the generation that the retry would replace.
    #[error("A worker of an earlier attempt may still be running; retry in {} seconds.", .wait.as_secs() + 1)]
    AttemptInProgress {
        /// The time until no worker can still be sending.
        wait: Duration,
    },
    /// The person may not approve the payout.
    #[error(transparent)]
    Approver(#[from] ApproverError),
    /// The payout differs from what the first person approved, although nobody edited it.
    #[error("This payout was changed past this service after it was first approved: reject it, or edit it.")]
    AlteredSinceApproval,
}

impl Payout {
    pub(super) fn refuse(&self, step: &'static str) -> IllegalStep {
        IllegalStep {
            status: self.status(),
            needs_review: self.needs_review(),
            step,
        }
    }

    /// Changes the payment details of a payout that is pending or awaits approval. They never change once something may
    /// have been sent. A new schedule changes the time at which the payout is due. Every approval is void, unless nothing
    /// changes that is sent: a payout that requires approval awaits it again.
    ///
    /// # Errors
    /// [`StepError::Illegal`] unless the payout is pending or awaits approval; [`StepError::ExternalIdSet`] if the payout
    /// has another external id already.
    pub fn edit(self, details: PaymentDetails, caller: Caller) -> Result<Change, StepError> {
        // In a store that was restored from a backup, what awaits approval may have been sent.
        if !self.is_open() || self.parts().first_submitted_at.is_some() {
            return Err(self.refuse("edited").into());
        }
        let (details, before) = (details.in_whole_micros(), self.details());
        if before.external_id.is_some() && details.external_id != before.external_id {
            return Err(StepError::ExternalIdSet);
        }
        let due = match details.scheduled_at {
            same if same == before.scheduled_at => Due::Keep,
            Some(at) => Due::At(at),
            None => Due::Now,
        };
        let approvable = ApprovalDigest::of(self.parts());
        let change = self.change(due, EventKind::Edited, caller, |parts| {
            parts.details = details;
        });
        if ApprovalDigest::of(change.after.parts()) == approvable {
            return Ok(change);
        }
        Ok(change.voiding_approvals())
    }

    /// Replaces the metadata, in every state. No worker looks at it, and no approval is of it, so nothing else changes.
    pub fn annotate(self, metadata: Metadata, caller: Caller) -> Change {
        self.change(Due::Keep, EventKind::Edited, caller, |parts| {
            parts.details.metadata = metadata;
        })
    }

    /// Cancels a payout that is pending or awaits approval, which no worker holds.
    ///
    /// # Errors
    /// [`IllegalStep`] unless the payout is pending or awaits approval.
    pub fn cancel(self, caller: Caller) -> Result<Change, IllegalStep> {
        if !self.is_open() {
            return Err(self.refuse("cancelled"));
        }
        Ok(self.change(Due::Never, EventKind::Cancelled, caller, |parts| {
            parts.status = Status::Cancelled;
            parts.waiting_for = None;
            parts.waiting_since = None;
        }))
    }

    /// Starts a new generation of a payout that failed or was returned. Every approval is void: a payout that requires
    /// approval awaits it again.
    ///
    /// After more than one claim, a worker of an earlier claim may be suspended between its last look at the clock and
    /// its call to the provider. Until that is ruled out, the old generation could still be sent after the new one was
    /// paid. `now` is the repository's clock.
    ///
    /// # Errors
    /// [`StepError::Illegal`] unless the payout has failed or was returned; [`StepError::AttemptInProgress`] while an
    /// earlier worker may still be sending.
    pub fn retry(self, now: Timestamp, caller: Caller) -> Result<Change, StepError> {
        match self.status() {
            Status::Failed | Status::Returned => (),
            Status::AwaitingApproval
            | Status::Pending
            | Status::Processing
            | Status::Completed
            | Status::Cancelled => {
                return Err(self.refuse("retried").into());
            }
        }
        if self.parts().claims > 1
            && let Some(wait) = self
                .parts()
                .calls_end_at
                .and_then(|calls_end_at| (calls_end_at - now).to_std().ok())
            && !wait.is_zero()
        {
            return Err(StepError::AttemptInProgress { wait });
        }
        let change = self.change(Due::Now, EventKind::Retried, caller, |parts| {
            parts.status = Status::Pending;
            parts.generation += 1;
            parts.claims = 0;
            parts.needs_review = false;
            parts.failure = None;
            parts.provider_reference = None;
            parts.first_submitted_at = None;
            parts.completed_at = None;
            parts.returned_at = None;
            parts.returned_amount = None;
        });
        Ok(change.voiding_approvals())
    }

    /// Records a person's judgement of how a payout under review ended. A payment that was made may come back, so its
    /// recheck is due at once.
    ///
    /// # Errors
    /// [`IllegalStep`] unless the payout is processing and under review.
    pub fn resolve(self, resolution: Resolution, caller: Caller) -> Result<Change, IllegalStep> {
        if !(self.status() == Status::Processing && self.needs_review()) {
            return Err(self.refuse(match resolution {
                Resolution::Completed => "marked completed",
                Resolution::Failed => "marked failed",
            }));
        }
        let words = caller
            .reason
            .clone()
            .unwrap_or_else(|| "Resolved by a person.".to_owned());
        Ok(self.change(Due::Never, EventKind::Resolved, caller, |parts| {
            parts.needs_review = false;
            match resolution {
                Resolution::Completed => {
                    parts.status = Status::Completed;
                    parts.recheck_at = Some(parts.updated_at);
                }
                Resolution::Failed => {
                    parts.status = Status::Failed;
                    parts.failure = Some(Failure::new("resolved", &words));
                }
            }
        }))
    }

    /// Records a person's judgement that a completed payment came back.
    ///
    /// # Errors
    /// [`IllegalStep`] unless the payout is completed.
    pub fn mark_returned(self, now: Timestamp, caller: Caller) -> Result<Change, IllegalStep> {
        if self.status() != Status::Completed {
            return Err(self.refuse("marked returned"));
        }
        let words = caller
            .reason
            .clone()
            .unwrap_or_else(|| "Marked as returned by a person.".to_owned());
        Ok(self.change(Due::Never, EventKind::Returned, caller, |parts| {
            parts.status = Status::Returned;
            parts.failure = Some(Failure::new("marked_returned", &words));
            parts.returned_at = Some(now);
            parts.recheck_at = None;
        }))
    }

    /// Deletes a payout that was never sent: one that is pending or awaits approval and that no worker ever claimed, or a
    /// cancelled one. Its row and
    /// its audit trail stay, hidden.
    ///
    /// # Errors
    /// [`StepError::Kept`] for every other payout: one that was sent, or may have been, cannot be hidden.
    pub fn delete(self, caller: Caller) -> Result<Change, StepError> {
        let never_sent = match self.status() {
            Status::AwaitingApproval | Status::Pending => self.fence() == 0 && self.parts().claims == 0,
            Status::Cancelled => self.generation() == 0 && self.parts().first_submitted_at.is_none(),
            Status::Processing | Status::Completed | Status::Returned | Status::Failed => false,
        };
        if !never_sent {
            return Err(StepError::Kept {
                status: self.status(),
            });
        }
        let mut change = self.change(Due::Never, EventKind::Deleted, caller, |_| ());
        change.deleted = true;
        Ok(change)
    }

    pub(crate) fn change(
        self,
        due: Due,
        event: EventKind,
        mut caller: Caller,
        write: impl FnOnce(&mut PayoutParts),
    ) -> Change {
        let expected_version = self.version();
        let mut parts = self.into_parts();
        let before = Redaction::of(&parts.details.recipient);
        write(&mut parts);
        // The reason and the failure may name the recipient before this change, or the one after it.
        for redaction in [before, Redaction::of(&parts.details.recipient)] {
            caller.reason = caller.reason.map(|reason| redaction.text(&reason));
            parts.failure = parts.failure.map(|failure| redaction.failure(&failure));
        }
        parts.version = expected_version + 1;
        Change {
            expected_version,
            after: Payout::from_parts(parts),
            deleted: false,
            due,
            event,
            caller,
            charge: None,
            approval: None,
            duplicates_within: None,
        }
    }
}

impl Change {
    /// Returns the payout with this change made at `now`, by the repository's clock.
    pub fn made_at(&self, now: Timestamp) -> Payout {
        let mut parts = self.after.parts().clone();
        parts.updated_at = now;
        if parts.status == Status::Completed && parts.completed_at.is_none() {
            parts.completed_at = Some(now);
        }
        match self.due {
            Due::Keep => (),
            Due::Now => parts.due_at = Some(now),
            Due::After(wait) => parts.due_at = Some(later(now, wait)),
            Due::At(at) => parts.due_at = Some(at.max(now)),
            Due::Never => parts.due_at = None,
        }
        if let (Some(new), Some(approval)) = (&self.approval, &mut parts.approval) {
            approval.given.push(GivenApproval {
                person: new.person.clone(),
                by: self.caller.actor.clone(),
                at: now,
                digest: new.digest,
            });
        }
        Payout::from_parts(parts)
    }
}
