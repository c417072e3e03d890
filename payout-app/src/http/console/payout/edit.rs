//! `/console/payouts/{id}/edit/`: new values for a payout that was not sent.

use askama::Template;
use payout_core::access::Scope;
use payout_core::payout::{ExternalId, Payout, PayoutId, StatementText};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use serde_json::{Map, Value};

use crate::http::api::payouts::bodies::{Changes, EditBody};
use crate::http::api::payouts::edit::change_fields;
use crate::http::console::fields::FormState;
use crate::http::console::html::Reply;
use crate::http::console::payment_form::{self, PaymentForm, may_be_edited};
use crate::http::console::posted::Posted;
use crate::http::console::shell::{Place, Shell};
use crate::http::extract::json::JsonBody;
use crate::http::extract::path::path;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};

#[derive(Template)]
#[template(path = "payout/edit.html")]
struct EditPage {
    shell: Shell,
    id: String,
    version: u64,
    payment: PaymentForm,
}

/// Shows the form with the payout's values.
#[handler]
pub(in crate::http::console) async fn show(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let payout = payout(request, depot).await?;
    page(request, depot, &payout, stored(&payout))
}

/// Writes the new values.
#[handler]
pub(in crate::http::console) async fn save(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let payout = payout(request, depot).await?;
    let posted = Posted::of(depot)?;
    let version = posted.version()?;
    match write(depot, &payout, version, posted).await {
        Ok(changed) => Ok(Reply::go(format!(
            "/console/payouts/{}/?done=saved",
            changed.id()
        ))),
        Err(problem) if problem.status() == StatusCode::PRECONDITION_FAILED => {
            let detail =
                "Nothing was saved: the payout changed since you looked at it. This is what it is now.";
            super::page(
                request,
                depot,
                &payout,
                false,
                Some(Problem::new(Kind::PreconditionFailed, detail)),
            )
            .await
        }
        Err(problem) if problem.status().is_client_error() => {
            page(request, depot, &payout, FormState::of(posted).refused(&problem))
        }
        Err(problem) => Err(problem),
    }
}

async fn payout(request: &Request, depot: &Depot) -> Result<Payout, Problem> {
    let context = Context::of(depot)?;
    // The form shows the payout.
    access::allows(&context.principal, &[Scope::Read])?;
    let payout = context.payouts()?.get(path::<PayoutId>(request)?).await?;
    Ok(payout)
}

fn page(request: &Request, depot: &Depot, payout: &Payout, form: FormState) -> Result<Reply, Problem> {
    let status = form.status();
    let recipient = &payout.details().recipient;
    let kept = format!("{}, {}", recipient.name().masked(), recipient.masked_account());
    let page = EditPage {
        shell: Shell::of(request, depot, Place::Payouts, "Edit a payout")?,
        id: payout.id().to_string(),
        version: payout.version(),
        payment: PaymentForm::of_edit(form, kept, payout.details().external_id.is_none()),
    };
    Reply::with_status(status, &page)
}

/// Returns the form with the stored values.
fn stored(payout: &Payout) -> FormState {
    let details = payout.details();
    let statement_text = details.statement_text.as_ref().map(StatementText::as_str);
    FormState::with([
        ("amount", payout.money().amount().to_string()),
        ("currency", payout.money().currency().code().to_owned()),
        ("description", details.description.as_str().to_owned()),
        (
            "external_id",
            details
                .external_id
                .as_ref()
                .map(ExternalId::as_str)
                .unwrap_or_default()
                .to_owned(),
        ),
        ("statement_text", statement_text.unwrap_or_default().to_owned()),
        (
            "scheduled_at",
            details
                .scheduled_at
                .map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
                .unwrap_or_default(),
        ),
    ])
}

async fn write(depot: &Depot, payout: &Payout, version: u64, posted: &Posted) -> Result<Payout, Problem> {
    if !may_be_edited(payout.status()) {
        let detail = "Nothing was saved: the payout is being sent, or has ended.";
        return Err(Problem::new(Kind::IllegalStep, detail));
    }
    let body = body(payout, posted).to_string();
    let EditBody { edit, .. } = Changes::parse(body.as_bytes()).map(EditBody::from)?;
    let context = Context::of(depot)?;
    change_fields(context, payout.id(), edit, &[version], posted.reason()).await
}

/// Builds the body that the API would receive: an empty field removes a value that may be absent.
fn body(payout: &Payout, posted: &Posted) -> Value {
    let mut object = Map::new();
    for name in ["amount", "currency", "description"] {
        object.insert(name.to_owned(), posted.field(name).into());
    }
    let statement_text = Some(posted.field("statement_text")).filter(|text| !text.is_empty());
    object.insert("statement_text".to_owned(), statement_text.into());
    // The field has whole seconds: a schedule that it shows stays as it is.
    let shown = stored(payout).value("scheduled_at").to_owned();
    if posted.field("scheduled_at") != shown {
        object.insert(
            "scheduled_at".to_owned(),
            payment_form::scheduled_at(posted).into(),
        );
    }
    let external_id = posted.field("external_id");
    if payout.details().external_id.is_none() && !external_id.is_empty() {
        object.insert("external_id".to_owned(), external_id.into());
    }
    object.extend(payment_form::recipient(posted).map(|recipient| ("recipient".to_owned(), recipient)));
    object.into()
}
