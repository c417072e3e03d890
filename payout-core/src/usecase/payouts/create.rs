//! Creates a payout, once per idempotency key.

use crate::concurrency::detached::run_detached;
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::payout::{Caller, InvalidSchedule, NewPayout, PaymentDetails, PayoutId};
use crate::ports::{Insertion, Randomness, SpanKind};
use crate::provider::ProviderName;
use crate::request_context::RequestContext;
use crate::usecase::payouts::create_batcher::Incoming;
use crate::usecase::payouts::{Answered, Payouts, ServiceError};

/// Options of a create, besides the payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// The payout is not held for approval as a likely duplicate. The audit trail keeps it.
    pub allow_duplicate: bool,
}

impl CreateOptions {
    const ALLOWED: &str = "The request allows a duplicate.";

    /// Returns the caller, with the options as the reason that the audit trail keeps.
    pub(crate) fn noted_by(self, caller: Caller) -> Caller {
        if self.allow_duplicate && caller.reason.is_none() {
            caller.because(Self::ALLOWED)
        } else {
            caller
        }
    }

    /// Returns the fingerprint of a request with these options.
    pub(crate) fn fingerprint(self, details: &PaymentDetails) -> Fingerprint {
        let fingerprint = Fingerprint::of_create(details);
        if self.allow_duplicate {
            fingerprint.allowing_duplicate()
        } else {
            fingerprint
        }
    }
}

impl Payouts {
    /// Stores a payout and sends a hint to a worker.
    ///
    /// With an idempotency key, a repeated request receives the first answer, even if the payout or the limits have
    /// changed.
    ///
    /// # Errors
    /// [`ServiceError::Schedule`], [`ServiceError::KeyReused`], [`ServiceError::KeyInFlight`],
    /// [`ServiceError::ExternalIdTaken`], [`ServiceError::OverLimit`], [`ServiceError::Busy`], [`ServiceError::Repository`].
    pub async fn create(
        &self,
        details: PaymentDetails,
        key: Option<IdempotencyKey>,
        caller: Caller,
    ) -> Result<Answered, ServiceError> {
        self.create_with(details, CreateOptions::default(), key, caller)
            .await
    }

    /// Stores a payout, as [`create`](Self::create) does, with these options.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub async fn create_with(
        &self,
        details: PaymentDetails,
        options: CreateOptions,
        key: Option<IdempotencyKey>,
        caller: Caller,
    ) -> Result<Answered, ServiceError> {
        if let Some(at) = details.scheduled_at {
            InvalidSchedule::check(at, self.environment.now())?;
        }
        let caller = options.noted_by(caller);
        let approval = self.approval_of(details.money, &caller, options.allow_duplicate);
        let id = PayoutId::generate(self.environment.now(), &*self.environment as &dyn Randomness);
        let charge = self.limits.of_new(details.money, caller.api_key);
        let provider = self.route(&details);
        let Some(key) = key else {
            let new = NewPayout {
                id,
                details,
                batch: None,
                caller,
                request: None,
                charge: charge?,
                provider: provider?,
                approval,
            };
            return match self.insert(new).await? {
                Insertion::Stored(payout) => Ok(Answered {
                    payout,
                    replayed: false,
                }),
                Insertion::KeyTaken => Err(ServiceError::KeyInFlight),
                Insertion::ExternalIdTaken(holder) => Err(ServiceError::ExternalIdTaken(holder)),
                Insertion::OverLimit(over) => Err(over.into()),
            };
        };
        let key = ScopedKey::new(caller.api_key, &key);
        let running = self.in_flight.begin(&key).ok_or(ServiceError::KeyInFlight)?;
        let this = self.clone();
        run_detached(async move {
            let _running = running;
            let fingerprint = options.fingerprint(&details);
            let request = IdempotentRequest { key, fingerprint };
            let charge = match charge {
                Ok(charge) => charge,
                Err(over) => return this.replay(&request).await?.ok_or(over.into()),
            };
            let provider = match provider {
                Ok(provider) => provider,
                Err(no_route) => return this.replay(&request).await?.ok_or(no_route),
            };
            let new = NewPayout {
                id,
                details,
                batch: None,
                caller,
                request: Some(request.clone()),
                charge,
                provider,
                approval,
            };
            match this.insert(new).await? {
                Insertion::Stored(payout) => Ok(Answered {
                    payout,
                    replayed: false,
                }),
                Insertion::KeyTaken => {
                    // If another process is writing the first request, it may not have committed yet.
                    this.replay(&request).await?.ok_or(ServiceError::KeyInFlight)
                }
                Insertion::ExternalIdTaken(holder) => Err(ServiceError::ExternalIdTaken(holder)),
                Insertion::OverLimit(over) => Err(over.into()),
            }
        })
        .await
    }

    /// Returns the answer that an earlier request to create these details received under the key, if any.
    ///
    /// # Errors
    /// [`ServiceError::KeyReused`], [`ServiceError::Repository`].
    pub async fn created_before(
        &self,
        details: &PaymentDetails,
        key: &IdempotencyKey,
        caller: &Caller,
    ) -> Result<Option<Answered>, ServiceError> {
        let request = IdempotentRequest {
            key: ScopedKey::new(caller.api_key, key),
            fingerprint: Fingerprint::of_create(details),
        };
        self.replay(&request).await
    }

    /// Returns the provider that the routes choose for a payment; `None` without routes.
    pub(crate) fn route(&self, details: &PaymentDetails) -> Result<Option<ProviderName>, ServiceError> {
        let Some(routes) = &self.routes else {
            return Ok(None);
        };
        let providers = routes.of(details)?;
        Ok(providers.first().map(|name| (*name).clone()))
    }

    /// Inserts the payout as part of the next batch, within a span of its own.
    async fn insert(&self, new: NewPayout) -> Result<Insertion, ServiceError> {
        let request_context = RequestContext::current();
        let mut span = self
            .tracer
            .begin(SpanKind::Internal, "insert payout", request_context.trace);
        if let Some(span) = &mut span {
            span.note("payout.id", &new.id.to_string());
        }
        let trace = request_context.within(span.as_deref()).trace;
        let inserted = self.create_batcher.ask(Incoming { new, trace }).await;
        if let (Some(span), Err(_)) = (&mut span, &inserted) {
            span.fail();
        }
        inserted
    }

    /// Returns the answer that an earlier request with this key received, if any.
    pub(super) async fn replay(&self, request: &IdempotentRequest) -> Result<Option<Answered>, ServiceError> {
        match self.repository.find_answer(&request.key).await? {
            Some(stored) if stored.is_of_create(request.fingerprint) => Ok(Some(Answered {
                payout: stored.payout,
                replayed: true,
            })),
            Some(_) => Err(ServiceError::KeyReused),
            None => Ok(None),
        }
    }
}
