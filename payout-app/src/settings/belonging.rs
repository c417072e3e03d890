//! Which options belong to which command. Every variable may be set for every process, since they share one environment; an
//! option is for one command, and one that would say nothing there is a mistake.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::StartError;
use super::arguments::{self, Arguments};
use super::table::{Part, rows};

/// The parts of the service that a command has.
fn parts(command: &str) -> &'static [Part] {
    use Part::{
        Address, Api, ApiKeys, Database, Encryption, Log, Provider, Providers, Queue, Restored, Server,
        Traces, Webhooks, Worker,
    };

    match command {
        "serve" => &[
            Database, Log, Encryption, ApiKeys, Queue, Traces, Address, Api, Server, Providers, Webhooks,
        ],
        "worker" => &[
            Database, Log, Encryption, Queue, Traces, Server, Provider, Providers, Worker, Webhooks, Restored,
        ],
        "migrate" | "backup" => &[Database, Log],
        "keys" => &[Database, Log, ApiKeys],
        "webhooks" => &[Database, Log, Encryption, Webhooks],
        "providers" => &[Database, Log, Encryption, Providers, Worker],
        "encryption" | "keys-rotate" | "import-django" | "export" => &[Database, Log, Encryption],
        "doctor" => &[
            Database, Log, Encryption, ApiKeys, Queue, Traces, Address, Api, Server, Provider, Providers,
            Worker, Webhooks,
        ],
        "import" | "batch" => &[Database, Log, Encryption, Queue, Api, Provider, Providers, Worker],
        "reconcile" => &[Database, Log, Encryption, Provider, Providers, Worker],
        "healthcheck" => &[Address],
        "openapi" => &[],
        // The default, without a command's name.
        _ => &[
            Database, Log, Encryption, ApiKeys, Queue, Traces, Address, Api, Server, Provider, Providers,
            Worker, Webhooks, Restored,
        ],
    }
}

/// Returns whether a command takes an option.
fn belongs(option: &str, command: &str) -> bool {
    let mut rows = rows().filter(|row| row.option == option);
    let part = rows.next().map_or(Part::Restored, |row| row.part);
    parts(command).contains(&part)
}

/// An option that says nothing to the command that it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: does not apply to `payout {command}`, whose options are in `payout {command} --help`")]
pub struct MisplacedOption {
    /// The option, as it is written.
    pub option: String,
    /// The command.
    pub command: String,
}

/// The command line as clap reads it. A command understands options of others, and does not show them in its help.
pub(super) fn command_line() -> clap::Command {
    let mut line = arguments::command_line();
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
    let matches = line.clone().try_get_matches_from(args)?;
    if let Some(command) = matches.subcommand_name()
        && let Some(misplaced) = misplaced(&line, &matches, command)
    {
        return Err(misplaced.into());
    }
    Ok(Arguments::from_matches(matches)?)
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
    fn without_a_command_every_option_is_taken() {
        for row in rows() {
            assert!(belongs(row.option, "run"), "{}", row.option);
        }
        assert!(belongs("restored", "run"));
    }

    #[test]
    fn every_command_is_known_by_its_parts() {
        let line = command_line();
        for command in line.get_subcommands().map(clap::Command::get_name) {
            let all = parts(command).len() == parts("run").len();
            assert_eq!(all, command == "run", "{command}");
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
