//! `PUT` and `PATCH /api/payouts/{id}/`
//!
//! Both change fields, and in both a `status` requests a step of the state machine. One request does one or the other:
//! a step together with changed fields is refused, since they could not be written at once.

use payout_core::access::{Principal, Scope};
use payout_core::payout::{Payout, PayoutId, Resolution, Status};
use payout_core::usecase::{EditError, EditRequest, Edited, Payouts, Sight, Step};
use salvo::{Depot, Request, handler};

use super::bodies::{Changes, EditBody, Replacement};
use super::guess;
use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::extract::body;
use crate::http::extract::conditions::{CONDITIONS, Conditions};
use crate::http::extract::headers::Recognized;
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::path::{PathPolicy, path};
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of `PATCH`: one of the two scopes is required; the body decides which.
pub(crate) const CHANGE: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<Changes>()),
    ..policy(&[Scope::Write, Scope::Operate])
};

/// The policy of `PUT`.
pub(crate) const REPLACE: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<Replacement>()),
    ..policy(&[Scope::Write])
};

const fn policy(scopes: &'static [Scope]) -> RoutePolicy {
    RoutePolicy {
        path: Some(PathPolicy::of::<PayoutId>()),
        headers: &[&CONDITIONS],
        recognized: Recognized::ByVersion,
        refusals: &[
            Kind::IllegalStep,
            Kind::AttemptInProgress,
            Kind::ChangedMeanwhile,
            Kind::ExternalIdTaken,
            Kind::ExternalIdSet,
            Kind::OverLimit,
        ],
        ..RoutePolicy::scoped(scopes)
    }
}

/// Change some fields of a payout, or take a step
///
/// Fields can be changed only while the payout is `pending`: once something may have been sent, the details never
/// change. Only `metadata` can be changed at any time: the given entries get new values, null removes one, and the
/// others stay. An `external_id` can be set once. A new `scheduled_at` changes when the payout is due; null makes it due
/// at once.
///
/// `{"status": …}` requests a step instead: `cancelled` from pending, `pending` from failed or returned (a retry), `completed` or
/// `failed` from processing under review, or `returned` from completed, with a `reason`. The current status as value changes nothing. A `status`
/// needs the scope `operate`, every other field `write`. An `Idempotency-Key` is refused: a retry keeps one at
/// `retry_payout`.
///
/// A `recipient` replaces the stored one whole.
///
/// The answer reveals nothing that a key may not see. An account or a name from a key without `reveal` counts as a
/// change, whatever is stored, and so does anything from a key without `read`; where fields cannot be changed, it is
/// refused either way. A key that is shown masks may send them back, which changes nothing. A refused write of an
/// account or a name by a key without `reveal` is recorded in the audit trail; beyond 30 a minute such writes get 429.
#[utoipa::path(
    patch,
    path = "/api/payouts/{id}/",
    impl_for = change_payout,
    operation_id = "change_payout",
    tag = "Payouts",
    responses((status = 200, description = "The payout, as it is now.", body = PayoutAnswer,
        headers(
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Payout-Warning" = String, description = "Says that `recipient_account` is a valid IBAN, which is not checked."),
        ))),
)]
#[handler]
pub(crate) async fn change_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    edit(request, depot, |body| Changes::parse(body).map(EditBody::from)).await
}

/// Set all fields of a payout
///
/// As `PATCH`, but every field must be given, the recipient in one of its two forms; an omitted description becomes
/// empty. `external_id`, `metadata`, `statement_text` and `scheduled_at` keep their values where they are omitted, since
/// older clients do not know them; `metadata` are replaced whole. A `status` is accepted as in `PATCH`, if the other fields equal the stored ones; it also needs the scope
/// `operate`.
#[utoipa::path(
    put,
    path = "/api/payouts/{id}/",
    impl_for = replace_payout,
    operation_id = "replace_payout",
    tag = "Payouts",
    responses((status = 200, description = "The payout, as it is now.", body = PayoutAnswer,
        headers(
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Payout-Warning" = String, description = "Says that `recipient_account` is a valid IBAN, which is not checked."),
        ))),
)]
#[handler]
pub(crate) async fn replace_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    edit(request, depot, |body| {
        Replacement::parse(body).map(EditBody::from)
    })
    .await
}

