//! The use cases over payouts.
//!
//! - `create` makes a payout; `intake` makes one batch of the creates that are asked for at the same time, and `inserts`
//!   writes them, so that one holds up no other. `reads` does so for reads of single payouts.
//! - `change` makes a person's steps.
//! - `list` reads pages.
//! - `hints` tells the queue, best effort, after the write.
//! - `in_flight` refuses a second request under an idempotency key whose first is still running.
//!
//! Every write runs in a task of its own: a client that disconnects cannot cancel it half way.

mod change;
mod create;
mod hints;
mod in_flight;
mod inserts;
mod intake;
mod list;
mod reads;

use std::sync::Arc;

use crate::concurrency::count_cache::Counted;
use crate::concurrency::single_flight::Collapse;
use crate::payout::{Payout, PayoutId, StepError};
use crate::ports::{
    Ambient, Count, DeletedPayout, EventPage, EventQuery, Filter, JobQueue, ListQuery, Listed,
    PayoutRepository, RepositoryError, Tracer, Watch,
};
use crate::spending::{MoneyLimits, OverLimit};

pub use change::{EditError, EditRequest, Sight, Step};
pub use intake::IntakeSettings;
pub use list::{CountMode, Page, PageRequest};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such payout.
    #[error("There is no such payout.")]
    NotFound,
    /// The state machine has no such step from here, or not yet.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The version that the caller named is not the current one.
    #[error("The payout is no longer at the version that the request names.")]
    PreconditionFailed,
    /// Somebody else changed the payout between our reading and our writing.
    #[error("The payout was changed by somebody else at the same time; read it again.")]
    ChangedMeanwhile,
    /// The idempotency key was used for another request.
    #[error("This idempotency key was used for another request.")]
    KeyReused,
    /// The first request under this idempotency key is still running.
    #[error("The first request with this idempotency key is still running.")]
    KeyInFlight,
    /// It is more money than a limit allows.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// Too many requests wait to be written.
    #[error("Too many requests are waiting to be written.")]
    Busy,
    /// The repository failed. A write may have been made all the same: repeat it under its idempotency key.
    #[error("The store cannot be used right now.")]
    Repository(#[source] RepositoryError),
}

impl From<RepositoryError> for ServiceError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::VersionConflict => Self::ChangedMeanwhile,
            RepositoryError::KeyTaken => Self::KeyInFlight,
            RepositoryError::OverLimit(over) => Self::OverLimit(over),
            error @ (RepositoryError::Unavailable(_)
            | RepositoryError::Locked { .. }
            | RepositoryError::Overloaded(_)
            | RepositoryError::Refused(_)) => Self::Repository(error),
        }
    }
}

/// An answer to a request, and whether it was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The payout as the request is answered.
    pub payout: Payout,
    /// Whether an earlier request with the same idempotency key got this answer already.
    pub replayed: bool,
}

/// The use cases over payouts. Cheap to clone; all clones share their intake.
#[derive(Clone)]
pub struct Payouts {
    repository: Arc<dyn PayoutRepository>,
    ambient: Arc<dyn Ambient>,
    tracer: Arc<dyn Tracer>,
    intake: intake::Intake,
    reads: reads::Reads,
    hints: hints::Hints,
    in_flight: in_flight::InFlight,
    pages: Collapse<ListQuery, Vec<Listed>>,
    counts: Collapse<Filter, Count>,
    exact_counts: Collapse<Filter, Count>,
    counted: Counted,
    limits: Arc<MoneyLimits>,
}

impl Payouts {
    /// Starts the use cases with the default intake. Must be called within a tokio runtime; the tasks it spawns end
    /// when the last clone is dropped.
    pub fn start(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        ambient: Arc<dyn Ambient>,
    ) -> Self {
        Self::start_with(
            repository,
            queue,
            ambient,
            IntakeSettings::default(),
            Watch::default(),
        )
    }

    /// Starts the use cases, watched. See [`start`](Self::start).
    pub fn start_with(
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        ambient: Arc<dyn Ambient>,
        intake: IntakeSettings,
        watch: Watch,
    ) -> Self {
        let hints = hints::Hints::start(queue, watch.observer.clone());
        Self {
            intake: intake::start(repository.clone(), hints.clone(), intake, watch.observer.clone()),
            reads: reads::start(repository.clone(), watch.observer),
            tracer: watch.tracer,
            pages: list::pages(repository.clone()),
            counts: list::counts(repository.clone(), Some(Self::COUNTED_EXACTLY)),
            exact_counts: list::counts(repository.clone(), None),
            repository,
            ambient,
            hints,
            in_flight: in_flight::InFlight::default(),
            counted: Counted::default(),
            limits: Arc::default(),
        }
    }

    /// Within these limits from now on; there are none otherwise.
    #[must_use]
    pub fn within(mut self, limits: MoneyLimits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// One payout.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn get(&self, id: PayoutId) -> Result<Payout, ServiceError> {
        self.reads.ask(id).await?.ok_or(ServiceError::NotFound)
    }

    /// One payout that is deleted.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn get_deleted(&self, id: PayoutId) -> Result<DeletedPayout, ServiceError> {
        self.repository
            .find_deleted(id)
            .await?
            .ok_or(ServiceError::NotFound)
    }

    /// Part of the audit trail of a payout, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Repository`].
    pub async fn events(&self, id: PayoutId, query: EventQuery) -> Result<EventPage, ServiceError> {
        let page = self.repository.events(id, query).await?;
        page.ok_or(ServiceError::NotFound)
    }
}
