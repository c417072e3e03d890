//! The use cases for payouts.
//!
//! - `create` makes a payout. `create_batcher` batches the creates that arrive at the same time, and `inserts` writes
//!   the batches so that a locked row delays no other. `reads` batches reads of single payouts.
//! - `approve` makes the steps of an approver.
//! - `change` makes the steps that a client or an operator requests. `edit` completes an edit with the stored values, and
//!   `recipient_edit` does so for the recipient.
//! - `list` reads pages, and `export` all payouts of a list.
//! - `hints` sends hints to the queue after a write, best effort.
//! - `in_flight` refuses a second request under an idempotency key while the first is running.
//!
//! Every write runs in a task of its own: a client that disconnects cannot cancel it midway.

mod approve;
mod change;
mod create;
mod create_batcher;
mod edit;
mod export;
mod hints;
mod in_flight;
mod inserts;
mod list;
mod reads;
mod recipient_edit;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::approval::ApprovalPolicy;
use crate::concurrency::count_cache::CountCache;
use crate::concurrency::single_flight::SingleFlight;
use crate::idempotency::Fingerprint;
use crate::payout::{InvalidSchedule, PaymentDetails, Payout, PayoutId, StepError};
use crate::ports::{
    Count, DeletedPayout, Environment, EventPage, EventQuery, Filter, JobQueue, ListQuery, Listed,
    PayoutExport, PayoutRepository, Randomness, RepositoryError, Telemetry, Tracer,
};
use crate::provider::{NoRoute, Routes};
use crate::spending::{MoneyLimits, OverLimit};

pub use change::Step;
pub use create::CreateOptions;
pub use create_batcher::CreateBatcherSettings;
pub use edit::{EditError, EditRequest, Edited, MetadataEdit, Sight};
pub use export::ListPages;
pub use list::{CountMode, Page, PageRequest};
pub use recipient_edit::RecipientEdit;

/// The reason for which a request was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such payout.
    #[error("There is no such payout.")]
    NotFound,
    /// The state machine does not allow the step in this state, or not yet.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The payout's version is not one that the caller named.
    #[error("The payout is no longer at the version that the request names.")]
    PreconditionFailed,
    /// Another request or a worker changed the payout between the read and the write.
    #[error("The payout changed at the same time; read it again.")]
    ChangedMeanwhile,
    /// The idempotency key was used for a different request.
    #[error("This idempotency key was used for another request.")]
    KeyReused,
    /// The first request under this idempotency key is still running.
    #[error("The first request with this idempotency key is still running.")]
    KeyInFlight,
    /// Another payout has the client's own reference.
    #[error("The payout {0} has this external id.")]
    ExternalIdTaken(PayoutId),
    /// No payout may be scheduled for this time.
    #[error(transparent)]
    Schedule(#[from] InvalidSchedule),
    /// The amount exceeds a spending limit.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// No provider can make the payment.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// Too many requests are waiting to be written.
    #[error("Too many requests are waiting to be written.")]
    Busy,
    /// The repository failed. The write may have been made nevertheless: repeat the request with the same idempotency
    /// key.
    #[error("The store cannot be used right now.")]
    Repository(#[source] RepositoryError),
}

impl From<RepositoryError> for ServiceError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::VersionConflict => Self::ChangedMeanwhile,
            RepositoryError::KeyTaken => Self::KeyInFlight,
            RepositoryError::ExternalIdTaken(holder) => Self::ExternalIdTaken(holder),
            RepositoryError::OverLimit(over) => Self::OverLimit(over),
            error @ (RepositoryError::Unavailable(_)
            | RepositoryError::Locked { .. }
            | RepositoryError::Overloaded(_)
            | RepositoryError::Refused(_)) => Self::Repository(error),
        }
    }
}

/// The answer to a request, and whether it is a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The payout as the answer shows it.
    pub payout: Payout,
    /// Set if an earlier request with the same idempotency key received this answer.
    pub replayed: bool,
}

/// The part of a payment by which a row of a batch repeats a stored payout: what the provider receives, and when it is
/// due. Metadata are not part of it, since they may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PaymentOrder {
    /// The fingerprint of what the provider receives.
    pub(crate) sent: Fingerprint,
    scheduled_at: Option<Timestamp>,
}

impl PaymentOrder {
    /// Returns the order of a payment whose schedule is in the precision of the stores.
    pub(crate) fn of(details: &PaymentDetails) -> Self {
        Self {
            sent: Fingerprint::of_create(&details.as_sent()),
            scheduled_at: details.scheduled_at,
        }
    }
}

