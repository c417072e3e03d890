//! Bodies of payouts. Each field of a payment is defined once, for a new payout, a replacement and changes.

use payout_core::Timestamp;
use payout_core::money::{Amount, Currency, Money};
use payout_core::payout::{
    Description, ExternalId, Iban, Metadata, MetadataPatch, PaymentDetails, Recipient, RecipientAccount,
    RecipientName, StatementText, Status,
};
use payout_core::stored_recipient::RecipientId;
use payout_core::usecase::batches::{PaymentTerms, RowPayment, RowRecipient};
use payout_core::usecase::{CreateOptions, EditRequest, MetadataEdit, Sight};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::http::extract::field::Field;
use crate::http::extract::json::{JsonBody, JsonForm};
use crate::http::extract::payout_values::Nullable;
use crate::http::extract::recipient::RecipientInput;
use crate::http::extract::values::{Pending, Reason};
use crate::http::openapi::{About, money, recipients};
use crate::http::problem::{Errors, Problem};

/// The fields of a payment in a body.
#[derive(Debug)]
struct PaymentFields {
    amount: Field<Amount>,
    currency: Field<Currency>,
    recipient: Field<RecipientInput>,
    recipient_account: Field<RecipientAccount>,
    recipient_name: Field<RecipientName>,
    description: Field<Description>,
    external_id: Field<Nullable<ExternalId>>,
    metadata: Field<MetadataEdit>,
    statement_text: Field<Nullable<StatementText>>,
    scheduled_at: Field<Nullable<Timestamp>>,
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
            recipient: form.optional(
                "recipient",
                "The receiver of the money, by the type of the account.",
            ),
            recipient_account: form.optional(
                "recipient_account",
                "The account that the money goes to, unchecked; together with `recipient_name`, in place of a `recipient`.",
            ),
            recipient_name: form.optional("recipient_name", "The name of the recipient."),
            description: form.optional("description", description),
            external_id: form.optional("external_id", body.about_external_id()),
            metadata: body.metadata(form),
            statement_text: form.optional("statement_text", ""),
            scheduled_at: form.optional("scheduled_at", ""),
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

    /// Refuses a recipient that is wrong, missing, or given in both forms.
    fn check_recipient(&self, body: PaymentBody, errors: &mut Errors) {
        const EITHER: &str = "Send either recipient, or recipient_account and recipient_name.";
        let flat = [
            ("recipient_account", self.recipient_account.is_given()),
            ("recipient_name", self.recipient_name.is_given()),
        ];
        if self.recipient.is_given() {
            let given: Vec<&str> = flat
                .iter()
                .filter(|(_, given)| *given)
                .map(|(name, _)| *name)
                .collect();
            if !given.is_empty() {
                errors.add("recipient", EITHER);
            }
            for name in given {
                errors.add(name, EITHER);
            }
        } else if body != PaymentBody::Changes {
            for (name, _) in flat.iter().filter(|(_, given)| !given) {
                errors.add(*name, "This field is required.");
            }
        }
        if let Field::Value(recipient) = &self.recipient {
            match body {
                PaymentBody::New => recipient.check_whole(errors),
                PaymentBody::Replacement | PaymentBody::Changes => recipient.check(errors),
            }
        }
    }