async fn edit(
    request: &mut Request,
    depot: &mut Depot,
    read: fn(&[u8]) -> Result<EditBody, Problem>,
) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = path::<PayoutId>(request)?;
    let conditions = Conditions::of(request.headers())?;
    let EditBody {
        mut edit,
        status,
        reason,
        unchecked_iban,
    } = read(&body::read(request)?)?;
    if status.is_some() {
        access::allows(&context.principal, &[Scope::Operate])?;
    }
    if status.is_none() || !edit.is_empty() {
        access::allows(&context.principal, &[Scope::Write])?;
    }
    edit.sight = sight(&context.principal);
    let guess = guess::Guess::of(context, id, &edit, reason.as_deref())?;
    let payouts = context.payouts()?;
    let if_match = conditions.for_write(payouts, id).await?;
    let change = Change {
        id,
        if_match: if_match.as_deref(),
        caller: context.caller(reason.as_deref()),
    };
    let changed = match status {
        None => change.fields(payouts, edit).await.map_err(Problem::from),
        Some(status) if edit.is_empty() => change.step(payouts, status).await,
        Some(status) => change.step_beside_fields(payouts, edit, status).await,
    };
    match changed {
        Ok(payout) => Ok(Answer::written(&payout, &context.principal)?.warned_of_iban(unchecked_iban)),
        Err(problem) => {
            let problem = problem.without_payment(&context.principal);
            Err(guess.refused(context, payouts, problem).await)
        }
    }
}

/// Returns the part of a payout that the caller may see.
pub(in crate::http) fn sight(principal: &Principal) -> Sight {
    match (principal.may(Scope::Read), principal.may(Scope::Reveal)) {
        (true, true) => Sight::Whole,
        (true, false) => Sight::Masked,
        (false, _) => Sight::Nothing,
    }
}

/// Changes the fields of a payout at a version, as a caller with the scope `write` may.
///
/// # Errors
/// The same as `PATCH`.
pub(in crate::http) async fn change_fields(
    context: &Context,
    id: PayoutId,
    edit: EditRequest,
    if_match: &[u64],
    reason: Option<&str>,
) -> Result<Payout, Problem> {
    let edit = EditRequest {
        sight: sight(&context.principal),
        ..edit
    };
    let guess = guess::Guess::of(context, id, &edit, reason)?;
    let payouts = context.payouts()?;
    match payouts
        .edit(id, edit, Some(if_match), context.caller(reason))
        .await
    {
        Ok(payout) => Ok(payout),
        Err(error) => {
            let problem = Problem::from(error).without_payment(&context.principal);
            Err(guess.refused(context, payouts, problem).await)
        }
    }
}

/// A change to one payout.
struct Change<'a> {
    id: PayoutId,
    if_match: Option<&'a [u64]>,
    caller: payout_core::payout::Caller,
}

impl Change<'_> {
    async fn fields(self, payouts: &Payouts, edit: EditRequest) -> Result<Payout, EditError> {
        payouts.edit(self.id, edit, self.if_match, self.caller).await
    }

    async fn step(self, payouts: &Payouts, status: Status) -> Result<Payout, Problem> {
        let step = match status {
            Status::Cancelled => Step::Cancel,
            Status::Pending => Step::Retry,
            Status::Completed => Step::Resolve(Resolution::Completed),
            Status::Failed => Step::Resolve(Resolution::Failed),
            Status::Returned => Step::MarkReturned,
            Status::AwaitingApproval | Status::Processing => return self.already(status, payouts).await,
        };
        Ok(payouts.step(self.id, step, self.if_match, self.caller).await?)
    }

    /// No step of a client leads to these statuses: the request is valid only if the payout has that status already.
    async fn already(self, status: Status, payouts: &Payouts) -> Result<Payout, Problem> {
        let payout = self.fields(payouts, EditRequest::default()).await?;
        if payout.status() == status {
            return Ok(payout);
        }
        let why = if status == Status::Processing {
            "only a worker does that"
        } else {
            "the operator's rules decide that"
        };
        let detail = format!(
            "A payout that is {} cannot be marked {status}: {why}.",
            payout.status()
        );
        Err(Problem::new(Kind::IllegalStep, detail))
    }

    async fn step_beside_fields(
        self,
        payouts: &Payouts,
        edit: EditRequest,
        status: Status,
    ) -> Result<Payout, Problem> {
        let payout = payouts.get(self.id).await?;
        if payout.status() == status {
            return Ok(self.fields(payouts, edit).await?);
        }
        if edit.over(&payout)? == Edited::Nothing {
            return self.step(payouts, status).await;
        }
        let message =
            "A step cannot be combined with changes of other fields; send them one after the other.";
        Err(Problem::invalid(Errors::of("status", message)))
    }
}
