//! Changes of a stored payout: edit, cancel, retry, resolve and delete.

use crate::approval::ApprovalDigest;
use crate::concurrency::detached::run_detached;
use crate::crash::{self, Point};
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::payout::{Caller, Change, Evidence, InvalidSchedule, Payout, PayoutId, Resolution, Status};
use crate::ports::{Hint, RepositoryError};
use crate::request_context::RequestContext;
use crate::usecase::payouts::edit::{EditError, EditRequest, Edited};
use crate::usecase::payouts::{Answered, Payouts, ServiceError};

/// A step of the state machine that a client or an operator requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pending or awaiting approval to cancelled.
    Cancel,
    /// Failed or returned to pending, or to awaiting approval: a new generation.
    Retry,
    /// Completed to returned.
    MarkReturned,
    /// Under review to completed or failed.
    Resolve(Resolution),
}

impl Step {
    /// Returns the status that the step leads to.
    pub fn target(self) -> Status {
        match self {
            Self::Cancel => Status::Cancelled,
            Self::Retry => Status::Pending,
            Self::MarkReturned => Status::Returned,
            Self::Resolve(Resolution::Completed) => Status::Completed,
            Self::Resolve(Resolution::Failed) => Status::Failed,
        }
    }
}

impl Payouts {
    /// Reads a payout at one of the versions that the caller accepts; absent accepts any.
    async fn read_at(&self, id: PayoutId, if_match: Option<&[u64]>) -> Result<Payout, ServiceError> {
        let payout = self.get(id).await?;
        if if_match.is_some_and(|versions| !versions.contains(&payout.version())) {
            return Err(ServiceError::PreconditionFailed);
        }
        Ok(payout)
    }

    /// Changes a payout as `decide` says for its current state; `None` changes nothing.
    ///
    /// `decide` receives exactly the version that guards the write. `if_match` has the versions that the caller
    /// accepts; absent accepts any.
    pub(super) async fn change<E: From<ServiceError>>(
        &self,
        id: PayoutId,
        if_match: Option<&[u64]>,
        decide: impl FnOnce(Payout) -> Result<Option<Change>, E>,
    ) -> Result<Payout, E> {
        let payout = self.read_at(id, if_match).await?;
        let unchanged = payout.clone();
        let Some(change) = decide(payout)? else {
            return Ok(unchanged);
        };
        self.write(change, None, if_match.is_some())
            .await
            .map_err(E::from)
    }

    /// Writes a change in a task of its own.
    async fn write(
        &self,
        change: Change,
        request: Option<IdempotentRequest>,
        conditional: bool,
    ) -> Result<Payout, ServiceError> {
        let repository = self.repository.clone();
        let (written, change) = run_detached(async move {
            crash::pass(Point::BeforeApply);
            let written = repository.apply(&change, request.as_ref()).await;
            crash::pass(Point::AfterApply);
            (written, change)
        })
        .await;
        if written.is_ok() {
            self.hint_of(&change);
        }
        written.map_err(|error| {
            if conditional && matches!(error, RepositoryError::VersionConflict) {
                return ServiceError::PreconditionFailed;
            }
            error.into()
        })
    }

    /// Sends a hint about a change that was written, if it left the payout pending.
    pub(in crate::usecase) fn hint_of(&self, change: &Change) {
        if change.after.status() == Status::Pending && !change.deleted {
            let trace = RequestContext::with_current(|request_context| request_context.trace).flatten();
            self.hints.send(Hint {
                payout_id: change.after.id(),
                trace,
            });
        }
    }

    /// Edits fields of a pending payout, or the metadata of any. An edit that changes nothing succeeds in every state. A
    /// new amount is checked against the spending limits like that of a new payout.
    ///
    /// # Errors
    /// The outer error is anything but the amount; the inner one is an amount that does not fit its currency.
    pub async fn edit(
        &self,
        id: PayoutId,
        edit: EditRequest,
        if_match: Option<&[u64]>,
        caller: Caller,
    ) -> Result<Payout, EditError> {
        if let Some(Some(at)) = edit.scheduled_at {
            InvalidSchedule::check(at, self.environment.now()).map_err(EditError::Schedule)?;
        }
        self.change(id, if_match, |payout| {
            let details = match edit.over(&payout)? {
                Edited::Nothing => return Ok(None),
                Edited::Metadata(metadata) => return Ok(Some(payout.annotate(metadata, caller))),
                Edited::Details(details) => details,
            };
            let provider = self.route(&details)?;
            let (before, api_key) = (payout.money(), caller.api_key);
            let approvable = ApprovalDigest::of(payout.parts());
            let likely_before = payout.details().likely_payment();
            let mut change = payout.edit(details, caller).map_err(ServiceError::Step)?;
            // The approvals of a payout stay if nothing changes that is sent, and so does the provider.
            let keeps_approvals = change.after.parts().requires_approval()
                && ApprovalDigest::of(change.after.parts()) == approvable;
            if !keeps_approvals {
                change.after = change.after.planned_for(provider);
                change = self.requiring(change);
            }
            if change.after.details().likely_payment() != likely_before {
                change = self.looking_for_duplicates(change);
            }
            let after = change.after.money();
            change.charge = self
                .limits
                .of_edit(before, after, api_key)
                .map_err(ServiceError::OverLimit)?;
            Ok(Some(change))
        })
        .await
    }