    /// Refuses a recipient beside a stored one.
    fn check_no_recipient(&self, errors: &mut Errors) {
        const EITHER: &str = "Send either recipient_id or a recipient.";
        let given = [
            ("recipient", self.recipient.is_given()),
            ("recipient_account", self.recipient_account.is_given()),
            ("recipient_name", self.recipient_name.is_given()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            errors.add(*name, EITHER);
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

    /// Returns whether the account is an IBAN that is sent as an unchecked text.
    fn has_unchecked_iban(&self) -> bool {
        matches!(&self.recipient_account, Field::Value(account) if Iban::new(account.as_str()).is_ok())
    }

    fn into_details(self) -> Result<PaymentDetails, Problem> {
        let (terms, recipient) = self.into_parts()?;
        Ok(terms.paid_to(recipient.required()?, None))
    }

    /// Returns the payment and its recipient; the recipient is missing only where the request may omit it.
    fn into_parts(self) -> Result<(PaymentTerms, Field<Recipient>), Problem> {
        let money = Money::new(self.amount.required()?, self.currency.required()?);
        let recipient = match self.recipient.value().and_then(RecipientInput::whole) {
            Some(recipient) => Field::Value(recipient),
            None => match (self.recipient_account.value(), self.recipient_name.value()) {
                (Some(account), Some(name)) => Field::Value(Recipient::new(account, name)),
                (None | Some(_), None | Some(_)) => Field::Absent,
            },
        };
        let terms = PaymentTerms {
            money: money.map_err(|error| Problem::internal(Box::new(error)))?,
            description: self.description.value().unwrap_or_default(),
            external_id: self.external_id.value().and_then(|id| id.0),
            metadata: match self.metadata.value() {
                Some(MetadataEdit::Whole(metadata)) => metadata,
                Some(MetadataEdit::Entries(_)) | None => Metadata::default(),
            },
            statement_text: self.statement_text.value().and_then(|text| text.0),
            scheduled_at: self.scheduled_at.value().and_then(|at| at.0),
        };
        Ok((terms, recipient))
    }

    fn into_edit(self) -> EditRequest {
        EditRequest {
            amount: self.amount.value(),
            currency: self.currency.value(),
            recipient_account: self.recipient_account.value(),
            recipient_name: self.recipient_name.value(),
            recipient: self.recipient.value().and_then(RecipientInput::edit),
            description: self.description.value(),
            external_id: self.external_id.value().map(|id| id.0),
            metadata: self.metadata.value(),
            statement_text: self.statement_text.value().map(|text| text.0),
            scheduled_at: self.scheduled_at.value().map(|at| at.0),
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

    fn about_external_id(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Replacement | Self::Changes => {
                "The client's own reference. It can be set once, and not be changed or removed afterwards."
            }
        }
    }

    /// Reads the metadata: whole, or in changes by entry.
    fn metadata(self, form: &mut impl JsonForm) -> Field<MetadataEdit> {
        match self {
            Self::New | Self::Replacement => {
                let whole = form.optional::<Nullable<Metadata>>("metadata", "");
                whole.map(|metadata| MetadataEdit::Whole(metadata.0.unwrap_or_default()))
            }
            Self::Changes => {
                let changes = form.optional::<Nullable<MetadataPatch>>("metadata", "");
                changes.map(|changes| match changes.0 {
                    Some(patch) => MetadataEdit::Entries(patch),
                    None => MetadataEdit::Whole(Metadata::default()),
                })
            }
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
pub(crate) struct NewPayout {
    fields: PaymentFields,
    recipient_id: Field<RecipientId>,
    allow_duplicate: Field<bool>,
}

impl NewPayout {
    /// Returns the stored recipient that the payment copies, if the request names one.
    pub(crate) fn recipient_id(&self) -> Option<RecipientId> {
        self.recipient_id.value()
    }

    /// Returns the details of the requested payment. `copied` is the stored recipient that it names.
    ///
    /// # Errors
    /// 500 when a required field is missing, which parsing rules out.
    pub(crate) fn into_details(self, copied: Option<Recipient>) -> Result<PaymentDetails, Problem> {
        let recipient_id = self.recipient_id.value();
        let mut fields = self.fields;
        if let Some(recipient) = copied {
            fields.recipient = Field::Value(RecipientInput::Whole(Box::new(recipient)));
        }
        Ok(PaymentDetails {
            recipient_id,
            ..fields.into_details()?
        })
    }

    /// Returns the payment as a row of a batch, which may name a stored recipient.
    ///
    /// # Errors
    /// 500 when a required field is missing, which parsing rules out.
    pub(crate) fn into_row(self) -> Result<RowPayment, Problem> {
        let allow_duplicate = self.options().allow_duplicate;
        let recipient_id = self.recipient_id.value();
        let (terms, recipient) = self.fields.into_parts()?;
        let recipient = match recipient_id {
            Some(id) => RowRecipient::Stored(id),
            None => RowRecipient::Given(Box::new(recipient.required()?)),
        };
        Ok(RowPayment {
            terms,
            recipient,
            allow_duplicate,
        })
    }

    /// Returns the options of the create, besides the payment.
    pub(crate) fn options(&self) -> CreateOptions {
        CreateOptions {
            allow_duplicate: matches!(self.allow_duplicate, Field::Value(true)),
        }
    }

    /// Returns whether the account is an IBAN that is sent as an unchecked text.
    pub(crate) fn has_unchecked_iban(&self) -> bool {
        self.fields.has_unchecked_iban()
    }
}

impl JsonBody for NewPayout {
    const NAME: &'static str = "NewPayout";
    const ABOUT: &'static str = "The fields of a new payout.";

    fn of(form: &mut impl JsonForm) -> Self {
        let fields = PaymentFields::of(form, PaymentBody::New);
        let _: Field<Pending> = form.optional("status", "");
        let recipient_id = form.optional(
            "recipient_id",
            "A stored recipient, which is copied into the payout, in place of a `recipient`.",
        );
        let allow_duplicate = About::new(
            "Whether the payout is stored without approval although it is likely a duplicate. The audit trail keeps it.",
        );
        let allow_duplicate = form.optional("allow_duplicate", allow_duplicate);
        Self {
            fields,
            recipient_id,
            allow_duplicate,
        }
    }

    fn check(&self, errors: &mut Errors) {
        if self.recipient_id.is_given() {
            self.fields.check_no_recipient(errors);
        } else {
            self.fields.check_recipient(PaymentBody::New, errors);
            self.fields.check_masks(errors);
        }
        self.fields.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_both(recipients::with_one_or_stored(schema)))
    }
}

/// The content of an edit: new values, or a step.
#[derive(Debug)]
pub(crate) struct EditBody {
    pub(crate) edit: EditRequest,
    pub(crate) status: Option<Status>,
    pub(crate) reason: Option<String>,
    /// The account is an IBAN that is sent as an unchecked text.
    pub(crate) unchecked_iban: bool,
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
        self.fields.check_recipient(PaymentBody::Changes, errors);
        self.fields.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_either(recipients::with_one_at_most(schema)))
    }

    fn example() -> Option<Value> {
        Some(json!({"description": "Invoice 2026-118"}))
    }
}

impl From<Changes> for EditBody {
    fn from(changes: Changes) -> Self {
        Self {
            unchecked_iban: changes.fields.has_unchecked_iban(),
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
        self.fields.check_recipient(PaymentBody::Replacement, errors);
        self.fields.check_money(errors);
    }

    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        RefOr::T(money::with_both(recipients::with_one(schema)))
    }

    fn example() -> Option<Value> {
        Some(json!({
            "amount": "130.00", "currency": "EUR", "recipient": recipients::example(),
            "description": "Invoice 2026-118",
        }))
    }
}

impl From<Replacement> for EditBody {
    fn from(replacement: Replacement) -> Self {
        let mut fields = replacement.fields;
        fields.description = Field::Value(fields.description.value().unwrap_or_default());
        Self {
            unchecked_iban: fields.has_unchecked_iban(),
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

/// The body of a rejection, whose reason is required.
pub(crate) struct Rejection(Field<Reason>);

impl Rejection {
    /// Returns the reason.
    ///
    /// # Errors
    /// 500 when it is missing, which parsing rules out.
    pub(crate) fn reason(self) -> Result<String, Problem> {
        Ok(self.0.required()?.0)
    }
}

impl JsonBody for Rejection {
    const NAME: &'static str = "Rejection";
    const ABOUT: &'static str = "The reason for a rejection.";

    fn of(form: &mut impl JsonForm) -> Self {
        let about = About::new("The reason, for the audit trail.").example("It was paid in cash.");
        Self(form.required("reason", about))
    }

    fn check(&self, errors: &mut Errors) {
        if matches!(&self.0, Field::Value(reason) if reason.0.trim().is_empty()) {
            errors.add("reason", "This field may not be blank.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft_of(body: &str) -> Result<PaymentDetails, Problem> {
        NewPayout::parse(body.as_bytes()).and_then(|new| new.into_details(None))
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
                "This is not a status: use awaiting_approval, pending, processing, completed, returned, failed or cancelled.",
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
