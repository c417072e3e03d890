//! What a person does with a stored payout.

use crate::concurrency::detached::uncancelled;
use crate::crash::{self, Point};
use crate::errand::Errand;
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::money::{AmountError, Currency, Money};
use crate::payout::{
    Caller, Change, Description, PaymentDetails, Payout, PayoutId, Recipient, RecipientAccount,
    RecipientName, Resolution, Status,
};
use crate::ports::{Hint, RepositoryError};
use crate::text::nfc;
use crate::usecase::payouts::{Answered, Payouts, ServiceError};

/// A step of the state machine that a person asks for.
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
    /// The status that it leads to.
    pub fn target(self) -> Status {
        match self {
            Self::Cancel => Status::Cancelled,
            Self::Retry => Status::Pending,
            Self::Resolve(Resolution::Completed) => Status::Completed,
            Self::Resolve(Resolution::Failed) => Status::Failed,
        }
    }
}

/// What whoever edits a payout may see of it. What they may not see must not show in whether their edit changes anything: a
/// value that they give for it counts as a change, whatever is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// All of it.
    #[default]
    Whole,
    /// All but whom it pays, of which they are shown masks.
    Masked,
    /// Nothing.
    Nothing,
}

/// New values for some fields; an absent one stays. An amount without a currency is one of the stored currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditRequest {
    /// How much.
    pub amount: Option<crate::money::Amount>,
    /// Of what.
    pub currency: Option<Currency>,
    /// Where the money goes.
    pub recipient_account: Option<RecipientAccount>,
    /// Who gets it.
    pub recipient_name: Option<RecipientName>,
    /// What for.
    pub description: Option<Description>,
    /// What whoever asks may see.
    pub sight: Sight,
}

impl EditRequest {
    /// Whether it names no field.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            sight: self.sight,
            ..Self::default()
        };
        *self == nothing
    }

    /// The whole edit of a payout; absent when it changes nothing, as far as whoever asks may know. An account or a name
    /// that reads as its mask stays as it is: whoever is shown the mask may send it back. So does what is equivalent to what
    /// is stored, which may have been stored as it was sent.
    ///
    /// # Errors
    /// [`EditError::Amount`] when the amount, new or stored, has more decimals than the currency, new or stored;
    /// [`EditError::Unfit`] the same for whoever may see neither; [`EditError::Masked`] for any other mask.
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
        // Whoever is shown nothing was not shown the mask either.
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
        // Only now: whether it is what is stored must not show to whoever may not see that.
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
    /// A payout, at one of the versions that the caller accepts; absent accepts any.
    async fn read_at(&self, id: PayoutId, if_match: Option<&[u64]>) -> Result<Payout, ServiceError> {
        let payout = self.get(id).await?;
        if if_match.is_some_and(|versions| !versions.contains(&payout.version())) {
            return Err(ServiceError::PreconditionFailed);
        }
        Ok(payout)
    }

    /// Changes a payout by whatever `decide` makes of it as it stands; `None` changes nothing.
    ///
    /// `decide` sees the very version that the write is guarded by. `if_match` are the versions that the caller
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

    /// Makes a change in a task of its own.
    async fn write(
        &self,
        change: Change,
        request: Option<IdempotentRequest>,
        conditional: bool,
    ) -> Result<Payout, ServiceError> {
        let repository = self.repository.clone();
        let id = change.after.id();
        let hinted = change.after.status() == Status::Pending && !change.deleted;
        let written = uncancelled(async move {
            crash::pass(Point::BeforeApply);
            let written = repository.apply(&change, request.as_ref()).await;
            crash::pass(Point::AfterApply);
            written
        })
        .await;
        if hinted && written.is_ok() {
            let trace = Errand::with_current(|errand| errand.trace).flatten();
            self.hints.send(Hint { payout_id: id, trace });
        }
        written.map_err(|error| {
            if conditional && matches!(error, RepositoryError::VersionConflict) {
                return ServiceError::PreconditionFailed;
            }
            error.into()
        })
    }

    /// Changes fields of a pending payout. An edit that changes nothing succeeds in every state. A new amount is held
    /// against the limits, as that of a new payout is.
    ///
    /// # Errors
    /// The outer one is everything but the amount; the inner one an amount that does not fit its currency.
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

    /// Keeps as evidence that an edit by whoever may not see whom the payout pays was refused.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn record_refusal(&self, id: PayoutId, caller: Caller) -> Result<(), ServiceError> {
        let repository = self.repository.clone();
        Ok(uncancelled(async move { repository.record_refusal(id, &caller).await }).await?)
    }

    /// Takes a step. Asking for the status that the payout has already succeeds and changes nothing. A retry is held against
    /// the limits.
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

    /// Retries a failed payout; with a key, once. It is held against the limits, as a new payout is; a repeated request
    /// gets its first answer, whatever became of them.
    ///
    /// # Errors
    /// [`ServiceError`]; unlike [`step`](Self::step), a payout that is pending already is an illegal step.
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
        uncancelled(async move {
            let _running = running;
            let replayed = match this.replay(&request).await {
                // The record may be of before texts were normalized.
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

    /// Hides a payout that was never sent.
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

    /// The repository's time, for the one step that depends on it. Read before the payout, so that it can only be
    /// too early, which only makes the wait longer.
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
            // What a day's limit bounds is sending, and a retry sends anew.
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

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The amount does not fit its currency.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The same, said to whoever may see neither the stored amount nor the stored currency.
    #[error("This does not go with the payout's stored amount or currency: send both.")]
    Unfit,
    /// This field reads as what somebody was shown of another account or name.
    #[error("This is a mask, and not the current one: send the whole value, or leave the field away.")]
    Masked(&'static str),
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}
