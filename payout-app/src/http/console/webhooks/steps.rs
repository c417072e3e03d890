//! The steps with an endpoint and its deliveries.

use std::time::Duration;

use payout_core::feed::FeedPosition;
use payout_core::usecase::webhooks::NewWebhook;
use payout_core::webhook::WebhookId;
use salvo::{Depot, Request, handler};
use serde_json::{Map, Value};

use super::{endpoints, page};
use crate::http::api::webhooks::create::NewEndpoint;
use crate::http::api::webhooks::{log, replay_refusal};
use crate::http::console::fields::{FormState, texts};
use crate::http::console::html::Reply;
use crate::http::console::posted::Posted;
use crate::http::extract::json::JsonBody;
use crate::http::extract::path::path;
use crate::http::extract::webhooks::DeliveryNumber;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The time for which the secret before signs too.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes an endpoint.
#[handler]
pub(in crate::http::console) async fn create(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let (form, body) = {
        let posted = Posted::of(depot)?;
        let mut object = Map::new();
        texts(posted, &["url", "description"], &mut object);
        let types: Vec<Value> = posted.all("types").map(Value::from).collect();
        object.insert("types".to_owned(), types.into());
        object.insert(
            "include_recipient".to_owned(),
            (posted.field("include_recipient") == "true").into(),
        );
        (FormState::of(posted), Value::from(object))
    };
    match make(depot, &body).await {
        Ok(made) => endpoints(request, depot, FormState::default(), Some(made)).await,
        Err(problem) if problem.status().is_client_error() => {
            endpoints(request, depot, form.refused(&problem), None).await
        }
        Err(problem) => Err(problem),
    }
}

async fn make(depot: &Depot, body: &Value) -> Result<(String, String), Problem> {
    let context = Context::of(depot)?;
    let new = NewEndpoint::parse(body.to_string().as_bytes())?;
    let new = NewWebhook {
        types: new.types.value().map(|types| types.0).unwrap_or_default(),
        description: new.description.value().unwrap_or_default(),
        include_recipient: new.include_recipient.value().is_some_and(|flag| flag.0),
        url: new.url.required()?,
    };
    let (endpoint, secret) = context.webhooks()?.create(new).await?;
    log(context, endpoint.id, "made");
    Ok((endpoint.url.to_string(), secret.expose().to_string()))
}

fn back(id: WebhookId, done: &str) -> Reply {
    Reply::go(format!("/console/webhooks/{id}/?done={done}"))
}

#[handler]
pub(in crate::http::console) async fn disable(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let context = Context::of(depot)?;
    let actor = context.caller(None).actor;
    context.webhooks()?.disable(id, &actor).await?;
    log(context, id, "disabled");
    Ok(back(id, "disabled"))
}

#[handler]
pub(in crate::http::console) async fn enable(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let context = Context::of(depot)?;
    let actor = context.caller(None).actor;
    context.webhooks()?.enable(id, &actor).await?;
    log(context, id, "enabled");
    Ok(back(id, "enabled"))
}

#[handler]
pub(in crate::http::console) async fn delete(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let context = Context::of(depot)?;
    context.webhooks()?.delete(id).await?;
    log(context, id, "deleted");
    Ok(Reply::go("/console/webhooks/?done=removed"))
}

#[handler]
pub(in crate::http::console) async fn test(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let context = Context::of(depot)?;
    context.webhooks()?.test(id).await?;
    log(context, id, "tested");
    Ok(back(id, "tested"))
}

#[handler]
pub(in crate::http::console) async fn rotate(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let context = Context::of(depot)?;
    let actor = context.caller(None).actor;
    let (_, secret) = context.webhooks()?.rotate(id, OVERLAP, &actor).await?;
    log(context, id, "given another secret");
    page(request, depot, Some(secret.expose().to_string())).await
}

#[handler]
pub(in crate::http::console) async fn replay(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let posted = Posted::of(depot)?;
    let position = |name: &'static str| {
        Some(posted.field(name))
            .filter(|text| !text.is_empty())
            .map(str::parse::<FeedPosition>)
            .transpose()
            .map_err(|_| Problem::invalid(Errors::of(name, "This is not a position of the event feed.")))
    };
    let (after, until) = (
        position("after")?.unwrap_or(FeedPosition::START),
        position("until")?,
    );
    let context = Context::of(depot)?;
    let replayed = context.webhooks()?.replay(id, after, until).await;
    replayed.map_err(|error| replay_refusal(error, after, until))?;
    log(context, id, "replayed a range");
    Ok(back(id, "replayed-range"))
}

#[handler]
pub(in crate::http::console) async fn redeliver(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let id = path::<WebhookId>(request)?;
    let DeliveryNumber(number) = path(request)?;
    let context = Context::of(depot)?;
    context.webhooks()?.redeliver(id, number).await?;
    log(context, id, "asked to take a delivery once more");
    Ok(back(id, "redelivered"))
}
