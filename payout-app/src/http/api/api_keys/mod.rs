//! API keys over HTTP, for callers with the scope `admin`.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod rotate;

use payout_core::Timestamp;
use payout_core::access::{ApiKey, KeyName, KeyOwner, Scope, Token};
use payout_core::ports::ApiKeyError;
use payout_core::usecase::api_keys::KeysError;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::answer::{time, time_of_some};
use crate::http::extract::path::PathPolicy;
use crate::http::extract::values::ExistingKey;
use crate::http::middleware::context::Context;
use crate::http::openapi::ScopeName;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem};

/// The policy of every route for keys.
const MANAGED: RoutePolicy = RoutePolicy::scoped(&[Scope::Admin]);

/// The policy of the routes for a single key.
const ONE_KEY: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<ExistingKey>()),
    ..MANAGED
};

/// An API key. Its secret is not stored.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyBody<'a> {
    /// A UUID, version 7; it outlives rotations.
    id: Uuid,
    /// The name, which is the actor in the audit trail.
    #[schema(example = "billing")]
    name: &'a str,
    /// The scopes that the key grants.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<&'static str>,
    /// The time of creation.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The time of expiry; null if the key never expires.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2027-11-24T09:30:00.123456Z")]
    expires_at: Option<Timestamp>,
    /// The time of the latest rotation, which replaced the secret.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    rotated_at: Option<Timestamp>,
    /// The time until which the previous secret is still accepted; null if it is not.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    previous_secret_until: Option<Timestamp>,
    /// The time of revocation.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    revoked_at: Option<Timestamp>,
    /// The `id` of the key whose idempotency keys and daily limits this key shares: its own, unless it succeeds another
    /// key.
    idempotency_scope: Uuid,
    /// The owner: the person who holds the key. Keys of one owner are one person where approvals are counted. Null if none
    /// was given.
    #[schema(required = true, example = "Ada Lovelace")]
    owner: Option<&'a str>,
    /// The time of the latest use, to about a minute.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
}

impl<'a> From<&'a ApiKey> for KeyBody<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: key.name.as_str(),
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            rotated_at: key.rotated_at,
            previous_secret_until: key.previous_until,
            revoked_at: key.revoked_at,
            idempotency_scope: key.idempotency_scope.as_uuid(),
            owner: key.owner.as_ref().map(KeyOwner::as_str),
            last_used_at: key.last_used_at,
        }
    }
}

/// An API key with its secret, which is shown only this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct ShownKeyBody<'a> {
    /// The key.
    key: KeyBody<'a>,
    /// The secret, to be sent as `Authorization: Bearer …`. It cannot be shown again.
    #[schema(pattern = "^payout_[0-9a-f]{64}$")]
    token: &'a str,
}

impl<'a> ShownKeyBody<'a> {
    fn of(key: &'a ApiKey, token: &'a Token) -> Self {
        Self {
            key: key.into(),
            token: token.expose(),
        }
    }
}

/// Applies a change of the keys to this process at once. Other processes notice it within a second or two, and so would
/// this one.
pub(in crate::http) async fn spread(context: &Context) {
    if context.app_state.authenticator.keyring.refresh().await.is_err() {
        tracing::debug!("the change of a key is taken up by the next look");
    }
}

/// Logs the change, since keys have no audit trail.
pub(in crate::http) fn log(context: &Context, name: &KeyName, what: &'static str) {
    tracing::info!(
        key = name.as_str(),
        by = context.principal.name(),
        request_id = context.request_id.as_str(),
        "an API key was {what}"
    );
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::ExpiresInPast => {
                Self::invalid(Errors::of("expires_at", "Ensure that this lies in the future."))
            }
            KeysError::NoScopes => Self::invalid(Errors::of("scopes", "Give it at least one scope.")),
            KeysError::Store(ApiKeyError::NoPredecessor) => {
                Self::invalid(Errors::of("succeeds", "There is, and was, no key of this name."))
            }
            KeysError::Store(ApiKeyError::OtherOwner) => Self::invalid(Errors::of(
                "owner",
                "The key that it succeeds has another owner, or none: a key never passes to another person.",
            )),
            KeysError::Store(ApiKeyError::NameTaken) => Self::of(Kind::NameTaken),
            KeysError::Store(ApiKeyError::NotFound) => Self::new(Kind::NotFound, "There is no such key."),
            KeysError::Store(ApiKeyError::Dead) => Self::of(Kind::KeyDead),
            KeysError::Store(ApiKeyError::TooMany) => Self::of(Kind::TooManyKeys),
            KeysError::Store(error @ ApiKeyError::Unavailable(_)) => Self::new(
                Kind::Unavailable,
                "The database does not answer. The request may or may not have been done.",
            )
            .retry_after(1)
            .caused_by(error),
            error @ (KeysError::Store(_) | KeysError::NoSecret(_) | _) => Self::internal(Box::new(error)),
        }
    }
}
