//! What a person does with a payout: edit, cancel, retry, resolve, delete.
//!
//! Each step consumes the payout it starts from and yields a [`Change`]: the payout as it will be, and the version
//! it must still have for the change to be made. A worker's claim grows the version too, so of a person and a
//! worker racing exactly one wins.

use std::time::Duration;

use crate::Timestamp;
use crate::payout::redact::Redaction;
use crate::payout::{Caller, EventKind, Failure, PaymentDetails, Payout, PayoutParts, Status};
use crate::spending::Charge;

/// A write to one payout, to be made only while its version is still [`expected_version`](Self::expected_version).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version that the payout was read at.
    pub expected_version: u64,
    /// The payout as it will be, but for the times that the repository sets.
    pub after: Payout,
    /// Whether the row is hidden from now on.
    pub deleted: bool,
    /// When somebody must look at it.
    pub due: Due,
    /// What the audit trail calls it.
    pub event: EventKind,
    /// Who asked.
    pub caller: Caller,
    /// What to take from the day's limit in the same transaction.
    pub charge: Option<Charge>,
}

/// What a [`Change`] does to the time at which a worker must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// As it was.
    Keep,
    /// At once, by the repository's clock.
    Now,
    /// Nothing is left to do.
    Never,
}

/// How a person says that a payout under review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The money was paid.
    Completed,
    /// The money was not paid, and will not be under this generation's key.
    Failed,
}

/// The state machine has no such step from this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A payout that is {status}{} cannot be {step}.", if *.needs_review { " (under review)" } else { "" })]
pub struct IllegalStep {
    /// Where the payout stands.
    pub status: Status,
    /// Whether it waits for a person.
    pub needs_review: bool,
    /// What was asked of it, as a participle: "edited", "cancelled".
    pub step: &'static str,
}

/// Why a step cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// Not from this state.
    #[error(transparent)]
    Illegal(#[from] IllegalStep),
    /// It is not to be hidden: it was sent, or may have been.
    #[error(
        "A payout that is {status} and was with a worker cannot be deleted{}: what was sent, or may have been, is kept.",
        if *.status == Status::Pending { ", but it can be cancelled" } else { "" }
    )]
    Kept {
        /// Where the payout stands.
        status: Status,
    },
    /// A worker that lost its lease may still be sending the generation that is to be retried.
    #[error("A worker of the failed attempt may still be running; retry in {} seconds.", .wait.as_secs() + 1)]
    NotQuiet {
        /// How long until no worker can be sending.
        wait: Duration,
    },
}

impl Payout {
    fn refuse(&self, step: &'static str) -> IllegalStep {
        IllegalStep {
            status: self.status(),
            needs_review: self.needs_review(),
            step,
        }
    }

    /// Changes what is to be paid, only while pending: what was sent once is sent the same ever after.
    ///
    /// # Errors
    /// [`IllegalStep`] in every other state.
    pub fn edit(self, details: PaymentDetails, caller: Caller) -> Result<Change, IllegalStep> {
        if self.status() != Status::Pending {
            return Err(self.refuse("edited"));
        }
        Ok(self.change(Due::Keep, EventKind::Edited, caller, |parts| {
            parts.details = details;
        }))
    }

    /// Cancels a payout that no worker has claimed.
    ///
    /// # Errors
    /// [`IllegalStep`] unless pending.
    pub fn cancel(self, caller: Caller) -> Result<Change, IllegalStep> {
        if self.status() != Status::Pending {
            return Err(self.refuse("cancelled"));
        }
        Ok(self.change(Due::Never, EventKind::Cancelled, caller, |parts| {
            parts.status = Status::Cancelled
        }))
    }

    /// Starts a new generation of a payout that the provider declined for good, or that a person resolved as failed.
    ///
    /// After more than one claim a worker of an earlier one may be asleep between its last look at the clock and its
    /// call; until it surely is not, the old generation could be sent after the new one was paid.
    /// `now` is the repository's clock.
    ///
    /// # Errors
    /// [`StepError::Illegal`] unless failed; [`StepError::NotQuiet`] while an earlier worker may still be sending.
    pub fn retry(self, now: Timestamp, caller: Caller) -> Result<Change, StepError> {
        if self.status() != Status::Failed {
            return Err(self.refuse("retried").into());
        }
        if self.parts().claims > 1
            && let Some(wait) = self
                .parts()
                .quiet_at
                .and_then(|quiet_at| (quiet_at - now).to_std().ok())
            && !wait.is_zero()
        {
            return Err(StepError::NotQuiet { wait });
        }
        Ok(self.change(Due::Now, EventKind::Retried, caller, |parts| {
            parts.status = Status::Pending;
            parts.generation += 1;
            parts.claims = 0;
            parts.needs_review = false;
            parts.failure = None;
            parts.provider_reference = None;
            parts.first_submitted_at = None;
        }))
    }

    /// Records how a payout under review ended, in a person's judgement.
    ///
    /// # Errors
    /// [`IllegalStep`] unless processing and under review.
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
                Resolution::Completed => parts.status = Status::Completed,
                Resolution::Failed => {
                    parts.status = Status::Failed;
                    parts.failure = Some(Failure::new("resolved", &words));
                }
            }
        }))
    }

    /// Hides a payout that was never sent: a pending one that no worker ever claimed, or a cancelled one. Its row and its
    /// audit trail stay.
    ///
    /// # Errors
    /// [`StepError::Kept`] for every other one: what was sent, or may have been, is hidden from nobody.
    pub fn delete(self, caller: Caller) -> Result<Change, StepError> {
        let never_sent = match self.status() {
            Status::Pending => self.fence() == 0 && self.parts().claims == 0,
            Status::Cancelled => self.generation() == 0 && self.parts().first_submitted_at.is_none(),
            Status::Processing | Status::Completed | Status::Failed => false,
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

    fn change(
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
        // A person's reason may name who was paid before this change, or who is after it.
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
        }
    }
}

impl Change {
    /// The payout as it is once this change is made at `now` by the repository's clock.
    pub fn made_at(&self, now: Timestamp) -> Payout {
        let mut parts = self.after.parts().clone();
        parts.updated_at = now;
        match self.due {
            Due::Keep => (),
            Due::Now => parts.due_at = Some(now),
            Due::Never => parts.due_at = None,
        }
        Payout::from_parts(parts)
    }
}
