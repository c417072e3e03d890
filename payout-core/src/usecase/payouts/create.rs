//! Creates a payout, once per idempotency key.

use crate::Timestamp;
use crate::concurrency::detached::run_detached;
use crate::idempotency::{Fingerprint, IdempotencyKey, IdempotentRequest, ScopedKey};
use crate::payout::{Caller, NewPayout, PaymentDetails, PayoutId};
use crate::ports::{Insertion, Randomness, SpanKind};
use crate::request_context::RequestContext;
use crate::usecase::payouts::create_batcher::Incoming;
use crate::usecase::payouts::{Answered, Payouts, ServiceError};

impl Payouts {
    /// Stores a payout and sends a hint to a worker.
    ///
    /// With an idempotency key, a repeated request receives the first answer, even if the payout or the limits have
    /// changed.
    ///
    /// # Errors
    /// [`ServiceError::KeyReused`], [`ServiceError::KeyInFlight`], [`ServiceError::OverLimit`],
    /// [`ServiceError::Busy`], [`ServiceError::Repository`].
    pub async fn create(
        &self,
        details: PaymentDetails,
        scheduled_at: Option<Timestamp>,
        key: Option<IdempotencyKey>,
        caller: Caller,
    ) -> Result<Answered, ServiceError> {
        let id = PayoutId::generate(self.environment.now(), &*self.environment as &dyn Randomness);
        let charge = self.limits.of_new(details.money, caller.api_key);
        let Some(key) = key else {
            let new = NewPayout {
                id,
                details,
                scheduled_at,
                caller,
                request: None,
                charge: charge?,
            };
            return match self.insert(new).await? {
                Insertion::Stored(payout) => Ok(Answered {
                    payout,
                    replayed: false,
                }),
                Insertion::KeyTaken => Err(ServiceError::KeyInFlight),
                Insertion::OverLimit(over) => Err(over.into()),
            };
        };
        let key = ScopedKey::new(caller.api_key, &key);
        let running = self.in_flight.begin(&key).ok_or(ServiceError::KeyInFlight)?;
        let this = self.clone();
        run_detached(async move {
            let _running = running;
            let fingerprint = Fingerprint::of_create(&details);
            let request = IdempotentRequest { key, fingerprint };
            let charge = match charge {
                Ok(charge) => charge,
                Err(over) => return this.replay(&request).await?.ok_or(over.into()),
            };
            let new = NewPayout {
                id,
                details,
                scheduled_at,
                caller,
                request: Some(request.clone()),
                charge,
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
                Insertion::OverLimit(over) => Err(over.into()),
            }
        })
        .await
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
