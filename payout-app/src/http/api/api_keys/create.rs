//! `POST /api/keys/`

use payout_core::access::{KeyName, KeyOwner, Scopes};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::{MANAGED, ShownKeyBody, log, spread};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::values::{ExistingKey, Expiry};
use crate::http::middleware::context::Context;
use crate::http::openapi::About;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::required::<NewKey>()),
    refusals: &[Kind::NameTaken, Kind::TooManyKeys],
    ..MANAGED
};

/// The body of a request for a new key.
pub(in crate::http) struct NewKey {
    pub(in crate::http) name: Field<KeyName>,
    pub(in crate::http) scopes: Field<Scopes>,
    pub(in crate::http) succeeds: Field<ExistingKey>,
    pub(in crate::http) expires_at: Field<Expiry>,
    pub(in crate::http) owner: Field<KeyOwner>,
}

impl JsonBody for NewKey {
    const NAME: &'static str = "NewApiKeyRequest";
    const ABOUT: &'static str = "The fields of a new key.";

    fn of(form: &mut impl JsonForm) -> Self {
        let name = About::new("The name, also in the audit trail. Used once: a revoked key keeps its name.");
        let succeeds = About::new(
            "The name of the key that it succeeds, also one that is revoked or has expired: requests that were made with that \
             one\nare known by their idempotency keys, and the day's limits go on as that one's. Without it, the key has \
             idempotency\nkeys and limits of its own.",
        );
        let expires_at = About::new("The time of expiry (RFC 3339). If omitted, the key never expires.");
        let owner = About::new(
            "The person who holds the key: nobody approves what a key of the same owner created. Without it, that of the key\n\
             that it succeeds.",
        );
        Self {
            name: form.required("name", name.example("billing")),
            scopes: form.required("scopes", "The scopes that the key grants: at least one."),
            succeeds: form.optional("succeeds", succeeds.example("billing-2026")),
            expires_at: form.optional("expires_at", expires_at.example("2027-11-24T09:30:00Z")),
            owner: form.optional("owner", owner.example("Ada Lovelace")),
        }
    }
}

/// Make an API key
///
/// The answer contains the secret, which cannot be shown again: only a keyed digest of it is stored. The first key of a
/// service without API keys locks it for all callers at once.
#[utoipa::path(
    post,
    path = "/api/keys/",
    impl_for = create_key,
    operation_id = "create_key",
    tag = "Keys",
    responses((status = 201, description = "The key, and its secret.", body = ShownKeyBody)),
)]
#[handler]
pub(crate) async fn create_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let new = NewKey::parse(&body::read(request)?)?;
    let expires_at = new.expires_at.value().map(|expiry| expiry.0);
    let succeeds = new.succeeds.value().map(|key| key.0);
    let owner = new.owner.value();
    let (name, scopes) = (new.name.required()?, new.scopes.required()?);
    let (key, token) = context
        .keys()?
        .create(name, scopes, expires_at, succeeds, owner)
        .await?;
    log(context, &key.name, "made");
    spread(context).await;
    Ok(Answer::json(&ShownKeyBody::of(&key, &token))?.status(StatusCode::CREATED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_once() {
        let refused = |body: &str| NewKey::parse(body.as_bytes()).err().unwrap();
        let problem = refused(
            r#"{"name": "a b", "scopes": ["read", "root"], "succeeds": "-", "expires_at": "soon", "token": "x"}"#,
        );
        for name in ["name", "scopes", "succeeds", "expires_at", "token"] {
            assert_eq!(problem.errors().get(name).len(), 1, "{name}");
        }
        let problem = refused("{}");
        for name in ["name", "scopes"] {
            assert_eq!(problem.errors().get(name), ["This field is required."]);
        }
        for scopes in ["null", "\"read\"", "[]", "[1]", "{}", "[\"read\", null]"] {
            let problem = refused(&format!("{{\"name\": \"a\", \"scopes\": {scopes}}}"));
            assert_eq!(problem.errors().get("scopes").len(), 1, "{scopes}");
        }
    }

    #[test]
    fn a_scope_that_is_given_very_often_is_one_scope() {
        let body = format!(
            "{{\"name\": \"a\", \"scopes\": [{}\"read\"]}}",
            "\"read\",".repeat(1_000)
        );
        let scopes = NewKey::parse(body.as_bytes()).ok().unwrap().scopes.value();
        assert!(scopes == Some(Scopes::from_iter([payout_core::access::Scope::Read])));
    }

    #[test]
    fn a_new_name_is_not_reserved_and_that_of_a_key_to_succeed_may_be() {
        let read = |body: &str| NewKey::parse(body.as_bytes());
        let refused = read(r#"{"name": "restore", "scopes": ["read"]}"#).err().unwrap();
        assert_eq!(refused.errors().get("name"), ["This name is the service's own."]);
        let taken = read(r#"{"name": "a", "scopes": ["read"], "succeeds": "restore"}"#);
        assert!(taken.is_ok_and(|new| new.succeeds.is_given()));
    }
}
