//! The checks of the providers.

use payout_core::payout::PayoutId;
use payout_core::provider::{LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderName};
use tokio::time::timeout;
use uuid::Uuid;

use super::checks::{PATIENCE, SEE_MESSAGE, goes_unencrypted};
use super::report::{Report, in_a_line};
use crate::keys_command::moment;
use crate::settings::providers::ConfiguredProvider;
use crate::settings::{Config, ProcessorConfig};
use crate::wiring::Ports;

/// Reports settings of the file's providers that are valid but seldom intended. Mistakes in the file are refused before
/// any check.
pub(super) fn settings(config: &Config, ports: &Ports, report: &mut Report) {
    let ProcessorConfig::Providers { file } = &config.processor else {
        return;
    };
    let says = match ports.providers.len() {
        1 => format!("{} names one provider", file.display()),
        count => format!("{} names {count} providers", file.display()),
    };
    report.ok("settings", says);
    for provider in &ports.providers {
        if provider.kind == "simulated" {
            let says = format!("{provider} is simulated: nobody is paid by it");
            report.warn("settings", says, "leave it out of the routes of real payments");
        }
        if provider.url.as_ref().is_some_and(goes_unencrypted) {
            let says = format!("payments are sent to {provider} unencrypted");
            report.warn("settings", says, "use https:// in its `url`");
        }
    }
}

/// Names the providers that are not configured, although payouts are due for them.
pub(super) async fn due(ports: &Ports, report: &mut Report) {
    let Some(states) = &ports.provider_states else {
        return;
    };
    let due = match timeout(PATIENCE, states.due_providers()).await {
        Ok(Ok(due)) => due,
        Ok(Err(error)) => return report.fail("providers", in_a_line(&error), SEE_MESSAGE),
        Err(_) => return report.warn("providers", "the database does not say in time", "ask again"),
    };
    let is_served = |name: &Option<ProviderName>| {
        let mut providers = ports.providers.iter();
        providers
            .any(|provider| provider.name == *name || (name.is_none() && provider.settings.adopts_unnamed))
    };
    for due in due.into_iter().filter(|due| !is_served(&due.name)) {
        let since = moment(due.since);
        match due.name {
            Some(name) => report.fail(
                "providers",
                format!(
                    "payouts of the provider {name}, which is not configured, have been due since {since}"
                ),
                "add it to PAYOUT_PROVIDERS_FILE again, until its payouts are settled",
            ),
            None => report.fail(
                "providers",
                format!("payouts that name no provider have been due since {since}"),
                "set `adopt_unnamed = true` for the provider that they were sent to",
            ),
        }
    }
}

/// Checks each provider.
pub(super) async fn answers(config: &Config, ports: &Ports, report: &mut Report) {
    for provider in &ports.providers {
        answer(config, provider, report).await;
    }
}

/// The remedies for what is wrong with a provider.
struct Remedies {
    address: &'static str,
    unknown_key: &'static str,
    credentials: &'static str,
    time: &'static str,
}

/// The remedies in a file of providers.
const FILE: Remedies = Remedies {
    address: "check its `url` in the file of providers, and that it can be reached from here",
    unknown_key: "check its `url` in the file of providers: a look-up of an unknown key must find nothing",
    credentials: "check its secrets in the file of providers",
    time: "check its `url` in the file of providers, or allow more by `call_timeout_ms`",
};

/// The remedies in the settings of the only provider.
const ONLY: Remedies = Remedies {
    address: "check PAYOUT_PROCESSOR_URL, and that the provider can be reached from here",
    unknown_key: "check PAYOUT_PROCESSOR_URL: a look-up of an unknown key must be answered with 404",
    credentials: "check PAYOUT_PROCESSOR_TOKEN",
    time: "check PAYOUT_PROCESSOR_URL, or allow more by PAYOUT_CALL_TIMEOUT_MS",
};

/// Looks up a key that no payout has, which the provider must not know. A server that knows it breaks the contract or
/// is not the provider.
async fn answer(config: &Config, provider: &ConfiguredProvider, report: &mut Report) {
    let remedies = if provider.name.is_some() { &FILE } else { &ONLY };
    if provider.kind == "simulated" {
        let says = format!("{provider}, within this process: there is nothing to ask");
        return report.ok("provider", says);
    }
    let nobody = PayoutId::from(Uuid::nil());
    let nobody = LookUp::of_key(ProcessorKey::new(nobody, None, 0), nobody);
    let patience = provider.call_timeout(config.worker.call_timeout);
    match timeout(patience, provider.processor.look_up(&nobody)).await {
        Ok(Ok(LookUpAnswer::Absent)) => report.ok(
            "provider",
            format!("{provider} answers, and does not know a key that no payout has"),
        ),
        Ok(Ok(LookUpAnswer::CannotTell { why })) => report.ok(
            "provider",
            format!("{provider} cannot tell by a key alone whether it has a payment: {why}"),
        ),
        Ok(Ok(LookUpAnswer::Found(_))) => report.fail(
            "provider",
            format!("{provider} claims to know a payment that was never sent"),
            remedies.unknown_key,
        ),
        Ok(Err(ProcessorError::Refused { why, .. })) => report.fail(
            "provider",
            format!("{provider} refuses: {why}"),
            remedies.credentials,
        ),
        Ok(Err(error @ (ProcessorError::NeverSent { .. } | ProcessorError::Unknown { .. }))) => {
            report.fail("provider", format!("{provider}: {error}"), remedies.address);
        }
        Ok(Err(error)) => report.fail("provider", format!("{provider}: {error}"), SEE_MESSAGE),
        Err(_) => report.fail(
            "provider",
            format!("{provider} does not answer within {} ms", patience.as_millis()),
            remedies.time,
        ),
    }
}
