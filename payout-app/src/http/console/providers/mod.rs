//! `/console/providers/`: the providers, their state, the calls to them, their balances, and their pauses.

use askama::Template;
use payout_core::access::Scope;
use payout_core::provider::{Balance, ProviderName};
use payout_core::usecase::providers::{KnownBalances, ListedProvider, ProviderActivity};
use salvo::{Depot, Request, handler};

use super::format::{When, amount, count};
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
    /// The name; absent for the only provider of a service that names none, which cannot be paused.
    name: Option<String>,
    kind: &'static str,
    state: &'static str,
    tone: &'static str,
    about: &'static str,
    paused: Option<(String, When, String)>,
    calls: String,
    errors: String,
    /// The balances; none if the provider told none.
    balances: Vec<String>,
    no_balances: &'static str,
}

#[derive(Template)]
#[template(path = "providers/providers.html")]
struct ProvidersPage {
    shell: Shell,
    providers: Vec<Line>,
    may_operate: bool,
}

impl Line {
    fn of(activity: &ProviderActivity, listed: &[ListedProvider], context: &Context) -> Self {
        let listed = listed
            .iter()
            .find(|listed| Some(&listed.name) == activity.provider.as_ref());
        let state = match listed {
            Some(listed) => context.provider_state(listed, activity.calls.is_failing),
            None if activity.calls.is_failing => ProviderState::Away,
            None => ProviderState::Ok,
        };
        let (words, tone, about) = in_words(state);
        let (balances, no_balances) = match &activity.balances {
            KnownBalances::Told(balances) => (balances.as_slice(), "It has no balance."),
            KnownBalances::NotTold => (&[] as &[Balance], "This provider does not tell its balances."),
            KnownBalances::Unavailable => (&[] as &[Balance], "It did not answer when it was asked."),
        };
        Self {
            name: activity.provider.as_ref().map(ToString::to_string),
            kind: activity.kind,
            state: words,
            tone,
            about,
            paused: listed.and_then(|listed| listed.paused.as_ref()).map(|paused| {
                let reason = paused.reason.clone().unwrap_or_default();
                (paused.by.as_str().to_owned(), When(paused.since), reason)
            }),
            calls: count(activity.calls.calls),
            errors: count(activity.calls.errors),
            balances: balances
                .iter()
                .map(|balance| amount(balance.available, balance.currency))
                .collect(),
            no_balances,
        }
    }
}

/// Returns a state in a word, with its tone and a sentence about it.
fn in_words(state: ProviderState) -> (&'static str, &'static str, &'static str) {
    match state {
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
    }
}

/// Shows the providers.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let listed = context.providers()?.list().await?;
    let activity = context.provider_watch()?.activity().await?;
    let page = ProvidersPage {
        shell: Shell::of(request, depot, Place::Providers, "Providers")?,
        providers: activity
            .iter()
            .map(|activity| Line::of(activity, &listed, context))
            .collect(),
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
