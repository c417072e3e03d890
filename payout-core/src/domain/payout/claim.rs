//! What a worker does with a payout: it holds a claim, and a claim ends in one settlement.

use std::time::Duration;

use crate::Timestamp;
use crate::payout::ahead::LONGEST_WAIT;
use crate::payout::fields::printable;
use crate::payout::redact::Redaction;
use crate::payout::{BrokenRow, EventKind, Failure, Payout, PayoutId, ProviderReference, Status};
use crate::policy::Policy;
use crate::ports::Randomness;
use crate::provider::{ProcessorError, ProcessorKey, ProviderAnswer};

/// How much of an adapter's words the audit trail keeps.
const WHY_MAX_CHARS: usize = 255;

/// A payout that this worker won, as it is right after the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim(Payout);

impl Claim {
    /// Takes a row that a repository's claim has just returned.
    ///
    /// # Errors
    /// [`BrokenRow`] when it is not claimed.
    pub fn new(payout: Payout) -> Result<Self, BrokenRow> {
        let claimed = payout.status() == Status::Processing && !payout.needs_review();
        if claimed {
            Ok(Self(payout))
        } else {
            Err(BrokenRow::new(payout.id(), "claimed but not processing"))
        }
    }

    /// The payout.
    pub fn payout(&self) -> &Payout {
        &self.0
    }

    /// The key under which the provider pays at most once.
    pub fn key(&self) -> ProcessorKey {
        ProcessorKey::new(self.0.id(), self.0.parts().provider_key, self.0.generation())
    }

    /// Whether the key must be looked up before anything is sent: always but for the first claim of a payout that was never
    /// retried. A store that was restored from a backup may have forgotten a retry, and what became of it.
    ///
    /// By the fence, which counts every claim: those that used up no attempt are not in `claims`.
    pub fn looks_up_first(&self) -> bool {
        self.0.fence() > 1 || self.is_accepted() || self.0.generation() > 0
    }

    /// Whether this claim took over from a worker that never settled, or follows one that learnt nothing.
    pub fn is_takeover(&self) -> bool {
        self.0.parts().claims > 1
    }

    /// The provider has said that it will settle later.
    fn is_accepted(&self) -> bool {
        self.0.parts().provider_reference.is_some()
    }

    /// Whether an earlier claim of this generation may have sent something.
    fn may_have_been_sent_before(&self) -> bool {
        let parts = self.0.parts();
        parts.first_submitted_at != parts.claimed_at
    }

    /// How many claims of this generation have used up no attempt so far. After a retry the fence counts earlier generations
    /// too, and nothing tells how often: few is the guess that waits least.
    fn given_back(&self) -> u32 {
        let given_back = self.0.fence().saturating_sub(u64::from(self.0.parts().claims));
        let most = if self.0.generation() > 0 { 1 } else { u32::MAX };
        u32::try_from(given_back).unwrap_or(u32::MAX).min(most)
    }

    /// How long ago this generation may first have been sent, by the repository's clock: it was last written by the claim, and
    /// that time is never ahead, as the claim's may be where the clock was set back.
    fn age(&self) -> Duration {
        let parts = self.0.parts();
        let first = parts.first_submitted_at.unwrap_or(parts.updated_at);
        (parts.updated_at - first).to_std().unwrap_or(Duration::ZERO)
    }

    /// Whether a key that the provider does not know may be sent again.
    ///
    /// # Errors
    /// The review that is due instead: past half of the window the provider may soon forget, or may have forgotten,
    /// what it did with the key.
    pub fn may_send(&self, policy: &Policy) -> Result<(), Verdict> {
        if self.age() > policy.key_window / 2 {
            return Err(Verdict::Review {
                why: "The provider does not know the payment, and its key window is too far gone to send it again.".into(),
            });
        }
        if self.0.parts().claims > policy.max_attempts {
            return Err(Verdict::Review {
                why: "The attempts are used up.".into(),
            });
        }
        Ok(())
    }