    /// Records as evidence that an edit was refused because the client may not see the payout's recipient.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn record_refusal(&self, id: PayoutId, caller: Caller) -> Result<(), ServiceError> {
        let repository = self.repository.clone();
        let refused = Evidence::EditRefused;
        Ok(run_detached(async move { repository.record_evidence(id, refused, &caller).await }).await?)
    }

    /// Returns a payout for a person who is to see the recipient in full, once that is recorded in the audit trail.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`]: what cannot be recorded is not shown.
    pub async fn reveal(&self, id: PayoutId, caller: Caller) -> Result<Payout, ServiceError> {
        let payout = self.get(id).await?;
        let repository = self.repository.clone();
        run_detached(async move { repository.record_evidence(id, Evidence::Revealed, &caller).await })
            .await?;
        Ok(payout)
    }

    /// Takes a step. If the payout already has the step's status, the call succeeds and changes nothing. A retry is
    /// checked against the spending limits.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn step(
        &self,
        id: PayoutId,
        step: Step,
        if_match: Option<&[u64]>,
        caller: Caller,
    ) -> Result<Payout, ServiceError> {
        let now = self.now_for(step).await?;
        self.change(id, if_match, |payout| {
            if payout.status() == step.target() {
                return Ok(None);
            }
            self.take(payout, step, now, caller).map(Some)
        })
        .await
    }

    /// Retries a failed or returned payout; with an idempotency key, once. A retry is checked against the spending limits like a
    /// new payout. A repeated request receives its first answer, whatever has changed since.
    ///
    /// # Errors
    /// [`ServiceError`]. Unlike for [`step`](Self::step), a payout that is already pending is an illegal step.
    pub async fn retry(
        &self,
        id: PayoutId,
        if_match: Option<&[u64]>,
        key: Option<IdempotencyKey>,
        caller: Caller,
    ) -> Result<Answered, ServiceError> {
        let Some(key) = key else {
            let now = self.now_for(Step::Retry).await?;
            let retry = |payout| self.take(payout, Step::Retry, now, caller).map(Some);
            let payout = self.change(id, if_match, retry).await?;
            return Ok(Answered {
                payout,
                replayed: false,
            });
        };
        let key = ScopedKey::new(caller.api_key, &key);
        let running = self.in_flight.begin(&key).ok_or(ServiceError::KeyInFlight)?;
        let fingerprint = Fingerprint::of_retry(id, caller.reason.as_deref());
        let decomposed = Fingerprint::of_decomposed_retry(id, caller.reason.as_deref());
        let request = IdempotentRequest { key, fingerprint };
        let this = self.clone();
        let if_match = if_match.map(<[u64]>::to_vec);
        run_detached(async move {
            let _running = running;
            let replayed = match this.replay(&request).await {
                // The record may be from a release that did not normalize texts.
                Err(ServiceError::KeyReused) if decomposed != request.fingerprint => {
                    let fingerprint = decomposed;
                    let key = request.key.clone();
                    this.replay(&IdempotentRequest { key, fingerprint }).await?
                }
                replayed => replayed?,
            };
            if let Some(answered) = replayed {
                return Ok(answered);
            }
            let payout = this.read_at(id, if_match.as_deref()).await?;
            let now = this.now_for(Step::Retry).await?;
            let change = this.take(payout, Step::Retry, now, caller)?;
            let payout = this.write(change, Some(request), if_match.is_some()).await?;
            Ok(Answered {
                payout,
                replayed: false,
            })
        })
        .await
    }

    /// Deletes a payout that was never sent: it becomes hidden.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn delete(
        &self,
        id: PayoutId,
        if_match: Option<&[u64]>,
        caller: Caller,
    ) -> Result<(), ServiceError> {
        self.change(id, if_match, |payout| {
            payout.delete(caller).map(Some).map_err(ServiceError::Step)
        })
        .await
        .map(|_: Payout| ())
    }

    /// Returns the repository's time for a retry, the only step that depends on it. It is read before the payout, so it
    /// can only be too early, which only makes the wait longer.
    async fn now_for(&self, step: Step) -> Result<crate::Timestamp, ServiceError> {
        match step {
            Step::Retry | Step::MarkReturned => Ok(self.repository.now().await?),
            Step::Cancel | Step::Resolve(_) => Ok(crate::Timestamp::UNIX_EPOCH),
        }
    }

    /// Returns the repository's time for retries of payouts that are read after it.
    pub(in crate::usecase) async fn time_of_retries(&self) -> Result<crate::Timestamp, ServiceError> {
        self.now_for(Step::Retry).await
    }

    /// Builds the retry of a payout, by the rules of [`retry`](Self::retry).
    pub(in crate::usecase) fn retry_of(
        &self,
        payout: Payout,
        now: crate::Timestamp,
        caller: Caller,
    ) -> Result<Change, ServiceError> {
        self.take(payout, Step::Retry, now, caller)
    }

    fn take(
        &self,
        payout: Payout,
        step: Step,
        now: crate::Timestamp,
        caller: Caller,
    ) -> Result<Change, ServiceError> {
        match step {
            Step::Cancel => payout
                .cancel(caller)
                .map_err(|illegal| ServiceError::Step(illegal.into())),
            // A daily limit bounds what is sent, and a retry sends again.
            Step::Retry => {
                let (money, api_key) = (payout.money(), caller.api_key);
                let provider = self.route(payout.details())?;
                let mut change = payout.retry(now, caller).map_err(ServiceError::Step)?;
                change.after = change.after.planned_for(provider);
                let mut change = self.looking_for_duplicates(self.requiring(change));
                change.charge = self.limits.of_retry(money, api_key)?;
                Ok(change)
            }
            Step::MarkReturned => payout
                .mark_returned(now, caller)
                .map_err(|illegal| ServiceError::Step(illegal.into())),
            Step::Resolve(resolution) => payout
                .resolve(resolution, caller)
                .map_err(|illegal| ServiceError::Step(illegal.into())),
        }
    }
}
