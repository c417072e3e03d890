//! The command line: the commands, and an option for each row of the table.
//!
//! Everything arrives as text, and is read in the sections: clap's own messages name the option and not the variable, and
//! take several lines. clap does not read the environment either: it would keep copies of secrets.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};
use payout_adapters::Secret;

use super::batch_command::{BatchCommand, BatchImportCommand};
use super::export_command::ExportCommand;
use super::import_command::ImportCommand;
use super::keys_command::KeysCommand;
use super::providers_command::ProvidersCommand;
use super::reconcile_command::ReconcileCommand;
use super::table::{Row, SECTIONS, rows};
use super::values::Values;
use super::webhooks_command::WebhooksCommand;

/// Sends money, once: an HTTP API for payouts, and the worker that hands them to a payment provider.
///
/// Without a command it migrates the database, serves and works in one process. Every setting is a variable, also from a
/// file .env in the working folder; an option wins over its variable, and an empty variable counts as unset. A secret may
/// also be in a file, which the variable with _FILE after its name then names.
#[derive(Debug, Parser)]
#[command(name = "payout", version, args_override_self = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    /// After the database was restored from a backup: look each payout that was pending up at the provider before
    /// sending it
    #[arg(long, global = true, help_heading = "Recovery")]
    restored: bool,
}

/// A valid command line.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) command: Command,
    pub(super) restored: bool,
    pub(super) values: Values,
}

/// The command of the binary.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Migrate the database, serve and work in one process (the default)
    Run,
    /// Serve HTTP; another process works
    Serve,
    /// Send payouts; another process serves HTTP
    Worker,
    /// Bring the database's schema up to date, and exit
    Migrate,
    /// Make, list, revoke and rotate API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// List, pause, resume and check the providers of PAYOUT_PROVIDERS_FILE
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// Make, list, change, test and replay the endpoints of webhooks
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Print the OpenAPI document
    Openapi {
        /// In which form
        #[arg(long, value_enum, default_value_t = DocumentFormat::Yaml)]
        format: DocumentFormat,
    },
    /// Encrypt account numbers and names in the database
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// The earlier name of `encryption rotate`, which works for this release
    #[command(hide = true)]
    KeysRotate,
    /// Look at the settings, the database, the queue and the provider, and say what is wrong; exit 0 when nothing is
    Doctor {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Look up each payout of a period at the provider, and list every disagreement; exit 0 without one, 1 with one, 2 when
    /// that could not be determined
    Reconcile(ReconcileCommand),
    /// Write the payouts of a list to standard output, as they are at one moment; recipients are masked unless --reveal is
    /// given. Exit 0 when the file is whole, 1 when it was broken off, 2 when it did not begin
    Export(ExportCommand),
    /// Copy the SQLite file while others use it
    Backup {
        /// The copy, which must not be there yet
        file: PathBuf,
    },
    /// Store the payouts of a CSV file as a batch, all or none of them; exit 0 when they are stored, now or before, and 1
    /// when a row is wrong: standard output then names every wrong row, as CSV
    Import(BatchImportCommand),
    /// List, show, approve, reject, cancel and retry batches; exit 0 when everything is done, and 1 when a payout is
    /// refused or it is too late for all
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Import the payouts of the Django service that this one replaces, with their ids, states and times; payouts that were
    /// imported before stay as they are. Exit 0 when every row is here, 1 when one is refused or differs, 2 when it could not
    /// continue
    ImportDjango(ImportCommand),
    /// Ask the process that listens at PAYOUT_BIND whether it is ready; exit 0 when it is, 1 when not
    Healthcheck,
}

/// A command on the encryption of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum EncryptionCommand {
    /// Encrypt with the first of PAYOUT_ENCRYPTION_KEYS whatever another key or none was used for; safe while other
    /// processes run, and to be repeated when it was stopped
    Rotate,
}

/// The form in which the OpenAPI document is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// The commands and the options of every setting.
pub(super) fn command_line() -> clap::Command {
    SECTIONS.iter().fold(Line::command(), |line, section| {
        let options = section.rows.iter().map(option);
        line.args(options.map(|option| option.help_heading(section.title)))
    })
}

/// The option of a setting. Its value is text of any kind, kept as carefully as a secret.
fn option(row: &'static Row) -> Arg {
    let help = row.plain_help();
    let help = help.strip_suffix('.').unwrap_or(&help);
    let variables: Vec<&str> = row.variables().collect();
    let variables = format!("[env: {}]", variables.join(", or "));
    let default = match (row.default, row.unset) {
        ("", unset) => format!("[default: {unset}]"),
        (default, _) => format!("[default: {default}]"),
    };
    let see = match row.see {
        "" => String::new(),
        heading => format!(" (see {heading} in README)"),
    };
    Arg::new(row.option)
        .long(row.option)
        .global(true)
        .value_name(row.value)
        .value_parser(value_parser!(Secret))
        .help(format!("{help} {variables} {default}"))
        .long_help(format!("{help}{see}\n\n{variables}\n{default}"))
}

impl Arguments {
    /// Takes the options from the command line, and every other setting from the environment.
    pub(super) fn from_matches(matches: ArgMatches) -> Result<Self, clap::Error> {
        let given = |row: &'static Row| Some((row.option, matches.get_one::<Secret>(row.option)?.clone()));
        let values = Values::of_process(rows().filter_map(given).collect());
        let line = Line::from_arg_matches(&matches)?;
        Ok(Self {
            command: line.command.unwrap_or(Command::Run),
            restored: line.restored,
            values,
        })
    }
}