    /// What to write, given what the processor said.
    ///
    /// Only a definite answer ends a payout. Whatever leaves room for a payment keeps it processing under the same
    /// key, to be looked up later; when that cannot go on, a person decides. It never fails for lack of an answer.
    ///
    /// Where the provider's words quote the account or the name, they are masked: they go into the audit trail and the log.
    pub fn conclude(
        &self,
        said: Result<ProviderAnswer, ProcessorError>,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        self.decide(said, policy, randomness)
            .redacted(&Redaction::of(&self.0.details().recipient))
    }

    /// What to write, given that the look-up which this claim began with brought no answer, so that nothing was sent.
    pub fn conclude_look_up(
        &self,
        error: &ProcessorError,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        self.without_answer(error, false, policy, randomness)
            .redacted(&Redaction::of(&self.0.details().recipient))
    }

    fn decide(
        &self,
        said: Result<ProviderAnswer, ProcessorError>,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let said = match said {
            Ok(answer) => match self.contradicted_by(&answer) {
                Some(what) => {
                    return Verdict::Review {
                        why: format!("The provider's answer to this key is of another payment: {what}."),
                    };
                }
                None => Ok(answer.outcome().clone()),
            },
            Err(error) => Err(error),
        };
        match said {
            // The outcome of an answer is none of these.
            Ok(ProviderAnswer::Reported { answer, .. }) => self.decide(Ok(*answer), policy, randomness),
            Ok(ProviderAnswer::Paid { reference }) => Verdict::Completed { reference },
            Ok(ProviderAnswer::Declined(failure)) => Verdict::Failed(failure),
            Ok(ProviderAnswer::Accepted { .. }) if self.age() > policy.key_window => Verdict::Review {
                why: "The provider accepted the payment and has not settled it in time.".into(),
            },
            Ok(ProviderAnswer::Accepted { reference }) => Verdict::Accepted {
                reference,
                after: policy.backoff(self.0.parts().claims, randomness),
            },
            Err(error) => self.without_answer(&error, error.may_have_arrived(), policy, randomness),
        }
    }

    /// What an error means. `sent`: whether this claim may have sent something.
    ///
    /// *Not now* is none of an unknown outcome: it uses up no attempt, and never ends in a review. Whatever else happened to
    /// this generation stays as unknown as it was.
    fn without_answer(
        &self,
        error: &ProcessorError,
        sent: bool,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let patience = error.retry_after().unwrap_or_default();
        let unsent = !sent && !self.may_have_been_sent_before();
        // A retry looks its key up since the store may have forgotten that it was sent; silence says nothing of that.
        if error.is_not_now() || (unsent && self.0.generation() == 0) {
            let why = printable(&error.to_string(), WHY_MAX_CHARS);
            let after = policy
                .pause(self.given_back().saturating_add(1), randomness)
                .max(patience);
            return if unsent {
                Verdict::Released { why, after }
            } else {
                Verdict::Postponed {
                    why,
                    after,
                    uses_attempt: false,
                }
            };
        }
        if self.is_spent(policy) {
            return Verdict::Review {
                why: printable(
                    &format!("The attempts are used up; the last said: {error}"),
                    WHY_MAX_CHARS,
                ),
            };
        }
        Verdict::Postponed {
            why: printable(&error.to_string(), WHY_MAX_CHARS),
            after: policy.backoff(self.0.parts().claims, randomness).max(patience),
            uses_attempt: true,
        }
    }

