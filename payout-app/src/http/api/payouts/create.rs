//! `POST /api/payouts/`

use payout_core::access::Scope;
use payout_core::payout::Recipient;
use payout_core::usecase::batches::Compared;
use payout_core::usecase::recipients::RecipientError;
use payout_core::usecase::{Answered, ServiceError};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::bodies::NewPayout;
use super::guess;
use crate::http::answer::Answer;
use crate::http::answer::created::CreatedAnswer;
use crate::http::extract::json::{BodyPolicy, JsonBody};
use crate::http::extract::{body, headers};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    headers: &[&headers::IDEMPOTENCY_KEY],
    body: Some(BodyPolicy::required::<NewPayout>()),
    refusals: &[Kind::OverLimit, Kind::ExternalIdTaken],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// Create a payout
///
/// It is stored as `pending`, and a worker sends it within moments, or at its `scheduled_at`. If the operator's rules
/// require it, it is `awaiting_approval` first, and sent once other people have approved it.
///
/// An `external_id` belongs to one payout, for ever: a second create with it is refused (409), and the problem names
/// the payout that has it in `payout_id`. A payout that is deleted gives its `external_id` up.
///
/// Send an `Idempotency-Key`, and repeat the request under the same key when in doubt: the payout is created once, and
/// every repetition gets the first answer, with `Idempotent-Replayed: true`. A service can be configured to refuse
/// creates without a key (400).
///
/// A key without the scope `read` receives no part of a stored recipient that the payout copies.
#[utoipa::path(
    post,
    path = "/api/payouts/",
    impl_for = create_payout,
    operation_id = "create_payout",
    tag = "Payouts",
    responses((status = 201, description = "The payout, as it was stored.", body = CreatedAnswer,
        headers(
            ("Location" = String, description = "The address of the payout."),
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Idempotent-Replayed" = String, description = "`true` when an earlier request under the key made it."),
            ("Payout-Warning" = String, description = "Says that `recipient_account` is a valid IBAN, which is not checked."),
        ),
        links(
            ("get" = (operation_id = "get_payout", parameters(("id" = "$response.body#/id")))),
            ("change" = (operation_id = "change_payout", parameters(("id" = "$response.body#/id")))),
            ("replace" = (operation_id = "replace_payout", parameters(("id" = "$response.body#/id")))),
            ("delete" = (operation_id = "delete_payout", parameters(("id" = "$response.body#/id")))),
            ("cancel" = (operation_id = "cancel_payout", parameters(("id" = "$response.body#/id")))),
            ("retry" = (operation_id = "retry_payout", parameters(("id" = "$response.body#/id")))),
            ("events" = (operation_id = "list_events", parameters(("id" = "$response.body#/id")))),
        ))),
)]
#[handler]
pub(crate) async fn create_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let key = headers::idempotency_key(request.headers())?;
    if key.is_none() && context.app_state.require_idempotency_key {
        return Err(headers::idempotency_key_missing());
    }
    let new = NewPayout::parse(&body::read(request)?)?;
    let unchecked_iban = new.has_unchecked_iban();
    let options = new.options();
    let payouts = context.payouts()?;
    let is_copy = new.recipient_id().is_some();
    let outcome = match copied(context, &new).await? {
        Copied::Recipient(recipient) => {
            let draft = new.into_details(recipient)?;
            let caller = context.caller(None);
            payouts.create_with(draft, options, key, caller).await
        }
        Copied::Archived(recipient) => {
            let draft = new.into_details(Some(recipient))?;
            // A request that was answered before its recipient was archived gets that answer again.
            let Some(key) = &key else {
                return Err(archived());
            };
            let before = payouts.created_before(&draft, key, &context.caller(None)).await;
            match before.transpose() {
                Some(before) => before,
                None => return Err(archived()),
            }
        }
    };
    guess::compared(context, of_outcome(&outcome))?;
    match outcome {
        Ok(answered) => created(&answered, context, unchecked_iban),
        Err(error @ ServiceError::NoRoute(_)) if is_copy => {
            Err(Problem::from(error).without_payment(&context.principal))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns what the outcome of a create under an idempotency key reveals about the first request under it.
pub(in crate::http) fn of_outcome(outcome: &Result<Answered, ServiceError>) -> Compared {
    match outcome {
        Ok(answered) if answered.replayed => Compared::Equal,
        Err(ServiceError::KeyReused) => Compared::Different,
        Ok(_) | Err(_) => Compared::Untold,
    }
}

fn created(answered: &Answered, context: &Context, unchecked_iban: bool) -> Result<Answer, Problem> {
    Ok(Answer::created(&answered.payout, &context.principal)?
        .status(StatusCode::CREATED)
        .located_at(answered.payout.id())
        .replayed(answered.replayed)
        .warned_of_iban(unchecked_iban))
}

/// The stored recipient that a request names.
enum Copied {
    /// It, or none if the request names none.
    Recipient(Option<Recipient>),
    /// It is archived, so that no further payout is made from it.
    Archived(Recipient),
}

/// Reads the stored recipient that a request names.
///
/// # Errors
/// 400 if there is no such recipient.
async fn copied(context: &Context, new: &NewPayout) -> Result<Copied, Problem> {
    let Some(id) = new.recipient_id() else {
        return Ok(Copied::Recipient(None));
    };
    match context.recipients()?.of_new_payout(id).await {
        Ok(recipient) => Ok(Copied::Recipient(Some(recipient))),
        Err(RecipientError::Archived(recipient)) => Ok(Copied::Archived(*recipient)),
        Err(RecipientError::NotFound) => Err(Problem::invalid(Errors::of(
            "recipient_id",
            "There is no such recipient.",
        ))),
        Err(error) => Err(error.into()),
    }
}

fn archived() -> Problem {
    Problem::invalid(Errors::of(
        "recipient_id",
        "This recipient is archived: no further payout can be made from it.",
    ))
}
