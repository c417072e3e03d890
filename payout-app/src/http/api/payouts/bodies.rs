//! Bodies of payouts. Each field of a payment is defined once, for a new payout, a replacement and changes.

use payout_core::money::{Amount, Currency, Money};
use payout_core::payout::{Description, PaymentDetails, Recipient, RecipientAccount, RecipientName, Status};
use payout_core::usecase::{EditRequest, Sight};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::http::extract::field::Field;
use crate::http::extract::json::{JsonBody, JsonForm};
use crate::http::extract::values::{Pending, Reason};
use crate::http::openapi::{About, money};
use crate::http::problem::{Errors, Problem};

/// The fields of a payment in a body.
#[derive(Debug)]
struct PaymentFields {
    amount: Field<Amount>,
    currency: Field<Currency>,
    recipient_account: Field<RecipientAccount>,
    recipient_name: Field<RecipientName>,
    description: Field<Description>,
}

/// The kinds of bodies with the fields of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaymentBody {
    New,
    Replacement,
    Changes,
}

impl PaymentFields {
    fn of(form: &mut impl JsonForm, body: PaymentBody) -> Self {
        let (amount, currency, description) = match body {
            PaymentBody::New => (
                "The amount.",
                "The currency.",
                About::new("The purpose of the payment.").default(""),
            ),
            PaymentBody::Replacement => (
                "The amount, as in a new payout.",
                "The currency.",
                About::new("The purpose of the payment.").default(""),
            ),
            PaymentBody::Changes => (
                "The amount, as in a new payout.",
                "The currency. Without it, an amount is in the currency that the payout has.",
                About::new("The purpose of the payment."),
            ),
        };
        Self {
            amount: body.field(form, "amount", amount),
            currency: body.field(form, "currency", currency),
            recipient_account: body.field(form, "recipient_account", "The account that the money goes to."),
            recipient_name: body.field(form, "recipient_name", "The name of the recipient."),
            description: form.optional("description", description),
        }
    }

    /// Refuses an amount that is not valid for the currency, if the body has one.
    fn check_money(&self, errors: &mut Errors) {
        if let (Field::Value(amount), Field::Value(currency)) = (self.amount, self.currency)
            && let Err(error) = Money::new(amount, currency)
        {
            errors.add("amount", error.to_string());
        }
    }

    /// Refuses masks: a masked account or name, copied from an answer, is not a valid recipient.
    fn check_masks(&self, errors: &mut Errors) {
        const MASKED: &str = "This is a mask: send the whole value.";
        if matches!(&self.recipient_account, Field::Value(account) if account.is_masked()) {
            errors.add("recipient_account", MASKED);
        }
        if matches!(&self.recipient_name, Field::Value(name) if name.is_masked()) {
            errors.add("recipient_name", MASKED);
        }
    }

    fn into_details(self) -> Result<PaymentDetails, Problem> {
        let money = Money::new(self.amount.required()?, self.currency.required()?);
        let recipient = Recipient::new(
            self.recipient_account.required()?,
            self.recipient_name.required()?,
        );
        Ok(PaymentDetails {
            description: self.description.value().unwrap_or_default(),
            ..PaymentDetails::new(
                money.map_err(|error| Problem::internal(Box::new(error)))?,
                recipient,
            )
        })
    }

    fn into_edit(self) -> EditRequest {
        EditRequest {
            amount: self.amount.value(),
            currency: self.currency.value(),
            recipient_account: self.recipient_account.value(),
            recipient_name: self.recipient_name.value(),
            description: self.description.value(),
            sight: Sight::default(),
        }
    }
}

impl PaymentBody {
    /// Reads a field that every payment has: required, except in changes.
    fn field<T: crate::http::extract::json::JsonValue>(
        self,
        form: &mut impl JsonForm,
        name: &'static str,
        about: &'static str,
    ) -> Field<T> {
        match self {
            Self::New | Self::Replacement => form.required(name, about),
            Self::Changes => form.optional(name, about),
        }
    }
}

fn reason(form: &mut impl JsonForm, example: &'static str) -> Option<String> {
    let about = About::new("The reason, for the audit trail.").example(example);
    form.optional::<Reason>("reason", about)
        .value()
        .map(|reason| reason.0)
}

/// The body of a new payout.
#[derive(Debug)]
pub(crate) struct NewPayout(PaymentFields);