    /// What the provider says of the payment that is not so of this one.
    fn contradicted_by(&self, answer: &ProviderAnswer) -> Option<&'static str> {
        let payment = answer.payment()?;
        let details = self.0.details();
        payment.contradicts(details.money, Some(&details.digest()))
    }

    /// Whether no claim may follow this one without an answer. The polls of a payment that the provider has accepted
    /// are no attempts: the key's window bounds them.
    fn is_spent(&self, policy: &Policy) -> bool {
        if self.is_accepted() {
            self.age() > policy.key_window
        } else {
            self.0.parts().claims >= policy.max_attempts
        }
    }

    /// Ends the claim.
    pub fn settle(self, verdict: Verdict) -> Settlement {
        Settlement {
            id: self.0.id(),
            fence: self.0.fence(),
            generation: self.0.generation(),
            claims: self.claims_after(&verdict),
            verdict,
        }
    }

    /// How many claims of this generation count once it has ended like this. What uses up no attempt is given back: by its
    /// number, so that a repeated settlement gives it back once. While something may have been sent, one stays.
    fn claims_after(&self, verdict: &Verdict) -> u32 {
        let claims = self.0.parts().claims;
        match verdict {
            Verdict::Released { .. } => claims.saturating_sub(1),
            Verdict::Postponed {
                uses_attempt: false, ..
            } => claims.saturating_sub(1).max(1),
            Verdict::Postponed {
                uses_attempt: true, ..
            }
            | Verdict::Completed { .. }
            | Verdict::Failed(_)
            | Verdict::Accepted { .. }
            | Verdict::Review { .. } => claims,
        }
    }
}

/// A payout that was claimed, and whose row cannot be read: it was altered, or its key is gone. This is all that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableClaim {
    /// Identity.
    pub id: PayoutId,
    /// The fence that was claimed.
    pub fence: u64,
    /// The generation that was claimed.
    pub generation: u32,
    /// How often this generation was claimed.
    pub claims: u32,
    /// What is paid was changed by somebody who has no key: nobody will mend that by waiting.
    pub altered: bool,
}

impl UnreadableClaim {
    /// Ends the claim as one that learnt nothing: nothing can be sent without knowing to whom, and an earlier claim may have
    /// been sent. Somebody may mend the row, or another process be able to read it; when the attempts are used up, a person
    /// decides; at once, where the row was altered.
    pub fn settle(self, policy: &Policy, randomness: &dyn Randomness) -> Settlement {
        let why = if self.altered {
            "The stored payout is not what was asked for: its row was altered past this service. Nothing was sent."
        } else {
            "The stored payout cannot be read: it was altered, or the key that it is encrypted with is gone."
        };
        let verdict = if self.altered || self.claims >= policy.max_attempts {
            Verdict::Review { why: why.into() }
        } else {
            Verdict::Postponed {
                why: why.into(),
                after: policy.backoff(self.claims, randomness),
                uses_attempt: true,
            }
        };
        Settlement {
            id: self.id,
            fence: self.fence,
            generation: self.generation,
            claims: self.claims,
            verdict,
        }
    }
}

/// Nothing is due: the payout is final, under review, or not yet to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payout is not due")]
pub struct NotDue;

/// What a settlement does to the payout as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Written; boxing each would cost more"
)]
pub enum Guarded {
    /// The guard holds: this is the payout afterwards.
    Written(Payout),
    /// This very settlement was written before.
    Repeated,
    /// The guard misses: the claim was lost meanwhile.
    Late,
}

