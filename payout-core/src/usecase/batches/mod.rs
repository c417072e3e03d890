//! The use cases for batches: many payouts that are stored together or not at all.
//!
//! - `source` is the form in which rows come in, whatever the format of the request, and `rows` adds the stored
//!   recipients that they name.
//! - `check` reads every row, and names what is wrong with each.
//! - `forecast` tells what would become of the payouts of a dry run.
//! - `create` checks a batch, recognizes one that was sent before, and stores it.
//! - `approve` approves and rejects the payouts of a batch.
//! - `steps` cancels and retries the payouts of a batch, and reads batches.
//!
//! The rows are read twice, first to be checked and then to be stored, so that no more than a part of the payouts is in
//! memory at a time.

mod approve;
mod check;
mod create;
mod forecast;
mod rows;
mod source;
mod steps;

use std::sync::Arc;

pub use approve::{BatchApproved, BatchRejected};
pub use check::{BatchReport, CurrencyTotal, ProviderRows, RowRange};
pub use create::{BatchAnswer, BatchRequest, Compared};
pub use forecast::{Forecast, ForecastLimit, LikelyDuplicate, OtherPayment};
pub use source::{BatchSource, PaymentTerms, RowPayment, RowRecipient, SourceRow};
pub use steps::{Retried, StepCounts};

use crate::batch::{BatchId, Mistakes};
use crate::ports::{BatchRepository, RecipientRepository, RepositoryError};
use crate::spending::OverLimit;
use crate::usecase::{Payouts, ServiceError};

/// The reason for which a request about a batch was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no such batch.
    #[error("There is no such batch.")]
    NotFound,
    /// Some rows are wrong. Nothing was stored.
    #[error("Nothing was stored: {} {} wrong.", .0.rows(), if .0.rows() == 1 { "row is" } else { "rows are" })]
    Mistakes(Mistakes),
    /// The batch has no payouts.
    #[error("A batch has at least one payout.")]
    Empty,
    /// The external id belongs to a batch with another content.
    #[error("The external id belongs to batch {0}, which asked for something else.")]
    ExternalIdTaken(BatchId),
    /// The batch exceeds what is left of a daily limit.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// Others stored rows of this batch again and again while it was checked.
    #[error("Payouts of these rows are being stored at the same time; try again.")]
    Contended,
    /// The store failed, or a payout could not be changed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<RepositoryError> for BatchError {
    fn from(error: RepositoryError) -> Self {
        Self::Service(error.into())
    }
}

/// The use cases for batches. Cheap to clone.
#[derive(Clone)]
pub struct Batches {
    repository: Arc<dyn BatchRepository>,
    recipients: Arc<dyn RecipientRepository>,
    payouts: Payouts,
}

impl Batches {
    /// Combines the stores of batches and of recipients with the use cases of payouts, which have the limits and the
    /// routes.
    pub fn new(
        repository: Arc<dyn BatchRepository>,
        recipients: Arc<dyn RecipientRepository>,
        payouts: Payouts,
    ) -> Self {
        Self {
            repository,
            recipients,
            payouts,
        }
    }
}

/// Runs work that takes long on a thread of its own: this one would serve nothing else in the meantime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
