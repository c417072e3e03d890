//! One delivery: what was sent, and what the endpoint answered to each attempt.

use askama::Template;
use payout_core::webhook::WebhookId;
use salvo::{Depot, Request, handler};

use super::status_words;
use crate::http::console::format::When;
use crate::http::console::html::Reply;
use crate::http::console::shell::{Place, Shell};
use crate::http::extract::path::path;
use crate::http::extract::webhooks::DeliveryNumber;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// An attempt.
struct Attempt {
    number: u32,
    at: When,
    took: String,
    outcome: String,
    answer: String,
}

#[derive(Template)]
#[template(path = "webhooks/delivery.html")]
struct DeliveryPage {
    shell: Shell,
    webhook: String,
    number: u64,
    event: String,
    message_id: String,
    status: &'static str,
    tone: &'static str,
    body: String,
    attempts: Vec<Attempt>,
    due_at: Option<When>,
}

/// Shows the delivery.
#[handler]
pub(in crate::http::console) async fn show(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let DeliveryNumber(number) = path(request)?;
    let (delivery, attempts) = Context::of(depot)?.webhooks()?.delivery(id, number).await?;
    let (status, tone) = status_words(delivery.status);
    let attempts = attempts.iter().map(|attempt| Attempt {
        number: attempt.attempt,
        at: When(attempt.at),
        took: format!("{} ms", attempt.took.as_millis()),
        outcome: match (attempt.status, &attempt.error) {
            (Some(status), Some(error)) => format!("{status}: {error}"),
            (Some(status), None) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        },
        answer: attempt.answer.as_str().to_owned(),
    });
    let page = DeliveryPage {
        shell: Shell::of(request, depot, Place::Webhooks, "Delivery")?,
        webhook: id.to_string(),
        number,
        event: delivery.content.event_type.clone(),
        message_id: delivery.content.message_id.clone(),
        status,
        tone,
        body: delivery.content.body.clone(),
        attempts: attempts.collect(),
        due_at: delivery.due_at.map(When),
    };
    Reply::page(&page)
}