impl Payout {
    /// A worker's claim, at `now` by the repository's clock. Repositories make the same step in one statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes.
    pub fn claim(self, now: Timestamp, lease: Duration, quiet_after: Duration) -> Result<Claim, NotDue> {
        if self.parts().due_at.is_none_or(|due_at| due_at > now) {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.due_at = Some(later(now, lease));
        // A worker that was claimed for by a clock that was ahead is as far from done as it was then.
        let quiet_at = match (parts.quiet_at, parts.claimed_at) {
            (Some(quiet_at), Some(last)) if last > now && quiet_at > last => Some(now + (quiet_at - last)),
            (quiet_at, _) => quiet_at,
        };
        // Strictly later than the claim before, even within one tick of the clock or after it was set back: whether
        // the two times below are equal tells whether an earlier claim may have sent something.
        let claimed_at = parts
            .claimed_at
            .map_or(now, |last| now.max(later(last, Duration::from_micros(1))));
        parts.claimed_at = Some(claimed_at);
        // Nothing was sent later than now, whatever a clock that was ahead has written: the key's window runs from now.
        parts.first_submitted_at = Some(
            parts
                .first_submitted_at
                .map_or(claimed_at, |first| first.min(now)),
        );
        // An earlier claim with a longer lease may still be sending when this one surely is not.
        parts.quiet_at = quiet_at.max(Some(later(now, quiet_after)));
        parts.updated_at = now;
        Ok(Claim(Self::from_parts(parts)))
    }

    /// The claim that a worker may have made, and never settled, in a life of the store that this one, restored from a
    /// backup, knows nothing of; at `now` by the repository's clock. Whoever claims the payout next takes it over, and so
    /// looks its key up before sending anything. It may have been sent at any time since it was last written here.
    ///
    /// Repositories make the same step in one statement.
    ///
    /// # Errors
    /// [`NotDue`], and nothing changes: unless pending and due, nobody can have claimed it, or the store knows that
    /// somebody has.
    pub fn presume_claimed(self, now: Timestamp) -> Result<Self, NotDue> {
        let is_due = self.parts().due_at.is_some_and(|due_at| due_at <= now);
        if self.status() != Status::Pending || !is_due {
            return Err(NotDue);
        }
        let mut parts = self.into_parts();
        let claimed_at = parts.claimed_at.map_or(parts.updated_at, |last| {
            parts.updated_at.max(later(last, Duration::from_micros(1)))
        });
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.version += 1;
        parts.claimed_at = Some(claimed_at);
        parts.first_submitted_at = Some(claimed_at);
        parts.quiet_at = parts.quiet_at.max(Some(now));
        parts.due_at = Some(now);
        parts.updated_at = now;
        Ok(Self::from_parts(parts))
    }

    /// A worker's settlement, at `now` by the repository's clock: only under the fence and the generation that it
    /// claimed, and while processing. Repositories make the same step in one statement.
    pub fn settle(self, settlement: &Settlement, now: Timestamp) -> Guarded {
        let row = settlement.verdict.row();
        let same_claim = self.fence() == settlement.fence && self.generation() == settlement.generation;
        if !(same_claim && self.status() == Status::Processing) {
            return if same_claim && self.reads(&row) {
                Guarded::Repeated
            } else {
                Guarded::Late
            };
        }
        let mut parts = self.into_parts();
        parts.status = row.status;
        parts.needs_review = row.needs_review;
        parts.failure = row.failure.cloned();
        parts.provider_reference = row.reference.cloned().or(parts.provider_reference);
        parts.due_at = row.due_in.map(|due_in| later(now, due_in));
        if row.never_sent {
            parts.first_submitted_at = None;
        }
        parts.claims = settlement.claims;
        parts.version += 1;
        parts.updated_at = now;
        Guarded::Written(Self::from_parts(parts))
    }

    /// Whether the payout stands as this settlement leaves it.
    fn reads(&self, row: &SettledRow<'_>) -> bool {
        let parts = self.parts();
        parts.status == row.status
            && parts.failure.as_ref() == row.failure
            && row
                .reference
                .is_none_or(|reference| parts.provider_reference.as_ref() == Some(reference))
    }
}

/// A time so much later, or the end of time.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    let later = chrono::TimeDelta::from_std(by)
        .ok()
        .and_then(|by| now.checked_add_signed(by));
    later.unwrap_or(Timestamp::MAX_UTC)
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The provider paid.
    Completed {
        /// Its name for the payment.
        reference: ProviderReference,
    },
    /// The provider declined for good.
    Failed(Failure),
    /// The provider will settle later: look the key up then.
    Accepted {
        /// Its name for the payment.
        reference: ProviderReference,
        /// When to look.
        after: Duration,
    },
    /// Nothing definite was learnt: stays processing.
    Postponed {
        /// What was learnt.
        why: String,
        /// When to look again.
        after: Duration,
        /// Whether an attempt is used up: not where the provider only said *not now*.
        uses_attempt: bool,
    },
    /// Provably nothing of this generation was ever sent: pending again, and no attempt is used up.
    Released {
        /// What was learnt.
        why: String,
        /// When to try again.
        after: Duration,
    },
    /// A person must look.
    Review {
        /// Why.
        why: String,
    },
}

