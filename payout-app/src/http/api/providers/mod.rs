//! Providers over HTTP: operators list, pause and resume them, and they push notifications.

pub(crate) mod list;
pub(crate) mod notifications;
pub(crate) mod pause;
pub(crate) mod resume;

use payout_core::Timestamp;
use payout_core::access::Scope;
use payout_core::ports::{PausedProvider, RepositoryError};
use payout_core::provider::{Balance, ProviderName};
use payout_core::usecase::providers::{ListedProvider, ProvidersError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::time;
use crate::http::api::payouts::bodies::StepReason;
use crate::http::extract::json::BodyPolicy;
use crate::http::extract::path::PathPolicy;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the routes that change a provider.
const OPERATED: RoutePolicy = RoutePolicy {
    path: Some(PathPolicy::of::<ProviderName>()),
    body: Some(BodyPolicy::optional::<StepReason>()),
    ..RoutePolicy::scoped(&[Scope::Operate])
};

/// A provider that may make payments.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderBody<'a> {
    /// The name, as payouts show it in `provider`.
    #[schema(example = "adyen-eu")]
    name: &'a str,
    /// The kind.
    #[schema(example = "adyen")]
    kind: &'a str,
    /// The state, as this process sees it: `ok`; `slowed`: calls are limited, since the provider refuses more or has
    /// just recovered; `away`: it does not answer; `paused`: an operator paused it. A process without a worker sees that a
    /// provider is away in the list alone, when it has answered no call of any worker within two minutes.
    #[schema(example = "paused")]
    state: &'static str,
    /// The pause; null if the provider is not paused.
    #[schema(required = true)]
    paused: Option<PauseBody<'a>>,
}

/// The pause of a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderPause)]
pub(crate) struct PauseBody<'a> {
    /// The time since which the provider is paused.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    since: Timestamp,
    /// The operator that paused it.
    #[schema(example = "operations")]
    by: &'a str,
    /// The operator's reason.
    #[schema(required = true, example = "Maintenance at the provider until 06:00.")]
    reason: Option<&'a str>,
}

impl<'a> ProviderBody<'a> {
    fn of(provider: &'a ListedProvider, is_failing: bool, context: &Context) -> Self {
        let state = context.provider_state(provider, is_failing);
        Self {
            name: provider.name.as_str(),
            kind: provider.kind,
            state: state.as_str(),
            paused: provider.paused.as_ref().map(PauseBody::of),
        }
    }
}

/// The money with which a provider can pay in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = Balance)]
pub(crate) struct BalanceBody {
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The available amount; it may be negative.
    #[schema(pattern = r"^-?\d+(\.\d+)?$", example = "48250.00")]
    available: String,
}

impl BalanceBody {
    pub(crate) fn of(balance: &Balance) -> Self {
        Self {
            currency: balance.currency.code(),
            available: balance.available.to_string(),
        }
    }
}

impl<'a> PauseBody<'a> {
    fn of(paused: &'a PausedProvider) -> Self {
        Self {
            since: paused.since,
            by: paused.by.as_str(),
            reason: paused.reason.as_deref(),
        }
    }
}

/// Logs the change, since providers have no audit trail of their own.
pub(in crate::http) fn log(context: &Context, name: &ProviderName, reason: Option<&str>, what: &'static str) {
    tracing::info!(
        provider = name.as_str(),
        by = context.principal.name(),
        reason,
        request_id = context.request_id.as_str(),
        "a provider was {what}"
    );
}

/// Builds the 503 of a change that the store may or may not have made.
fn unavailable(error: RepositoryError) -> Problem {
    Problem::new(
        Kind::Unavailable,
        "The database does not answer. The request may or may not have been done: repeat it.",
    )
    .retry_after(1)
    .caused_by(error)
}

impl From<ProvidersError> for Problem {
    fn from(error: ProvidersError) -> Self {
        match error {
            ProvidersError::NotFound => Self::new(Kind::NotFound, "There is no such provider."),
            ProvidersError::Store(error @ RepositoryError::Unavailable(_)) => unavailable(error),
            error @ (ProvidersError::Store(_) | _) => Self::internal(Box::new(error)),
        }
    }
}
