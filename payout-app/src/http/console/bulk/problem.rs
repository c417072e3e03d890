//! Refusals of bulk actions as problems.

use payout_core::usecase::bulk::BulkError;

use crate::http::problem::{Errors, Kind, Problem};

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        let detail = error.to_string();
        match error {
            BulkError::Selection(_) | BulkError::TooMany => Self::invalid(Errors::of("filter", detail)),
            BulkError::Stale => Self::invalid(Errors::of("counted_at", detail)),
            BulkError::NotFound => Self::new(Kind::NotFound, detail),
            BulkError::Service(error) => error.into(),
            error => Self::internal(Box::new(error)),
        }
    }
}