/// One claim's end, to be written only while the payout is processing under this fence and generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The payout.
    pub id: PayoutId,
    /// The fence that was claimed.
    pub fence: u64,
    /// The generation that was claimed.
    pub generation: u32,
    /// How many claims of this generation have used up an attempt by now.
    pub claims: u32,
    /// How it ended.
    pub verdict: Verdict,
}

/// A [`Verdict`] as the columns that a repository writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRow<'a> {
    /// The status after it.
    pub status: Status,
    /// Whether a person must look.
    pub needs_review: bool,
    /// Why it failed.
    pub failure: Option<&'a Failure>,
    /// The provider's name for the payment; absent keeps the one that is stored.
    pub reference: Option<&'a ProviderReference>,
    /// When somebody must look again, from now; absent when nobody must.
    pub due_in: Option<Duration>,
    /// Whether the time of the first submission is to be forgotten, since nothing was sent.
    pub never_sent: bool,
    /// What the audit trail calls it.
    pub event: EventKind,
    /// What was learnt.
    pub detail: Option<&'a str>,
}

impl Verdict {
    /// The same; a review says which key the provider is to be asked for.
    #[must_use]
    pub fn naming(self, key: &ProcessorKey) -> Self {
        match self {
            Self::Review { why } => Self::Review {
                why: format!("{why} The provider knows it by the key {key}"),
            },
            definite @ (Self::Completed { .. }
            | Self::Failed(_)
            | Self::Accepted { .. }
            | Self::Postponed { .. }
            | Self::Released { .. }) => definite,
        }
    }

    fn redacted(self, redaction: &Redaction) -> Self {
        match self {
            Self::Completed { reference } => Self::Completed {
                reference: redaction.reference(reference),
            },
            Self::Failed(failure) => Self::Failed(redaction.failure(&failure)),
            Self::Accepted { reference, after } => Self::Accepted {
                reference: redaction.reference(reference),
                after,
            },
            Self::Postponed {
                why,
                after,
                uses_attempt,
            } => Self::Postponed {
                why: redaction.text(&why),
                after,
                uses_attempt,
            },
            Self::Released { why, after } => Self::Released {
                why: redaction.text(&why),
                after,
            },
            Self::Review { why } => Self::Review {
                why: redaction.text(&why),
            },
        }
    }

    /// The columns to write.
    pub fn row(&self) -> SettledRow<'_> {
        let processing = SettledRow {
            status: Status::Processing,
            needs_review: false,
            failure: None,
            reference: None,
            due_in: None,
            never_sent: false,
            event: EventKind::Postponed,
            detail: None,
        };
        match self {
            Self::Completed { reference } => SettledRow {
                status: Status::Completed,
                reference: Some(reference),
                event: EventKind::Completed,
                detail: Some(reference.as_str()),
                ..processing
            },
            Self::Failed(failure) => SettledRow {
                status: Status::Failed,
                failure: Some(failure),
                event: EventKind::Failed,
                detail: Some(failure.code()),
                ..processing
            },
            Self::Accepted { reference, after } => SettledRow {
                reference: Some(reference),
                due_in: Some((*after).min(LONGEST_WAIT)),
                event: EventKind::Accepted,
                detail: Some(reference.as_str()),
                ..processing
            },
            Self::Postponed {
                why,
                after,
                uses_attempt: _,
            } => SettledRow {
                due_in: Some((*after).min(LONGEST_WAIT)),
                detail: Some(why),
                ..processing
            },
            Self::Released { why, after } => SettledRow {
                status: Status::Pending,
                due_in: Some((*after).min(LONGEST_WAIT)),
                never_sent: true,
                event: EventKind::Released,
                detail: Some(why),
                ..processing
            },
            Self::Review { why } => SettledRow {
                needs_review: true,
                event: EventKind::ReviewRequested,
                detail: Some(why),
                ..processing
            },
        }
    }
}
