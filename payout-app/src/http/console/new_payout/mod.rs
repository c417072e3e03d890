//! `/console/new/`: a new payout.

use askama::Template;
use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::ExternalId;
use payout_core::ports::Archived;
use payout_core::stored_recipient::RecipientId;
use payout_core::usecase::Answered;
use payout_core::usecase::recipients::RecipientError;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use serde_json::{Map, Value};

use super::fields::{FormState, texts};
use super::html::Reply;
use super::posted::Posted;
use super::shell::{Place, Shell};
use crate::http::api::payouts::bodies::NewPayout;
use crate::http::console::query::parameter;
use crate::http::extract::json::JsonBody;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The number of stored recipients to choose from.
const RECIPIENTS: u32 = 100;

/// The types of accounts: name, title, and the parts with their titles.
type AccountType = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, bool)],
);
const TYPES: [AccountType; 6] = [
    ("iban", "IBAN", &[("iban", "IBAN", true), ("bic", "BIC", false)]),
    (
        "us_bank",
        "US bank account",
        &[
            ("routing_number", "Routing number", true),
            ("account_number", "Account number", true),
            ("account_type", "Account type", false),
        ],
    ),
    (
        "gb_bank",
        "UK bank account",
        &[
            ("sort_code", "Sort code", true),
            ("account_number", "Account number", true),
        ],
    ),
    ("email", "E-mail", &[("email", "E-mail address", true)]),
    ("phone", "Phone", &[("phone", "Phone number", true)]),
    (
        "account",
        "Another account, unchecked",
        &[("account", "Account", true)],
    ),
];

#[derive(Template)]
#[template(path = "new_payout/new_payout.html")]
struct NewPayoutPage {
    shell: Shell,
    form: FormState,
    /// Names the payment: the same form sent twice pays once.
    form_key: String,
    recipients: Vec<(String, String)>,
    types: &'static [AccountType],
    kind: String,
}

/// The fields that the form shows, for messages beside them.
const SHOWN: [&str; 8] = [
    "amount",
    "currency",
    "recipient_id",
    "recipient",
    "description",
    "external_id",
    "statement_text",
    "scheduled_at",
];

impl NewPayoutPage {
    fn is_kind(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Returns the name of a part's field: each type has fields of its own, so that one form can have all.
    fn part(kind: &str, part: &str) -> String {
        format!("{kind}-{part}")
    }

    fn messages_of_part(&self, kind: &str, part: &str) -> Vec<&str> {
        if self.is_kind(kind) {
            self.form.messages(&format!("recipient.{part}"))
        } else {
            Vec::new()
        }
    }

    fn others(&self) -> Vec<(&str, &str)> {
        let others = self.form.other_messages(&SHOWN).into_iter();
        let is_part = |field: &str| {
            let part = field.strip_prefix("recipient.").unwrap_or_default();
            let kinds = TYPES.iter().filter(|(kind, ..)| self.is_kind(kind));
            part == "name"
                || kinds
                    .flat_map(|(.., parts)| parts.iter())
                    .any(|(name, ..)| *name == part)
        };
        others.filter(|(field, _)| !is_part(field)).collect()
    }
}

async fn page(request: &Request, depot: &Depot, form: FormState, form_key: String) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let recipients = context
        .recipients()?
        .list(None, Archived::Without, None, RECIPIENTS)
        .await?;
    let named = recipients.recipients.iter().map(|stored| {
        let (name, account) = (
            stored.recipient.name().masked(),
            stored.recipient.masked_account(),
        );
        let external_id = stored.external_id.as_ref().map(ExternalId::as_str);
        let words = [external_id.unwrap_or_default(), &name, &account].join(" ");
        (stored.id.to_string(), words.trim().to_owned())
    });
    let status = if form.is_refused() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let kind = Some(form.value("type"))
        .filter(|kind| !kind.is_empty())
        .unwrap_or("iban")
        .to_owned();
    let page = NewPayoutPage {
        shell: Shell::of(request, depot, Place::NewPayout, "New payout")?,
        recipients: named.collect(),
        types: &TYPES,
        kind,
        form,
        form_key,
    };
    Reply::with_status(status, &page)
}