impl NewPayout {
    /// Returns the details of the requested payment.
    ///
    /// # Errors
    /// 500 when a required field is missing, which parsing rules out.
    pub(crate) fn into_details(self) -> Result<PaymentDetails, Problem> {
        self.0.into_details()
    }
}

impl JsonBody for NewPayout {
    const NAME: &'static str = "NewPayout";
    const ABOUT: &'static str = "The fields of a new payout.";

    fn of(form: &mut impl JsonForm) -> Self {
        let fields = PaymentFields::of(form, PaymentBody::New);
        let _: Field<Pending> = form.optional("status", "");
        Self(fields)
    }

    fn check(&self, errors: &mut Errors) {
        self.0.check_masks(errors);
        self.0.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_both(schema))
    }
}

/// The content of an edit: new values, or a step.
#[derive(Debug)]
pub(crate) struct EditBody {
    pub(crate) edit: EditRequest,
    pub(crate) status: Option<Status>,
    pub(crate) reason: Option<String>,
}

const EDIT_REASON: &str = "The bank confirmed it by phone.";

/// The body of `PATCH`: new values for some fields, or a step.
#[derive(Debug)]
pub(crate) struct Changes {
    fields: PaymentFields,
    status: Field<Status>,
    reason: Option<String>,
}

impl JsonBody for Changes {
    const NAME: &'static str = "PayoutChanges";
    const ABOUT: &'static str = "New values for some fields, or a step.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            fields: PaymentFields::of(form, PaymentBody::Changes),
            status: form.optional(
                "status",
                "Asks for a step: `cancelled` from pending, `pending` from failed (a retry), `completed` or `failed` \
                 from\nprocessing under review. The status that it has already changes nothing.",
            ),
            reason: reason(form, EDIT_REASON),
        }
    }

    fn check(&self, errors: &mut Errors) {
        self.fields.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_either(schema))
    }

    fn example() -> Option<Value> {
        Some(json!({"description": "Invoice 2026-118"}))
    }
}

impl From<Changes> for EditBody {
    fn from(changes: Changes) -> Self {
        Self {
            edit: changes.fields.into_edit(),
            status: changes.status.value(),
            reason: changes.reason,
        }
    }
}

/// The body of `PUT`: a value for every field, or a step.
#[derive(Debug)]
pub(crate) struct Replacement {
    fields: PaymentFields,
    status: Field<Status>,
    reason: Option<String>,
}

impl JsonBody for Replacement {
    const NAME: &'static str = "PayoutReplacement";
    const ABOUT: &'static str = "New values for all fields, or a step.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self {
            fields: PaymentFields::of(form, PaymentBody::Replacement),
            status: form.undocumented("status"),
            reason: reason(form, EDIT_REASON),
        }
    }

    fn check(&self, errors: &mut Errors) {
        self.fields.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_both(schema))
    }

    fn example() -> Option<Value> {
        Some(json!({
            "amount": "130.00", "currency": "EUR", "recipient_account": "DE89370400440532013000",
            "recipient_name": "Ada Lovelace", "description": "Invoice 2026-118",
        }))
    }
}

impl From<Replacement> for EditBody {
    fn from(replacement: Replacement) -> Self {
        let mut fields = replacement.fields;
        fields.description = Field::Value(fields.description.value().unwrap_or_default());
        Self {
            edit: fields.into_edit(),
            status: replacement.status.value(),
            reason: replacement.reason,
        }
    }
}

/// The reason for a step.
#[derive(Debug)]
pub(crate) struct StepReason(pub(crate) Option<String>);

impl JsonBody for StepReason {
    const NAME: &'static str = "Reason";
    const ABOUT: &'static str = "The reason for a step. May be omitted altogether.";

    fn of(form: &mut impl JsonForm) -> Self {
        Self(reason(form, "The recipient reopened the account."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft_of(body: &str) -> Result<PaymentDetails, Problem> {
        NewPayout::parse(body.as_bytes()).and_then(NewPayout::into_details)
    }

    fn some(body: &str) -> Result<EditBody, Problem> {
        Changes::parse(body.as_bytes()).map(EditBody::from)
    }

    fn all(body: &str) -> Result<EditBody, Problem> {
        Replacement::parse(body.as_bytes()).map(EditBody::from)
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
