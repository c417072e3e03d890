//! Batches over HTTP.

mod answers;
pub(crate) mod approve;
pub(in crate::http) mod bodies;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod export;
mod forecast;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod payouts;
pub(crate) mod reject;
mod report;
pub(crate) mod retry;

use payout_core::batch::BatchId;
use payout_core::usecase::batches::BatchError;
use salvo::http::HeaderMap;

use crate::http::problem::{Errors, Kind, Problem, WrongRows};

/// The paths of a batch.
fn address(id: BatchId) -> String {
    format!("/api/batches/{id}/")
}

/// Describes the error of a use case. The headers say in which form the client wants wrong rows.
fn refusal(error: BatchError, headers: &HeaderMap) -> Problem {
    let detail = error.to_string();
    if let BatchError::Mistakes(mistakes) = &error {
        return Problem::new(Kind::WrongRows, detail).with_rows(WrongRows::new(mistakes, headers));
    }
    error.into()
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let detail = error.to_string();
        match error {
            BatchError::NotFound => Self::new(Kind::NotFound, detail),
            BatchError::Mistakes(_) => Self::new(Kind::WrongRows, detail),
            BatchError::Empty => Self::invalid(Errors::of("payouts", detail)),
            BatchError::ExternalIdTaken(_) => Self::new(Kind::BatchExists, detail),
            BatchError::OverLimit(over) => payout_core::usecase::ServiceError::OverLimit(over).into(),
            BatchError::Contended => Self::new(Kind::Busy, detail).retry_after(1),
            BatchError::Service(error) => error.into(),
            error => Self::internal(Box::new(error)),
        }
    }
}
