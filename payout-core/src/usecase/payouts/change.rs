//! Changes of a stored payout: edit, cancel, retry, resolve and delete.

use crate::concurrency::detached::run_detached;
use crate::crash::{self, Point};
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::money::{AmountError, Currency, Money};
use crate::payout::{
    Caller, Change, Description, PaymentDetails, Payout, PayoutId, Recipient, RecipientAccount,
    RecipientName, Resolution, Status,
};
use crate::ports::{Hint, RepositoryError};
use crate::request_context::RequestContext;
use crate::text::nfc;
use crate::usecase::payouts::{Answered, Payouts, ServiceError};

/// A step of the state machine that a client or an operator requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pending to cancelled.
    Cancel,
    /// Failed to pending: a new generation.
    Retry,
    /// Under review to completed or failed.
    Resolve(Resolution),
}

impl Step {
    /// Returns the status that the step leads to.
    pub fn target(self) -> Status {
        match self {
            Self::Cancel => Status::Cancelled,
            Self::Retry => Status::Pending,
            Self::Resolve(Resolution::Completed) => Status::Completed,
            Self::Resolve(Resolution::Failed) => Status::Failed,
        }
    }
}

/// The part of a payout that the editing client may see. An edit must not reveal a hidden value by changing nothing:
/// any value that the client sends for a hidden field counts as a change, whatever is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    #[default]
    Whole,
    /// Everything but the recipient, which is masked.
    Masked,
    /// Nothing.
    Nothing,
}

/// New values for some fields; an absent field keeps its value. An amount without a currency is in the stored currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditRequest {
    /// The amount.
    pub amount: Option<crate::money::Amount>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The recipient's account.
    pub recipient_account: Option<RecipientAccount>,
    /// The recipient's name.
    pub recipient_name: Option<RecipientName>,
    /// The description.
    pub description: Option<Description>,
    /// The part of the payout that the editing client may see.
    pub sight: Sight,
}

impl EditRequest {
    /// Returns whether the request sets no field.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            sight: self.sight,
            ..Self::default()
        };
        *self == nothing
    }

    /// Completes the edit with the stored values; absent if it changes nothing, as far as the client may know. A client
    /// that is shown a mask may send it back: an account or a name that equals its mask keeps the stored value. So does
    /// a value that is equivalent to the stored one, which earlier releases may have stored without normalization.
    ///
    /// # Errors
    /// [`EditError::Amount`] if the amount has more decimals than the currency, where each may be new or stored.
    /// [`EditError::Unfit`] for that error if the client may see neither. [`EditError::Masked`] for any other mask.
    pub fn over(self, payout: &Payout) -> Result<Option<PaymentDetails>, EditError> {
        let stored = payout.details();
        let names_anything = !self.is_empty();
        let sight = self.sight;
        let unfit = |error| match sight {
            Sight::Whole | Sight::Masked => EditError::Amount(error),
            Sight::Nothing => EditError::Unfit,
        };
        let money = match (self.amount, self.currency) {
            (None, None) => stored.money,
            (Some(amount), Some(currency)) => Money::new(amount, currency)?,
            (Some(amount), None) => Money::new(amount, stored.money.currency()).map_err(unfit)?,
            (None, Some(currency)) => stored.money.in_currency(currency).map_err(unfit)?,
        };
        // A client that may see nothing was not shown the mask either.
        let shown = sight != Sight::Nothing;
        let account = self
            .recipient_account
            .filter(|account| !(shown && account.as_str() == nfc(&stored.recipient.account.masked())));
        if account.as_ref().is_some_and(RecipientAccount::is_masked) {
            return Err(EditError::Masked("recipient_account"));
        }
        let name = self
            .recipient_name
            .filter(|name| !(shown && name.as_str() == nfc(&stored.recipient.name.masked())));
        if name.as_ref().is_some_and(RecipientName::is_masked) {
            return Err(EditError::Masked("recipient_name"));
        }
        let is_change_unseen = match sight {
            Sight::Whole => false,
            Sight::Masked => account.is_some() || name.is_some(),
            Sight::Nothing => names_anything,
        };
        // Not before this point: whether a value equals the stored one must not show to a client that may not see it.
        let edited = PaymentDetails {
            money,
            recipient: Recipient {
                account: account
                    .filter(|account| !account.is_equivalent(&stored.recipient.account))
                    .unwrap_or_else(|| stored.recipient.account.clone()),
                name: name
                    .filter(|name| !name.is_equivalent(&stored.recipient.name))
                    .unwrap_or_else(|| stored.recipient.name.clone()),
            },
            description: self
                .description
                .filter(|description| !description.is_equivalent(&stored.description))
                .unwrap_or_else(|| stored.description.clone()),
        };
        Ok((is_change_unseen || edited != *stored).then_some(edited))
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
    async fn change<E: From<ServiceError>>(
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
        let id = change.after.id();
        let hinted = change.after.status() == Status::Pending && !change.deleted;
        let written = run_detached(async move {
            crash::pass(Point::BeforeApply);
            let written = repository.apply(&change, request.as_ref()).await;
            crash::pass(Point::AfterApply);
            written
        })
        .await;
        if hinted && written.is_ok() {
            let trace = RequestContext::with_current(|request_context| request_context.trace).flatten();
            self.hints.send(Hint { payout_id: id, trace });
        }
        written.map_err(|error| {
            if conditional && matches!(error, RepositoryError::VersionConflict) {
                return ServiceError::PreconditionFailed;
            }
            error.into()
        })
    }

    /// Edits fields of a pending payout. An edit that changes nothing succeeds in every state. A new amount is checked
    /// against the spending limits like that of a new payout.
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
        self.change(id, if_match, |payout| {
            let Some(details) = edit.over(&payout)? else {
                return Ok(None);
            };
            let (before, api_key) = (payout.money(), caller.api_key);
            let mut change = payout
                .edit(details, caller)
                .map_err(|illegal| ServiceError::Step(illegal.into()))?;
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
        Ok(run_detached(async move { repository.record_refusal(id, &caller).await }).await?)
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

    /// Retries a failed payout; with an idempotency key, once. A retry is checked against the spending limits like a
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
            Step::Retry => Ok(self.repository.now().await?),
            Step::Cancel | Step::Resolve(_) => Ok(crate::Timestamp::UNIX_EPOCH),
        }
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
                let mut change = payout.retry(now, caller).map_err(ServiceError::Step)?;
                change.charge = self.limits.of_retry(money, api_key)?;
                Ok(change)
            }
            Step::Resolve(resolution) => payout
                .resolve(resolution, caller)
                .map_err(|illegal| ServiceError::Step(illegal.into())),
        }
    }
}

/// The reason for which an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The amount does not fit its currency.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The new value does not fit the stored amount or currency, and the client may see neither.
    #[error("This does not go with the payout's stored amount or currency: send both.")]
    Unfit,
    /// The field contains a mask of another account or name.
    #[error("This is a mask, and not the current one: send the whole value, or omit the field.")]
    Masked(&'static str),
    /// Any other error.
    #[error(transparent)]
    Service(#[from] ServiceError),
}
