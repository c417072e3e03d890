//! Guesses at a payout's recipient by keys that may not see it.
//!
//! The answer to such an edit does not depend on the guess, so it reveals nothing. Still, each refused edit is recorded
//! in the payout's audit trail, and their number is limited. A stored reason has the payout's own account and name
//! masked, so a reason beside an edit can be a guess too. It is counted before the edit is made.
//!
//! A create that is sent again is compared with the first one, and the answer has to tell whether both are the same:
//! [`compared`] limits that.

use payout_core::access::Scope;
use payout_core::payout::PayoutId;
use payout_core::usecase::batches::Compared;
use payout_core::usecase::{EditRequest, Payouts, Sight};

use super::edit::sight;
use crate::http::admission::TooMany;
use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};
use crate::metrics::Refused;

/// A possible guess: an edit by a key that may not see the payout's recipient.
pub(crate) struct Guess {
    id: PayoutId,
    /// The guessed fields; empty if the edit guesses at none.
    fields: Vec<&'static str>,
}

impl Guess {
    /// Builds the guess of an edit.
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
            fields.extend(edit.recipient.as_ref().map(|_| "recipient"));
            if reason.is_some() && !edit.is_empty() {
                count(context)?;
            }
        }
        Ok(Self { id, fields })
    }

    /// Records the refused edit in the audit trail and returns the refusal, or a 429 beyond the limit.
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
                error = %payout_core::Causes(&error),
                "a refused edit could not be written into the audit trail"
            );
        }
        problem
    }
}

/// Limits an answer that compares what was sent with what is stored, for a key that may not see recipients: it reveals
/// whether all fields are equal, including the recipient's. Only what differs is counted.
///
/// # Errors
/// 429 when too much differed, whatever the answer would be.
pub(in crate::http) fn compared(context: &Context, compared: Compared) -> Result<(), Problem> {
    let Some(key) = context.principal.api_key() else {
        return Ok(());
    };
    match (sight(&context.principal), compared) {
        (Sight::Whole, _) | (Sight::Masked | Sight::Nothing, Compared::Untold) => Ok(()),
        (Sight::Masked | Sight::Nothing, Compared::Different) => count(context),
        (Sight::Masked | Sight::Nothing, Compared::Equal) => {
            let told = context.app_state.limits.tell_guess(key);
            told.map_err(|too_many| refusal(context, too_many))
        }
    }
}

/// Counts a write by which a key that may not see recipients could learn about one.
///
/// # Errors
/// 429 when the key has sent too many.
fn count(context: &Context) -> Result<(), Problem> {
    let Some(key) = context.principal.api_key() else {
        return Ok(());
    };
    let counted = context.app_state.limits.take_guess(key);
    counted.map_err(|too_many| refusal(context, too_many))
}

fn refusal(context: &Context, too_many: TooMany) -> Problem {
    context.app_state.metrics.refused(Refused::Guess);
    let detail = format!(
        "More writes that this key may not see the result of were refused than {}.",
        too_many.allowance.quota()
    );
    Problem::new(Kind::TooManyRequests, detail).retry_after(too_many.retry_after_seconds)
}
