//! `PUT` and `PATCH /api/payouts/{id}/`
//!
//! Both change fields, and both may name a `status`, which asks for a step of the state machine. One request does one
//! or the other: a step together with changed fields is refused, since the two could not be made as one write.

use payout_core::keys::{Principal, Scope};
use payout_core::money::Amount;
use payout_core::payout::{
    Description, Payout, PayoutId, RecipientAccount, RecipientName, Resolution, Status,
};
use payout_core::service::{EditError, EditRequest, Payouts, Sight, Step};
use salvo::{Depot, Request, handler};
use utoipa::ToSchema;

use crate::http::answer::{Answer, PayoutAnswer};
use crate::http::api::payouts::guess;
use crate::http::extract::body;
use crate::http::extract::conditions::{ConditionHeaders, Conditions};
use crate::http::extract::fields::{self, Fields};
use crate::http::extract::headers;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::openapi::{self, AccountText, CurrencyCode, DescriptionText, NameText, StatusName};
use crate::http::problem::{Errors, Kind, Problem};

/// New values for some fields, or a step.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PayoutChanges)]
#[expect(
    dead_code,
    reason = "it describes the body that `Wanted` reads field by field"
)]
pub(crate) struct ChangesBody {
    /// How much, as in a new payout.
    #[schema(required = false)]
    amount: openapi::Amount,
    /// Of what. Without it an amount is one of the currency that the payout has.
    #[schema(required = false)]
    currency: CurrencyCode,
    /// Where the money goes.
    #[schema(required = false)]
    recipient_account: AccountText,
    /// Who gets it.
    #[schema(required = false)]
    recipient_name: NameText,
    /// What for.
    #[schema(required = false)]
    description: DescriptionText,
    /// Asks for a step: `cancelled` from pending, `pending` from failed (a retry), `completed` or `failed` from
    /// processing under review. The status that it has already changes nothing.
    #[schema(required = false)]
    status: StatusName,
    /// Why, for the audit trail.
    #[schema(
        nullable = false,
        max_length = 255,
        example = "The bank confirmed it by phone."
    )]
    reason: Option<String>,
}

/// Every field anew, or a step.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PayoutReplacement)]
#[expect(
    dead_code,
    reason = "it describes the body that `Wanted` reads field by field"
)]
pub(crate) struct ReplacementBody {
    /// How much, as in a new payout.
    amount: openapi::Amount,
    /// Of what.
    currency: CurrencyCode,
    /// Where the money goes.
    recipient_account: AccountText,
    /// Who gets it.
    recipient_name: NameText,
    /// What for.
    #[schema(required = false, default = "")]
    description: DescriptionText,
    /// Why, for the audit trail.
    #[schema(
        nullable = false,
        max_length = 255,
        example = "The bank confirmed it by phone."
    )]
    reason: Option<String>,
}

/// Change some fields of a payout, or take a step
///
/// Fields can be changed only while the payout is `pending`: what was sent once is sent the same ever after.
///
/// `{"status": …}` asks for a step instead: `cancelled` from pending, `pending` from failed (a retry), `completed` or
/// `failed` from processing under review, with a `reason`. The status that it has already changes nothing. A `status`
/// needs the scope `operate`, every other field `write`.
///
/// What a key may not see does not show: an account or a name that a key without `reveal` sends, and anything that one without
/// `read` sends, counts as a change, whatever is stored; where fields cannot be changed it is refused either way. Masks may be
/// sent back by whoever is shown them, and change nothing. A refused write of an account or a name by a key without `reveal` is
/// kept in the audit trail; beyond 30 a minute they are 429.
#[utoipa::path(
    patch,
    path = "/api/payouts/{id}/",
    impl_for = change_payout,
    operation_id = "change_payout",
    tag = "Payouts",
    params(headers::PayoutPath, ConditionHeaders),
    request_body(content = ChangesBody, example = json!({"description": "Invoice 2026-118"})),
    responses((status = 200, description = "The payout, as it is now.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn change_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    edit(request, depot, Wanted::some).await
}

/// Set all fields of a payout
///
/// As `PATCH`, but every field must be given; a description that is left away becomes empty. A `status` is taken as in `PATCH`
/// where the other fields read as they do; it needs the scope `operate` too.
#[utoipa::path(
    put,
    path = "/api/payouts/{id}/",
    impl_for = replace_payout,
    operation_id = "replace_payout",
    tag = "Payouts",
    params(headers::PayoutPath, ConditionHeaders),
    request_body(content = ReplacementBody, example = json!({
        "amount": "130.00", "currency": "EUR", "recipient_account": "DE89370400440532013000", "recipient_name": "Ada Lovelace",
        "description": "Invoice 2026-118",
    })),
    responses((status = 200, description = "The payout, as it is now.", body = PayoutAnswer,
        headers(("ETag" = String, description = "The payout's version, for `If-Match`.")))),
)]
#[handler]
pub(crate) async fn replace_payout(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    edit(request, depot, Wanted::all).await
}

async fn edit(
    request: &mut Request,
    depot: &mut Depot,
    read: fn(Fields<'_>) -> Result<Wanted, Problem>,
) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let id = headers::payout_id(request)?;
    let conditions = Conditions::of(request.headers())?;
    let body = body::read(request)?;
    let Wanted {
        mut edit,
        status,
        reason,
    } = read(Fields::parse(&body)?)?;
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
        Ok(payout) => Answer::written(&payout, &context.principal),
        Err(problem) => Err(guess.refused(context, payouts, problem).await),
    }
}

