//! `/console/providers/`: the providers, their state, and their pauses.

use askama::Template;
use payout_core::access::Scope;
use payout_core::provider::ProviderName;
use salvo::{Depot, Request, handler};

use super::format::When;
use super::html::Reply;
use super::posted::Posted;
use super::shell::{Place, Shell};
use crate::health::ProviderState;
use crate::http::api::providers::log;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// A provider.
struct Line {
    name: String,
    kind: &'static str,
    state: &'static str,
    tone: &'static str,
    about: &'static str,
    paused: Option<(String, When, String)>,
}

#[derive(Template)]
#[template(path = "providers/providers.html")]
struct ProvidersPage {
    shell: Shell,
    providers: Vec<Line>,
    may_operate: bool,
}

/// Shows the providers.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let listed = context.providers()?.list().await?;
    let line = |provider: &payout_core::usecase::providers::ListedProvider| {
        let state = match &provider.paused {
            Some(_) => ProviderState::Paused,
            None => context.app_state.health.provider_state(&provider.name),
        };
        let (words, tone, about) = match state {
            ProviderState::Ok => ("Working", "good", "It is called at full speed."),
            ProviderState::Slowed => (
                "Slowed",
                "warn",
                "It refuses more calls, or has just recovered: calls are limited.",
            ),
            ProviderState::Away => (
                "Away",
                "bad",
                "It does not answer. Its payouts wait, and it is tried about once a second.",
            ),
            ProviderState::Paused => ("Paused", "warn", "No worker calls it. Its payouts wait."),
        };
        Line {
            name: provider.name.to_string(),
            kind: provider.kind,
            state: words,
            tone,
            about,
            paused: provider.paused.as_ref().map(|paused| {
                let reason = paused.reason.clone().unwrap_or_default();
                (paused.by.as_str().to_owned(), When(paused.since), reason)
            }),
        }
    };
    let page = ProvidersPage {
        shell: Shell::of(request, depot, Place::Providers, "Providers")?,
        providers: listed.iter().map(line).collect(),
        may_operate: context.principal.may(Scope::Operate),
    };
    Reply::page(&page)
}

/// Pauses a provider.
#[handler]
pub(super) async fn pause(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let name = path::<ProviderName>(request)?;
    let context = Context::of(depot)?;
    let caller = context.caller(Posted::of(depot)?.reason());
    if caller.reason.is_none() {
        return Err(Problem::invalid(Errors::of(
            "reason",
            "Say why: others see it here.",
        )));
    }
    context.providers()?.pause(&name, &caller).await?;
    log(context, &name, caller.reason.as_deref(), "paused");
    Ok(Reply::go("/console/providers/?done=paused"))
}

/// Resumes a provider.
#[handler]
pub(super) async fn resume(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let name = path::<ProviderName>(request)?;
    let context = Context::of(depot)?;
    let caller = context.caller(Posted::of(depot)?.reason());
    context.providers()?.resume(&name, &caller).await?;
    log(context, &name, caller.reason.as_deref(), "resumed");
    Ok(Reply::go("/console/providers/?done=resumed"))
}