/// The use cases for payouts. Cheap to clone; all clones share their batches.
#[derive(Clone)]
pub struct Payouts {
    repository: Arc<dyn PayoutRepository>,
    environment: Arc<dyn Environment>,
    tracer: Arc<dyn Tracer>,
    create_batcher: create_batcher::CreateBatcher,
    reads: reads::Reads,
    hints: hints::Hints,
    in_flight: in_flight::InFlight,
    pages: SingleFlight<ListQuery, Vec<Listed>>,
    counts: SingleFlight<Filter, Count>,
    exact_counts: SingleFlight<Filter, Count>,
    count_cache: CountCache,
    exports: Arc<dyn PayoutExport>,
    limits: Arc<MoneyLimits>,
    routes: Option<Arc<Routes>>,
    approvals: Arc<ApprovalPolicy>,
}

impl Payouts {
    /// Starts the use cases with the default batching of creates. Must be called within a tokio runtime. The tasks that
    /// it spawns end when the last clone is dropped.
    pub fn start(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self::start_with(
            repository,
            queue,
            environment,
            CreateBatcherSettings::default(),
            Telemetry::default(),
        )
    }

    /// Starts the use cases with an observer and a tracer. See [`start`](Self::start).
    pub fn start_with(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        environment: Arc<dyn Environment>,
        create_batcher: CreateBatcherSettings,
        telemetry: Telemetry,
    ) -> Self {
        let hints = hints::Hints::start(queue, telemetry.observer.clone());
        Self {
            create_batcher: create_batcher::start(
                repository.clone(),
                hints.clone(),
                create_batcher,
                telemetry.observer.clone(),
            ),
            reads: reads::start(repository.clone(), telemetry.observer),
            tracer: telemetry.tracer,
            pages: list::pages(repository.clone()),
            counts: list::counts(repository.clone(), Some(Self::COUNTED_EXACTLY)),
            exact_counts: list::counts(repository.clone(), None),
            exports: Arc::new(ListPages::new(repository.clone())),
            repository,
            environment,
            hints,
            in_flight: in_flight::InFlight::default(),
            count_cache: CountCache::default(),
            limits: Arc::default(),
            routes: None,
            approvals: Arc::default(),
        }
    }

    /// Sets the spending limits. Without this call there are no limits.
    #[must_use]
    pub fn within(mut self, limits: MoneyLimits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Sets the rules for approvals. Without this call no payout requires any.
    #[must_use]
    pub fn approved_by(mut self, approvals: ApprovalPolicy) -> Self {
        self.approvals = Arc::new(approvals);
        self
    }

    /// Sets the routes that choose a payout's provider. Without this call payouts name no provider.
    #[must_use]
    pub fn routed_by(mut self, routes: Arc<Routes>) -> Self {
        self.routes = Some(routes);
        self
    }

    /// Returns the spending limits.
    pub(crate) fn limits(&self) -> &MoneyLimits {
        &self.limits
    }

    /// Returns the time by this process's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.environment.now()
    }

    /// Returns the time by the store's clock.
    pub(crate) async fn store_now(&self) -> Result<Timestamp, RepositoryError> {
        self.repository.now().await
    }

    /// Returns the monotonic time.
    pub(crate) fn monotonic(&self) -> Duration {
        self.environment.monotonic()
    }

    /// Returns the orders of these payouts. Payouts that do not exist are omitted.
    pub(crate) async fn orders_of(
        &self,
        ids: Vec<PayoutId>,
    ) -> Result<HashMap<PayoutId, PaymentOrder>, RepositoryError> {
        let found = self.repository.find_many(&ids).await?;
        let order = |payout: &Payout| (payout.id(), PaymentOrder::of(payout.details()));
        Ok(found.iter().map(order).collect())
    }

    /// Returns the source of random numbers.
    pub(crate) fn randomness(&self) -> &dyn Randomness {
        &*self.environment
    }

    /// Returns one payout.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn get(&self, id: PayoutId) -> Result<Payout, ServiceError> {
        self.reads.ask(id).await?.ok_or(ServiceError::NotFound)
    }

    /// Finds the payouts that others know by this reference, at most `limit`: the provider's reference or key, or the id
    /// of a request. May take as long as a costly list.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn find_by_reference(
        &self,
        reference: &str,
        limit: u32,
    ) -> Result<Vec<PayoutId>, ServiceError> {
        Ok(self.repository.find_by_reference(reference, limit).await?)
    }

    /// Returns one deleted payout.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn get_deleted(&self, id: PayoutId) -> Result<DeletedPayout, ServiceError> {
        self.repository
            .find_deleted(id)
            .await?
            .ok_or(ServiceError::NotFound)
    }

    /// Returns part of a payout's audit trail, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn events(&self, id: PayoutId, query: EventQuery) -> Result<EventPage, ServiceError> {
        let page = self.repository.events(id, query).await?;
        page.ok_or(ServiceError::NotFound)
    }
}