/// What whoever asks may see of a payout.
fn sight(principal: &Principal) -> Sight {
    match (principal.may(Scope::Read), principal.may(Scope::Reveal)) {
        (true, true) => Sight::Whole,
        (true, false) => Sight::Masked,
        (false, _) => Sight::Nothing,
    }
}

/// Reads a body in both ways.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_for_fuzzing(body: &[u8]) {
    for read in [Wanted::some, Wanted::all] {
        let _ = Fields::parse(body).and_then(read);
    }
}

/// What a body asks for.
#[derive(Debug)]
struct Wanted {
    edit: EditRequest,
    status: Option<Status>,
    reason: Option<String>,
}

impl Wanted {
    /// Any of the fields.
    fn some(mut fields: Fields<'_>) -> Result<Self, Problem> {
        let edit = EditRequest {
            amount: fields.optional("amount", fields::amount),
            currency: fields.optional("currency", fields::parsed),
            recipient_account: fields.optional("recipient_account", fields::field(RecipientAccount::new)),
            recipient_name: fields.optional("recipient_name", fields::field(RecipientName::new)),
            description: fields.optional("description", fields::field(Description::new)),
            sight: Sight::default(),
        };
        Self::rest(fields, edit)
    }

    /// All of them.
    fn all(mut fields: Fields<'_>) -> Result<Self, Problem> {
        let mut edit = EditRequest {
            amount: fields.required("amount", fields::amount),
            currency: fields.required("currency", fields::parsed),
            recipient_account: fields.required("recipient_account", fields::field(RecipientAccount::new)),
            recipient_name: fields.required("recipient_name", fields::field(RecipientName::new)),
            description: fields.optional("description", fields::field(Description::new)),
            sight: Sight::default(),
        };
        if edit.description.is_none() {
            edit.description = Some(Description::default());
        }
        Self::rest(fields, edit)
    }

    fn rest(mut fields: Fields<'_>, edit: EditRequest) -> Result<Self, Problem> {
        let status = fields.optional("status", fields::parsed);
        let reason = fields.optional("reason", fields::reason);
        if let (Some(amount), Some(currency)) = (edit.amount, edit.currency) {
            check_decimals(&mut fields, amount, currency);
        }
        fields.finish()?;
        Ok(Self { edit, status, reason })
    }
}

/// Refuses the amount together with the other fields when its currency is given beside it.
fn check_decimals(fields: &mut Fields<'_>, amount: Amount, currency: payout_core::money::Currency) {
    if let Err(error) = payout_core::money::Money::new(amount, currency) {
        fields.refuse("amount", error.to_string());
    }
}

/// One change to one payout.
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
            Status::Processing => return self.already_processing(payouts).await,
        };
        Ok(payouts.step(self.id, step, self.if_match, self.caller).await?)
    }

    /// No step leads to processing: the request can only say what is so already.
    async fn already_processing(self, payouts: &Payouts) -> Result<Payout, Problem> {
        let payout = self.fields(payouts, EditRequest::default()).await?;
        if payout.status() == Status::Processing {
            return Ok(payout);
        }
        let detail = format!(
            "A payout that is {} cannot be marked processing: only a worker does that.",
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
        if edit.over(&payout)?.is_none() {
            return self.step(payouts, status).await;
        }
        let message =
            "A step cannot be combined with changes of other fields; send them one after the other.";
        Err(Problem::invalid(Errors::of("status", message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(body: &str) -> Result<Wanted, Problem> {
        Wanted::some(Fields::parse(body.as_bytes()).unwrap())
    }

    fn all(body: &str) -> Result<Wanted, Problem> {
        Wanted::all(Fields::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_patch_takes_any_subset() {
        assert_eq!(some("{}").unwrap().edit, EditRequest::default());
        let wanted = some(r#"{"description": "x", "status": "failed", "reason": "r"}"#).unwrap();
        assert_eq!(wanted.edit.description.unwrap().as_str(), "x");
        assert_eq!(
            (wanted.status, wanted.reason.as_deref()),
            (Some(Status::Failed), Some("r"))
        );
    }

    #[test]
    fn a_put_takes_all_and_empties_the_description() {
        let problem = all("{}").unwrap_err();
        for name in ["amount", "currency", "recipient_account", "recipient_name"] {
            assert_eq!(problem.errors().get(name), ["This field is required."]);
        }
        let body = r#"{"amount": 1, "currency": "USD", "recipient_account": "a", "recipient_name": "n"}"#;
        assert_eq!(all(body).unwrap().edit.description.unwrap().as_str(), "");
    }

    #[test]
    fn wrong_values_are_named_all_at_once() {
        let body = format!(
            r#"{{"amount": "1.5", "currency": "JPY", "reason": "{}", "status": "gone", "attempts": 3}}"#,
            "x".repeat(256)
        );
        let problem = some(&body).unwrap_err();
        for name in ["amount", "reason", "status", "attempts"] {
            assert_eq!(problem.errors().get(name).len(), 1, "{name}");
        }
    }
}
