//! Which options belong to which command. Every variable may be set for every process, since they share one environment; an
//! option is for one command, and one that would say nothing there is a mistake.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::StartError;
use super::arguments::Arguments;

const DATABASE: &[&str] = &["database_url"];
const LOG: &[&str] = &["log", "log_format", "sentry_dsn"];
const SEALING: &[&str] = &["encryption_keys"];
const KEYS: &[&str] = &["key_secret"];
const QUEUE: &[&str] = &["redis_url", "redis_prefix"];
const TRACES: &[&str] = &["otlp_endpoint"];
/// Of the API.
const SERVING: &[&str] = &[
    "bind",
    "auth",
    "money_limits",
    "docs",
    "require_idempotency_key",
    "rate_per_key",
    "rate_per_address",
    "max_in_flight",
    "max_body_bytes",
    "body_timeout_ms",
    "handler_timeout_ms",
    "trusted_proxies",
    "read_connections",
    "read_timeout_ms",
];
/// Of whatever listens.
const LISTENING: &[&str] = &["metrics_bind", "max_connections", "header_timeout_ms"];
const PROVIDER: &[&str] = &[
    "processor",
    "processor_url",
    "processor_token",
    "simulated_delay_ms",
    "simulated_failure_rate",
];
const WORKING: &[&str] = &[
    "worker_concurrency",
    "lease_ms",
    "call_timeout_ms",
    "sweep_ms",
    "backoff_base_ms",
    "backoff_cap_ms",
    "max_attempts",
    "key_window_hours",
];
const RESTORED: &[&str] = &["restored"];

/// The options of a command, by the names of their fields.
fn options(command: &str) -> &'static [&'static [&'static str]] {
    match command {
        "serve" => &[DATABASE, LOG, SEALING, KEYS, QUEUE, TRACES, SERVING, LISTENING],
        "worker" => &[
            DATABASE, LOG, SEALING, QUEUE, TRACES, LISTENING, PROVIDER, WORKING, RESTORED,
        ],
        "migrate" | "backup" => &[DATABASE, LOG],
        "keys" => &[DATABASE, LOG, KEYS],
        "keys-rotate" | "import-django" => &[DATABASE, LOG, SEALING],
        "doctor" => &[
            DATABASE, LOG, SEALING, KEYS, QUEUE, TRACES, SERVING, LISTENING, PROVIDER, WORKING,
        ],
        "reconcile" => &[DATABASE, LOG, SEALING, PROVIDER, WORKING],
        "healthcheck" => &[&["bind"]],
        "openapi" => &[],
        // The default, without a command's name.
        _ => &[
            DATABASE, LOG, SEALING, KEYS, QUEUE, TRACES, SERVING, LISTENING, PROVIDER, WORKING, RESTORED,
        ],
    }
}

fn belongs(option: &str, command: &str) -> bool {
    options(command).iter().any(|group| group.contains(&option))
}

/// An option that says nothing to the command that it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: says nothing to `payout {command}`, whose options are in `payout {command} --help`")]
pub struct MisplacedOption {
    /// The option, as it is written.
    pub option: String,
    /// The command.
    pub command: String,
}

/// The command line as clap reads it. What does not belong to a command is understood and not shown in its help.
pub(super) fn command_line() -> clap::Command {
    let mut line = <Arguments as CommandFactory>::command();
    let options: Vec<clap::Arg> = line
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .cloned()
        .collect();
    for command in line.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let others = options
            .iter()
            .filter(|option| !belongs(option.get_id().as_str(), &name));
        let hidden = others.map(|option| option.clone().hide(true));
        *command = command.clone().args(hidden.collect::<Vec<_>>());
    }
    line
}

/// Reads a command line.
///
/// # Errors
/// [`StartError::CommandLine`] when it is not understood, [`StartError::Misplaced`] for an option of another command.
pub(super) fn parse<I, T>(args: I) -> Result<Arguments, StartError>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let line = command_line();
    let mut matches = line.clone().try_get_matches_from(args)?;
    if let Some(command) = matches.subcommand_name()
        && let Some(misplaced) = misplaced(&line, &matches, command)
    {
        return Err(misplaced.into());
    }
    Ok(Arguments::from_arg_matches_mut(&mut matches)?)
}

fn misplaced(line: &clap::Command, matches: &ArgMatches, command: &str) -> Option<MisplacedOption> {
    let given = |option: &&clap::Arg| {
        option.is_global_set()
            && matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let stranger = line
        .get_arguments()
        .filter(given)
        .find(|option| !belongs(option.get_id().as_str(), command))?;
    Some(MisplacedOption {
        option: format!("--{}", stranger.get_long().unwrap_or_default()),
        command: command.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_place_and_every_place_an_option() {
        let line = command_line();
        let known: Vec<&str> = line
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(|argument| argument.get_id().as_str())
            .collect();
        for option in &known {
            assert!(belongs(option, "run"), "{option}");
        }
        for command in line.get_subcommands().map(clap::Command::get_name) {
            for option in options(command).iter().copied().flatten() {
                assert!(known.contains(option), "{option}");
            }
        }
    }

    #[test]
    fn an_option_of_another_command_is_refused_on_either_side() {
        for (args, option, command) in [
            (&["payout", "serve", "--restored"][..], "--restored", "serve"),
            (&["payout", "--restored", "doctor"], "--restored", "doctor"),
            (&["payout", "serve", "--lease-ms=9"], "--lease-ms", "serve"),
            (&["payout", "worker", "--bind=[::]:1"], "--bind", "worker"),
            (&["payout", "worker", "--docs=off"], "--docs", "worker"),
            (&["payout", "keys", "list", "--bind=x"], "--bind", "keys"),
            (
                &["payout", "keys", "--processor=http", "list"],
                "--processor",
                "keys",
            ),
            (&["payout", "--limits=USD=1", "openapi"], "--limits", "openapi"),
            (
                &["payout", "openapi", "--database-url=x"],
                "--database-url",
                "openapi",
            ),
            (
                &["payout", "migrate", "--encryption-keys=x"],
                "--encryption-keys",
                "migrate",
            ),
            (
                &["payout", "healthcheck", "--redis-url=x"],
                "--redis-url",
                "healthcheck",
            ),
            (&["payout", "backup", "x", "--sweep-ms=1"], "--sweep-ms", "backup"),
        ] {
            match parse(args) {
                Err(StartError::Misplaced(misplaced)) => {
                    assert_eq!(
                        (misplaced.option.as_str(), misplaced.command.as_str()),
                        (option, command)
                    );
                }
                other => panic!("{args:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_shows_what_belongs() {
        let mut line = command_line();
        line.build();
        let help = |name: &str| {
            let mut command = line.find_subcommand(name).unwrap().clone();
            command.render_long_help().to_string()
        };
        assert!(!help("openapi").contains("--database-url"));
        assert!(!help("serve").contains("--restored"));
        assert!(!help("worker").contains("--trusted-proxies"));
        assert!(help("worker").contains("--restored") && help("serve").contains("--trusted-proxies"));
        assert!(help("healthcheck").contains("--bind") && !help("healthcheck").contains("--log "));
        let keys = line.find_subcommand("keys").unwrap();
        let create = keys.find_subcommand("create").unwrap().clone().render_long_help();
        assert!(create.to_string().contains("--database-url") && !create.to_string().contains("--bind"));
    }
}
