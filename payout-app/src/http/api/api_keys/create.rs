//! `POST /api/keys/`

use payout_core::Timestamp;
use payout_core::keys::{KeyName, Scopes};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};
use utoipa::ToSchema;

use super::{ShownKeyBody, log, spread};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::fields::{self, Fields};
use crate::http::middleware::context::Context;
use crate::http::openapi::ScopeName;
use crate::http::problem::Problem;

/// What a new key is made from.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKeyRequest)]
#[expect(
    dead_code,
    reason = "it describes the body that `wanted` reads field by field"
)]
pub(crate) struct NewKeyBody {
    /// What it is called, in the audit trail too. Used once: a revoked key keeps its name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "billing"
    )]
    name: String,
    /// What it opens: at least one.
    #[schema(value_type = Vec<ScopeName>, min_items = 1, example = json!(["read", "write"]))]
    scopes: Vec<String>,
    /// The name of the key that it succeeds, also one that is revoked or has expired: requests that were made with that one
    /// are known by their idempotency keys, and the day's limits go on as that one's. Without it, the key has idempotency
    /// keys and limits of its own.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "billing-2026"
    )]
    succeeds: Option<String>,
    /// From when on it opens nothing (RFC 3339); never when it is left away.
    #[schema(
        nullable = false,
        format = DateTime,
        pattern = "^(202[6-9]|20[3-9][0-9]|2[1-9][0-9]{2}|[3-9][0-9]{3})-",
        example = "2027-11-24T09:30:00Z"
    )]
    expires_at: Option<String>,
}

/// Make an API key
///
/// Its secret is in the answer, and cannot be shown again: only a keyed digest of it is stored. The first key of a service
/// that was open locks it, for everybody and at once.
#[utoipa::path(
    post,
    path = "/api/keys/",
    impl_for = create_key,
    operation_id = "create_key",
    tag = "Keys",
    request_body = NewKeyBody,
    responses((status = 201, description = "The key, and its secret.", body = ShownKeyBody)),
)]
#[handler]
pub(crate) async fn create_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let body = body::read(request)?;
    let Wanted {
        name,
        scopes,
        succeeds,
        expires_at,
    } = wanted(Fields::parse(&body)?)?;
    let (key, token) = context.keys()?.create(name, scopes, expires_at, succeeds).await?;
    log(context, &key.name, "made");
    spread(context).await;
    Ok(Answer::json(&ShownKeyBody::of(&key, &token))?.status(StatusCode::CREATED))
}

struct Wanted {
    name: KeyName,
    scopes: Scopes,
    succeeds: Option<KeyName>,
    expires_at: Option<Timestamp>,
}

fn wanted(mut fields: Fields<'_>) -> Result<Wanted, Problem> {
    let name = fields.required("name", fields::parsed::<KeyName>);
    let scopes = fields.required("scopes", fields::scopes);
    let succeeds = fields.optional("succeeds", fields::parsed::<KeyName>);
    let expires_at = fields.optional("expires_at", fields::moment);
    fields.finish()?;
    match (name, scopes) {
        (Some(name), Some(scopes)) => Ok(Wanted {
            name,
            scopes,
            succeeds,
            expires_at,
        }),
        (_, _) => Err(Problem::internal("a required field went missing".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_once() {
        let refused = |body: &str| wanted(Fields::parse(body.as_bytes()).unwrap()).err().unwrap();
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
}
