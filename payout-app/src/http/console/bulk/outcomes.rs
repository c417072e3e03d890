//! The outcomes of a bulk action, as rows of its page.

use payout_core::bulk::{BulkOutcome, BulkResult, BulkStep};
use payout_core::usecase::ServiceError;

use super::words;
use crate::http::console::format::{count, money};
use crate::http::console::words as payout_words;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The outcome for one payout.
pub(super) struct Line {
    pub(super) number: String,
    pub(super) id: String,
    /// The amount, or the id of a payout that cannot be read.
    pub(super) amount: String,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    pub(super) outcome: String,
}

impl Line {
    /// Builds the rows, each with its payout as it is now.
    pub(super) async fn all(
        context: &Context,
        step: BulkStep,
        outcomes: Vec<BulkOutcome>,
    ) -> Result<Vec<Self>, Problem> {
        let payouts = context.payouts()?;
        // Reads at the same time share their statements.
        let reads = outcomes.iter().map(|outcome| payouts.get(outcome.planned.payout));
        let found = futures::future::join_all(reads).await;
        let mut lines = Vec::with_capacity(outcomes.len());
        for (outcome, found) in outcomes.iter().zip(found) {
            let payout = match found {
                Ok(payout) => Some(payout),
                // It was deleted since, or cannot be read.
                Err(ServiceError::NotFound | ServiceError::Repository(_)) => None,
                Err(error) => return Err(error.into()),
            };
            let payout = payout.as_ref();
            let id = outcome.planned.payout.to_string();
            lines.push(Self {
                number: count(outcome.number),
                amount: payout.map_or_else(|| id.clone(), |payout| money(payout.money())),
                id,
                status: payout.map_or("", |payout| {
                    payout_words::status(payout.status(), payout.needs_review())
                }),
                tone: payout.map_or("none", |payout| {
                    payout_words::tone(payout.status(), payout.needs_review())
                }),
                outcome: said(step, &outcome.result),
            });
        }
        Ok(lines)
    }
}

fn said(step: BulkStep, result: &BulkResult) -> String {
    match result {
        BulkResult::Planned => "Being done".to_owned(),
        BulkResult::Changed => words::done(step).to_owned(),
        BulkResult::Refused(why) => format!("Nothing was done: {why}"),
    }
}
