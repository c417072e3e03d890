//! The commands `payout providers …`. They work on the database directly, so its credentials are what authorizes them.

use std::process::ExitCode;

use payout_core::payout::Caller;
use payout_core::ports::RepositoryError;
use payout_core::provider::ProviderName;
use payout_core::usecase::providers::{ListedProvider, Providers, ProvidersError};

use crate::keys_command::moment;
use crate::settings::{Config, ConfigError, Database, ProcessorConfig, ProvidersCommand};
use crate::store_command;
use crate::unusable::Unusable;
use crate::wiring::Ports;

/// The actor of these commands. No API key can have this name.
const ACTOR: &str = "payout providers";

/// The reason why a command was not done.
pub(crate) enum Refusal {
    /// A setting is wrong.
    Setting(ConfigError),
    /// One line for any other reason.
    Failed(String),
}

/// Refuses settings without a file of providers, in which no provider has a name.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn needs_file(config: &Config) -> Result<(), ConfigError> {
    match config.processor {
        ProcessorConfig::Providers { .. } => Ok(()),
        ProcessorConfig::Simulated { .. } | ProcessorConfig::Http { .. } => Err(ConfigError {
            variable: "PAYOUT_PROVIDERS_FILE",
            message: "is needed: without it there is only one provider, which has no name".to_owned(),
        }),
    }
}

/// Runs the command.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn run(config: &Config, command: &ProvidersCommand) -> Result<ExitCode, Refusal> {
    needs_file(config).map_err(Refusal::Setting)?;
    let ports = Ports::new(config).map_err(Refusal::Setting)?;
    let providers = ports.provider_use_cases();
    let answer = async {
        let answered = answer(&providers, command).await;
        answered.map_err(|error| in_words(&config.database, &providers, &error))
    };
    store_command::run(config, &ports, answer)
        .await
        .map_err(Refusal::Failed)
}

async fn answer(providers: &Providers, command: &ProvidersCommand) -> Result<String, ProvidersError> {
    let caller = Caller::named(ACTOR);
    let log = |name: &ProviderName, reason: Option<&str>, what: &str| {
        tracing::info!(
            provider = name.as_str(),
            reason,
            "{what}; workers know within about a second"
        );
    };
    match command {
        ProvidersCommand::List | ProvidersCommand::Check => Ok(table(&providers.list().await?)),
        ProvidersCommand::Pause { name, reason } => {
            let caller = match reason {
                Some(reason) => caller.because(reason),
                None => caller,
            };
            let provider = providers.pause(name, &caller).await?;
            log(name, caller.reason.as_deref(), "paused");
            Ok(table(&[provider]))
        }
        ProvidersCommand::Resume { name } => {
            let provider = providers.resume(name, &caller).await?;
            log(name, None, "resumed");
            Ok(table(&[provider]))
        }
    }
}

fn table(providers: &[ListedProvider]) -> String {
    let row = |cells: [&str; 5]| {
        let [name, kind, since, by, reason] = cells;
        let line = format!("{name:<24} {kind:<12} {since:<21} {by:<24} {reason}");
        format!("{}\n", line.trim_end())
    };
    let mut text = row(["NAME", "KIND", "PAUSED SINCE", "BY", "REASON"]);
    for provider in providers {
        let paused = provider.paused.as_ref();
        text.push_str(&row([
            provider.name.as_str(),
            provider.kind,
            &paused.map_or_else(|| "-".to_owned(), |paused| moment(paused.since)),
            paused.map_or("-", |paused| paused.by.as_str()),
            paused
                .and_then(|paused| paused.reason.as_deref())
                .unwrap_or_default(),
        ]));
    }
    text
}

fn in_words(database: &Database, providers: &Providers, error: &ProvidersError) -> String {
    match error {
        ProvidersError::NotFound => {
            let names: Vec<&str> = providers
                .known()
                .iter()
                .map(|known| known.name.as_str())
                .collect();
            format!("there is no such provider; the file has {}", names.join(", "))
        }
        ProvidersError::Store(error @ RepositoryError::Unavailable(_)) => {
            Unusable::new(database, error).to_string()
        }
        error @ (ProvidersError::Store(_) | _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use payout_core::Timestamp;
    use payout_core::payout::Actor;
    use payout_core::ports::PausedProvider;

    use super::*;

    #[test]
    fn the_list_shows_who_paused_a_provider_and_why() {
        let name = |text: &str| ProviderName::new(text).unwrap();
        let listed = [
            ListedProvider {
                name: name("adyen-eu"),
                kind: "adyen",
                paused: Some(PausedProvider {
                    name: name("adyen-eu"),
                    since: Timestamp::UNIX_EPOCH,
                    by: Actor::new("operations"),
                    reason: Some("Maintenance".to_owned()),
                }),
            },
            ListedProvider {
                name: name("bank"),
                kind: "http",
                paused: None,
            },
        ];
        let text = table(&listed);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected = [
            "adyen-eu",
            "adyen",
            "1970-01-01T00:00:00Z",
            "operations",
            "Maintenance",
        ];
        assert_eq!(lines[1], expected);
        assert_eq!(lines[2], ["bank", "http", "-", "-"]);
    }

    #[test]
    fn without_a_file_no_provider_has_a_name() {
        let refused = needs_file(&Config::default()).unwrap_err();
        assert_eq!(refused.variable, "PAYOUT_PROVIDERS_FILE");
    }
}