/// Shows the form.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let chosen = parameter(query, "recipient_id");
    let form = FormState::with(chosen.map(|id| ("recipient_id", id)));
    page(request, depot, form, format!("console-{}", super::random_text())).await
}

/// Stores the payout.
#[handler]
pub(super) async fn create(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let (form, form_key, body) = {
        let posted = Posted::of(depot)?;
        (
            FormState::of(posted),
            posted.field("form_key").to_owned(),
            body(posted),
        )
    };
    match store(depot, &form_key, &body).await {
        Ok(answered) => {
            let done = if answered.replayed { "replayed" } else { "created" };
            Ok(Reply::go(format!(
                "/console/payouts/{}/?done={done}",
                answered.payout.id()
            )))
        }
        Err(problem) if problem.status().is_client_error() => {
            page(request, depot, form.refused(&problem), form_key).await
        }
        Err(problem) => Err(problem),
    }
}

/// Builds the body that the API would receive.
fn body(posted: &Posted) -> Value {
    let mut object = Map::new();
    texts(
        posted,
        &[
            "amount",
            "currency",
            "description",
            "external_id",
            "statement_text",
        ],
        &mut object,
    );
    let at = posted.field("scheduled_at");
    if !at.is_empty() {
        // A field for date and time has no zone; the form says that it is UTC.
        let has_zone = at.ends_with('Z') || at.len() > "2026-11-24T09:30:00".len();
        let seconds = if at.len() == "2026-11-24T09:30".len() {
            ":00"
        } else {
            ""
        };
        let zone = if has_zone || !at.contains('T') { "" } else { "Z" };
        object.insert("scheduled_at".to_owned(), format!("{at}{seconds}{zone}").into());
    }
    let stored = posted.field("recipient_id");
    if stored.is_empty() {
        let kind = posted.field("type");
        let mut recipient = Map::new();
        recipient.insert("type".to_owned(), kind.into());
        recipient.insert("name".to_owned(), posted.field("name").into());
        let parts = TYPES
            .iter()
            .filter(|(name, ..)| *name == kind)
            .flat_map(|(.., parts)| parts.iter());
        for (part, ..) in parts {
            let text = posted.field(&NewPayoutPage::part(kind, part)).to_owned();
            if !text.is_empty() {
                recipient.insert((*part).to_owned(), text.into());
            }
        }
        object.insert("recipient".to_owned(), recipient.into());
    } else {
        object.insert("recipient_id".to_owned(), stored.into());
    }
    if posted.field("allow_duplicate") == "true" {
        object.insert("allow_duplicate".to_owned(), true.into());
    }
    object.into()
}

async fn store(depot: &Depot, form_key: &str, body: &Value) -> Result<Answered, Problem> {
    let context = Context::of(depot)?;
    let new = NewPayout::parse(body.to_string().as_bytes())?;
    let options = new.options();
    let copied = match new.recipient_id() {
        Some(id) => Some(copied(context, id).await?),
        None => None,
    };
    let details = new.into_details(copied)?;
    let key = IdempotencyKey::new(form_key)
        .map_err(|_| Problem::invalid(Errors::of("form", "The form is not one of this page.")))?;
    let caller = context.caller(None);
    Ok(context
        .payouts()?
        .create_with(details, options, Some(key), caller)
        .await?)
}

async fn copied(context: &Context, id: RecipientId) -> Result<payout_core::payout::Recipient, Problem> {
    let refuse = |message: &'static str| Problem::invalid(Errors::of("recipient_id", message));
    match context.recipients()?.of_new_payout(id).await {
        Ok(recipient) => Ok(recipient),
        Err(RecipientError::NotFound) => Err(refuse("There is no such recipient.")),
        Err(RecipientError::Archived(_)) => Err(refuse(
            "This recipient is archived: no further payout is made from it.",
        )),
        Err(error) => Err(error.into()),
    }
}
