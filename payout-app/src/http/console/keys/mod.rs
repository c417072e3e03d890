//! `/console/keys/`: the API keys, with their owners and scopes.

use askama::Template;
use payout_core::access::{ApiKey, KeyOwner, Scope};
use salvo::{Depot, Request, handler};
use serde_json::{Map, Value};

use super::fields::{FormState, texts};
use super::format::When;
use super::html::Reply;
use super::posted::Posted;
use super::query::parameter;
use super::shell::{Place, Shell};
use crate::http::api::api_keys::create::NewKey;
use crate::http::api::api_keys::{log, spread};
use crate::http::extract::json::JsonBody;
use crate::http::extract::path::path;
use crate::http::extract::values::ExistingKey;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The number of keys on a page.
const SIZE: usize = 50;

/// A key in the list.
struct Line {
    name: String,
    owner: String,
    scopes: String,
    created_at: When,
    expires_at: Option<When>,
    last_used_at: Option<When>,
    revoked_at: Option<When>,
}

#[derive(Template)]
#[template(path = "keys/keys.html")]
struct KeysPage {
    shell: Shell,
    keys: Vec<Line>,
    next: Option<String>,
    scopes: Vec<(&'static str, &'static str)>,
    form: FormState,
    /// A new key and its secret, which are shown once.
    made: Option<(String, String)>,
}

impl Line {
    fn of(key: &ApiKey) -> Self {
        Self {
            name: key.name.as_str().to_owned(),
            owner: key
                .owner
                .as_ref()
                .map(KeyOwner::as_str)
                .unwrap_or_default()
                .to_owned(),
            scopes: key.scopes.to_string(),
            created_at: When(key.created_at),
            expires_at: key.expires_at.map(When),
            last_used_at: key.last_used_at.map(When),
            revoked_at: key.revoked_at.map(When),
        }
    }
}

fn about(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "see payouts, with masked recipients",
        Scope::Write => "create, edit and delete",
        Scope::Operate => "retry, cancel, resolve, pause",
        Scope::Approve => "approve and reject what others made",
        Scope::Reveal => "see recipients in full",
        Scope::Admin => "manage keys and webhooks; includes all",
    }
}

/// Returns the page after the key with this name, and the name after which the next page begins.
fn page_of(keys: &[ApiKey], after: Option<&str>) -> (Vec<Line>, Option<String>) {
    let is_last = |key: &ApiKey| Some(key.name.as_str()) == after;
    let first = keys.iter().position(is_last).map_or(0, |place| place + 1);
    let rest = keys.get(first..).unwrap_or_default();
    let page = rest.get(..SIZE).unwrap_or(rest);
    let last = page.last().filter(|_| rest.len() > SIZE);
    let next = last.map(|key| key.name.as_str().to_owned());
    (page.iter().map(Line::of).collect(), next)
}

async fn page(
    request: &Request,
    depot: &Depot,
    form: FormState,
    made: Option<(String, String)>,
) -> Result<Reply, Problem> {
    let after = parameter(request.uri().query().unwrap_or_default(), "after");
    let (keys, next) = page_of(&Context::of(depot)?.keys()?.list().await?, after.as_deref());
    let status = form.status();
    let page = KeysPage {
        shell: Shell::of(request, depot, Place::Keys, "API keys")?,
        keys,
        next: next.map(|name| format!("/console/keys/?after={name}")),
        scopes: Scope::ALL
            .iter()
            .map(|scope| (scope.as_str(), about(*scope)))
            .collect(),
        form,
        made,
    };
    Reply::with_status(status, &page)
}

/// Shows the keys.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    page(request, depot, FormState::default(), None).await
}

/// Makes a key.
#[handler]
pub(super) async fn create(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let (form, body) = {
        let posted = Posted::of(depot)?;
        let mut object = Map::new();
        texts(posted, &["name", "owner"], &mut object);
        let scopes: Vec<Value> = posted.all("scopes").map(Value::from).collect();
        object.insert("scopes".to_owned(), scopes.into());
        let expires_at = posted.field("expires_at");
        if !expires_at.is_empty() {
            object.insert("expires_at".to_owned(), format!("{expires_at}:00Z").into());
        }
        (FormState::of(posted), Value::from(object))
    };
    match make(depot, &body).await {
        Ok(made) => page(request, depot, FormState::default(), Some(made)).await,
        Err(problem) if problem.status().is_client_error() => {
            page(request, depot, form.refused(&problem), None).await
        }
        Err(problem) => Err(problem),
    }
}

async fn make(depot: &Depot, body: &Value) -> Result<(String, String), Problem> {
    let context = Context::of(depot)?;
    let new = NewKey::parse(body.to_string().as_bytes())?;
    let expires_at = new.expires_at.value().map(|expiry| expiry.0);
    let owner = new.owner.value();
    let (name, scopes) = (new.name.required()?, new.scopes.required()?);
    let (key, token) = context
        .keys()?
        .create(name, scopes, expires_at, None, owner)
        .await?;
    log(context, &key.name, "made");
    spread(context).await;
    Ok((key.name.as_str().to_owned(), token.expose().to_owned()))
}

/// Revokes a key, which ends the sessions that it opened.
#[handler]
pub(super) async fn revoke(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let ExistingKey(name) = path(request)?;
    let context = Context::of(depot)?;
    context.keys()?.revoke(&name).await?;
    log(context, &name, "revoked");
    spread(context).await;
    Ok(Reply::go("/console/keys/?done=revoked"))
}

#[cfg(test)]
mod tests {
    use payout_core::Timestamp;
    use payout_core::access::{ApiKeyId, Scopes};
    use uuid::Uuid;

    use super::*;

    fn key(number: usize) -> ApiKey {
        let id = ApiKeyId::from(Uuid::from_u128(number as u128));
        ApiKey {
            id,
            name: format!("key-{number}").parse().unwrap(),
            scopes: Scopes::from_iter([Scope::Read]),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            rotated_at: None,
            previous_until: None,
            revoked_at: None,
            last_used_at: None,
            idempotency_scope: id,
            owner: None,
        }
    }

    #[test]
    fn pages_of_keys_follow_each_other_and_show_each_key_once() {
        let keys: Vec<ApiKey> = (1..=2 * SIZE + 1).map(key).collect();
        let (mut shown, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let (page, next) = page_of(&keys, after.as_deref());
            shown.extend(page.into_iter().map(|line| line.name));
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((shown.len(), pages), (keys.len(), 3));
        assert_eq!(shown.last(), Some(&"key-101".to_owned()));
        assert_eq!(page_of(&keys[..SIZE], None).1, None);
        assert_eq!(page_of(&[], Some("gone")).1, None);
    }
}
