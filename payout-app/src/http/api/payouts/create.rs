//! `POST /api/payouts/`

use payout_core::keys::Scope;
use payout_core::money::Money;
use payout_core::payout::{Description, PaymentDetails, Recipient, RecipientAccount, RecipientName};
use payout_core::service::ServiceError;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use utoipa::ToSchema;

use crate::http::answer::{Answer, PayoutBody};
use crate::http::api::payouts::guess;
use crate::http::extract::body;
use crate::http::extract::fields::{self, Fields};
use crate::http::extract::headers;
use crate::http::middleware::context::Context;
use crate::http::openapi::{AccountText, Amount, CurrencyCode, DescriptionText, NameText, Pending};
use crate::http::problem::Problem;

/// What a new payout is made from.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPayout)]
#[expect(dead_code, reason = "it describes the body that `draft` reads field by field")]
pub(crate) struct NewPayoutBody {
    /// How much.
    amount: Amount,
    /// Of what.
    currency: CurrencyCode,
    /// Where the money goes.
    recipient_account: AccountText,
    /// Who gets it.
    recipient_name: NameText,
    /// What for.
    #[schema(required = false, default = "")]
    description: DescriptionText,
    // Its description is in the schema: utoipa would make an object of an inlined schema that has one here.
    #[schema(inline, required = false)]
    status: Pending,
}

/// Create a payout
///
/// It is stored as `pending`, and a worker sends it within moments.
///
/// Send an `Idempotency-Key` and repeat the request under the same key when in doubt: the payout is made once, and
/// every repetition gets the first one's answer, with `Idempotent-Replayed: true`. A service may be set up to refuse a create
/// without one (400).
#[utoipa::path(
    post,
    path = "/api/payouts/",
    impl_for = create_payout,
    operation_id = "create_payout",
    tag = "Payouts",
    params(headers::KeyHeader),
    request_body = NewPayoutBody,
    responses((status = 201, description = "The payout, as it was stored.", body = PayoutBody,
        headers(
            ("Location" = String, description = "Where the payout is found."),
            ("ETag" = String, description = "The payout's version, for `If-Match`."),
            ("Idempotent-Replayed" = String, description = "`true` when an earlier request under the key made it."),
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
    if key.is_none() && context.site.require_idempotency_key {
        return Err(headers::idempotency_key_missing());
    }
    let body = body::read(request)?;
    let draft = draft(Fields::parse(&body)?)?;
    let created = context
        .payouts()?
        .create(draft, None, key, context.caller(None))
        .await;
    if matches!(created, Err(ServiceError::KeyReused)) && !context.principal.may(Scope::Reveal) {
        // Whether it replays tells whether all fields are those of the first request, the recipient's too.
        guess::count(context)?;
    }
    let answered = created?;
    Ok(Answer::payout(&answered.payout, &context.principal)?
        .status(StatusCode::CREATED)
        .located_at(answered.payout.id())
        .replayed(answered.replayed))
}

pub(crate) fn draft(mut fields: Fields<'_>) -> Result<PaymentDetails, Problem> {
    let amount = fields.required("amount", fields::amount);
    let currency = fields.required("currency", fields::parsed);
    let recipient_account = fields.required("recipient_account", fields::field(RecipientAccount::new));
    let recipient_name = fields.required("recipient_name", fields::field(RecipientName::new));
    let description = fields.optional("description", fields::field(Description::new));
    fields.optional("status", fields::pending);
    refuse_masks(&mut fields, recipient_account.as_ref(), recipient_name.as_ref());
    let money = amount.zip(currency).and_then(|(amount, currency)| {
        Money::new(amount, currency)
            .map_err(|error| fields.refuse("amount", error.to_string()))
            .ok()
    });
    fields.finish()?;
    match (money, recipient_account, recipient_name) {
        (Some(money), Some(recipient_account), Some(recipient_name)) => Ok(PaymentDetails {
            description: description.unwrap_or_default(),
            ..PaymentDetails::new(money, Recipient::new(recipient_account, recipient_name))
        }),
        _ => Err(Problem::internal(
            "a field was absent and nothing was refused".into(),
        )),
    }
}

/// What a client was shown of another payout is no recipient of a new one.
fn refuse_masks(fields: &mut Fields<'_>, account: Option<&RecipientAccount>, name: Option<&RecipientName>) {
    const MASKED: &str = "This is a mask: send the whole value.";
    if account.is_some_and(RecipientAccount::is_masked) {
        fields.refuse("recipient_account", MASKED);
    }
    if name.is_some_and(RecipientName::is_masked) {
        fields.refuse("recipient_name", MASKED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft_of(body: &str) -> Result<PaymentDetails, Problem> {
        draft(Fields::parse(body.as_bytes()).unwrap())
    }

    const REST: &str = r#""recipient_account": "A", "recipient_name": "N""#;

    #[test]
    fn a_whole_body_makes_a_draft() {
        let draft = draft_of(&format!(
            r#"{{"amount": 10.5, "currency": "usd", {REST}, "status": "pending"}}"#
        ))
        .unwrap();
        assert_eq!(draft.money.to_string(), "10.50 USD");
        assert_eq!(draft.description.as_str(), "");
    }

    #[test]
    fn nothing_names_every_required_field() {
        let problem = draft_of("{}").unwrap_err();
        for name in ["amount", "currency", "recipient_account", "recipient_name"] {
            assert_eq!(problem.errors().get(name), ["This field is required."], "{name}");
        }
        assert!(problem.errors().get("description").is_empty());
    }

    #[test]
    fn an_amount_must_fit_its_currency() {
        let problem = draft_of(&format!(r#"{{"amount": "10.5", "currency": "JPY", {REST}}}"#)).unwrap_err();
        let message = "Ensure that there are no more than 0 decimal places for JPY.";
        assert_eq!(problem.errors().get("amount"), [message]);
    }

    #[test]
    fn a_currency_that_is_none_is_refused_with_the_rest() {
        let problem = draft_of(r#"{"amount": 0, "currency": "РУБ"}"#).unwrap_err();
        assert_eq!(problem.errors().get("currency").len(), 1);
        assert_eq!(
            problem.errors().get("amount"),
            ["Ensure this value is greater than zero."]
        );
    }

    #[test]
    fn a_new_payout_is_pending_and_nothing_else() {
        for (status, message) in [
            (
                "\"completed\"",
                "A new payout is pending; no other status can be given.",
            ),
            (
                "\"x\"",
                "This is not a status: use pending, processing, completed, failed or cancelled.",
            ),
            ("null", "This field may not be null."),
        ] {
            let body = format!(r#"{{"amount": 1, "currency": "USD", {REST}, "status": {status}}}"#);
            assert_eq!(draft_of(&body).unwrap_err().errors().get("status"), [message]);
        }
    }
}
