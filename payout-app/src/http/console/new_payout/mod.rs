//! `/console/new/`: a new payout.

use askama::Template;
use payout_core::access::Scope;
use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::ExternalId;
use payout_core::ports::Archived;
use payout_core::stored_recipient::RecipientId;
use payout_core::usecase::recipients::RecipientError;
use payout_core::usecase::{Answered, ServiceError};
use salvo::{Depot, Request, handler};
use serde_json::{Map, Value};

use super::fields::{FormState, texts};
use super::html::Reply;
use super::payment_form::{self, PaymentForm};
use super::posted::Posted;
use super::shell::{Place, Shell};
use crate::http::api::payouts::bodies::NewPayout;
use crate::http::api::payouts::create::of_outcome;
use crate::http::api::payouts::guess;
use crate::http::console::query::parameter;
use crate::http::extract::json::JsonBody;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The number of stored recipients to choose from.
const RECIPIENTS: u32 = 100;

#[derive(Template)]
#[template(path = "new_payout/new_payout.html")]
struct NewPayoutPage {
    shell: Shell,
    payment: PaymentForm,
    /// Names the payment: the same form sent twice pays once.
    form_key: String,
}

async fn page(request: &Request, depot: &Depot, form: FormState, form_key: String) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let recipients = if context.principal.may(Scope::Read) {
        let listed = context
            .recipients()?
            .list(None, Archived::Without, None, RECIPIENTS)
            .await?;
        listed.recipients
    } else {
        Vec::new()
    };
    let named = recipients.iter().map(|stored| {
        let (name, account) = (
            stored.recipient.name().masked(),
            stored.recipient.masked_account(),
        );
        let external_id = stored.external_id.as_ref().map(ExternalId::as_str);
        let words = [external_id.unwrap_or_default(), &name, &account].join(" ");
        (stored.id.to_string(), words.trim().to_owned())
    });
    let status = form.status();
    let page = NewPayoutPage {
        shell: Shell::of(request, depot, Place::NewPayout, "New payout")?,
        payment: PaymentForm::of_new(form, named.collect()),
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
    if let Some(at) = payment_form::scheduled_at(posted) {
        object.insert("scheduled_at".to_owned(), at.into());
    }
    let stored = posted.field("recipient_id");
    if stored.is_empty() {
        object.extend(payment_form::recipient(posted).map(|recipient| ("recipient".to_owned(), recipient)));
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
    let is_copy = copied.is_some();
    let details = new.into_details(copied)?;
    let key = IdempotencyKey::new(form_key)
        .map_err(|_| Problem::invalid(Errors::of("form", "The form is not one of this page.")))?;
    let caller = context.caller(None);
    let outcome = context
        .payouts()?
        .create_with(details, options, Some(key), caller)
        .await;
    guess::compared(context, of_outcome(&outcome))?;
    match outcome {
        Ok(answered) => Ok(answered),
        Err(error @ ServiceError::NoRoute(_)) if is_copy => {
            Err(Problem::from(error).without_payment(&context.principal))
        }
        Err(error) => Err(error.into()),
    }
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
