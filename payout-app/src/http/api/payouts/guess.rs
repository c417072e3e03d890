//! Guesses at whom a payout pays, by keys that may not see it.
//!
//! The answer to such an edit is the same whatever the guess, so there is nothing to be learnt; all the same each refused one
//! is kept in the payout's trail, and their number is bounded. Where words are stored with the payout's own account and name
//! masked in them, a reason beside an edit is a guess too, and counts before it is made.

use payout_core::keys::Scope;
use payout_core::payout::PayoutId;
use payout_core::service::{EditRequest, Payouts};

use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};
use crate::metrics::Refused;

/// What an edit by a key that may not see whom the payout pays could find out.
pub(crate) struct Guess {
    id: PayoutId,
    /// The fields that it guesses at; nothing when it guesses at none.
    fields: Vec<&'static str>,
}

impl Guess {
    /// Of this edit.
    ///
    /// # Errors
    /// 429 when the key has sent too many reasons beside edits.
    pub(crate) fn of(
        context: &Context,
        id: PayoutId,
        edit: &EditRequest,
        reason: Option<&str>,
    ) -> Result<Self, Problem> {
        let mut fields = Vec::new();
        if !context.principal.may(Scope::Reveal) {
            fields.extend(edit.recipient_account.as_ref().map(|_| "recipient_account"));
            fields.extend(edit.recipient_name.as_ref().map(|_| "recipient_name"));
            if reason.is_some() && !edit.is_empty() {
                count(context)?;
            }
        }
        Ok(Self { id, fields })
    }

    /// The edit was refused: that is kept, and is the answer, unless it was one too many.
    pub(crate) async fn refused(self, context: &Context, payouts: &Payouts, problem: Problem) -> Problem {
        let tells = matches!(problem.status().as_u16(), 400 | 409);
        if self.fields.is_empty() || !tells {
            return problem;
        }
        if let Err(too_many) = count(context) {
            return too_many;
        }
        let caller = context.caller(Some(&self.fields.join(", ")));
        if let Err(error) = payouts.record_refusal(self.id, caller).await {
            tracing::warn!(
                payout_id = %self.id,
                error = &error as &dyn std::error::Error,
                "a refused edit could not be written into the audit trail"
            );
        }
        problem
    }
}

/// Counts what a key that may not see whom payouts pay could find out by.
///
/// # Errors
/// 429.
pub(crate) fn count(context: &Context) -> Result<(), Problem> {
    let Some(key) = context.principal.api_key() else {
        return Ok(());
    };
    context.site.limits.take_guess(key).map_err(|too_many| {
        context.site.metrics.refused(Refused::Guess);
        let detail = format!(
            "More writes that this key may not see the result of were refused than {}.",
            too_many.allowance.quota()
        );
        Problem::new(Kind::TooManyRequests, detail).retry_after(too_many.retry_after_seconds)
    })
}
