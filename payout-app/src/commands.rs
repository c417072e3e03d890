//! The commands of the binary. Each ends with an exit code: 0 on success, 2 if a setting is wrong, 1 for any other
//! failure.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use payout_adapters::telemetry::sentry::SentryReporter;
use payout_core::ports::System;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::app::App;
use crate::failure::AppError;
use crate::keys_rotate::RotationError;
use crate::providers_command::Refusal;
use crate::settings::{
    Command, Config, DocumentFormat, EncryptionCommand, ExportCommand, ImportCommand, ProvidersCommand,
    ReconcileCommand, StartError,
};
use crate::unusable::Unusable;
use crate::{
    batch_command, doctor, healthcheck, http, keys_command, keys_rotate, logging, providers_command,
    schema_ready, service_manager, webhooks_command, wiring,
};

const WRONG_SETTING: u8 = 2;
const FAILED: u8 = 1;
/// The time that `payout migrate` waits for the database.
const DATABASE: Duration = Duration::from_secs(60);

/// The time limit for sending the last error reports.
const REPORTS: Duration = Duration::from_secs(2);

/// Runs the command that the command line and the environment specify.
pub fn main() -> ExitCode {
    match Config::without_settings(std::env::args_os()) {
        Ok(Some(format)) => return print_document(format),
        Ok(None) => (),
        Err(answer) => return print_answer(&answer),
    }
    if let Err(error) = Config::load_dotenv() {
        return refuse(WRONG_SETTING, &error);
    }
    let config = match Config::from_args(std::env::args_os(), &System::default()) {
        Ok(config) => config,
        Err(StartError::CommandLine(error)) => return print_answer(&error),
        Err(error) => return refuse(WRONG_SETTING, &error),
    };
    #[cfg(feature = "crash-points")]
    if let Err(error) = Config::arm_crash_point() {
        return refuse(WRONG_SETTING, &error);
    }
    if let Some(path) = needs_database(&config.command)
        .then(|| config.database.missing())
        .flatten()
    {
        let line = format!(
            "DATABASE_URL: there is no file {}; go to the folder of its file or name it, or make it: payout migrate",
            path.display()
        );
        return refuse(code_of_missing(&config.command), &line);
    }
    match &config.command {
        Command::Openapi { format } => print_document(*format),
        Command::Healthcheck => check_health(&config),
        Command::Doctor { json } => in_runtime(&config, examine(&config, *json)),
        Command::Keys(command) => in_runtime(&config, async {
            match keys_command::run(&config, command).await {
                Ok(code) => code,
                Err(line) => refuse(FAILED, &line),
            }
        }),
        Command::Providers(ProvidersCommand::Check) => in_runtime(&config, async {
            match doctor::examine_providers(&config).await {
                Ok(code) => code,
                Err(error) => refuse(WRONG_SETTING, &error),
            }
        }),
        Command::Providers(command) => in_runtime(&config, async {
            match providers_command::run(&config, command).await {
                Ok(code) => code,
                Err(Refusal::Setting(error)) => refuse(WRONG_SETTING, &error),
                Err(Refusal::Failed(line)) => refuse(FAILED, &line),
            }
        }),
        Command::Webhooks(command) => in_runtime(&config, async {
            match webhooks_command::run(&config, command).await {
                Ok(code) => code,
                Err(line) => refuse(FAILED, &line),
            }
        }),
        Command::Encryption(EncryptionCommand::Rotate) => in_runtime(&config, rotate(&config)),
        Command::KeysRotate => {
            let line =
                "keys-rotate is now `payout encryption rotate`; the next release no longer has this name";
            let _ = writeln!(io::stderr(), "payout: {line}");
            in_runtime(&config, rotate(&config))
        }
        Command::Reconcile(command) => in_runtime(&config, reconcile(&config, *command)),
        Command::Export(command) => in_runtime(&config, export(&config, command)),
        Command::ImportDjango(command) => in_runtime(&config, import(&config, command)),
        Command::Import(command) => in_runtime(&config, async {
            batch_code(batch_command::import(&config, command).await)
        }),
        Command::Batch(command) => in_runtime(&config, async {
            batch_code(batch_command::run(&config, command).await)
        }),
        Command::Backup { file } => in_runtime(&config, backup(&config, file)),
        Command::Migrate => in_runtime(&config, migrate(&config)),
        Command::Run | Command::Serve | Command::Worker => in_runtime(&config, run(config.clone())),
    }
}

/// Returns whether a command needs an existing database. Such a command does not create one and finds nothing in an
/// empty one.
fn needs_database(command: &Command) -> bool {
    match command {
        Command::Keys(_)
        | Command::Webhooks(_)
        | Command::Providers(
            ProvidersCommand::List | ProvidersCommand::Pause { .. } | ProvidersCommand::Resume { .. },
        )
        | Command::Encryption(EncryptionCommand::Rotate)
        | Command::KeysRotate
        | Command::Reconcile(_)
        | Command::Import(_)
        | Command::Batch(_)
        | Command::Export(_)
        | Command::Backup { .. } => true,
        // `doctor` reports it among its other results, and an import by an exit code of its own.
        Command::Doctor { .. }
        | Command::Providers(ProvidersCommand::Check)
        | Command::ImportDjango(_)
        | Command::Run
        | Command::Serve
        | Command::Worker
        | Command::Migrate
        | Command::Openapi { .. }
        | Command::Healthcheck => false,
    }
}

/// `payout reconcile` uses the exit code 1 for disagreements, and `payout export` for a file that is not whole.
fn code_of_missing(command: &Command) -> u8 {
    if matches!(command, Command::Reconcile(_) | Command::Export(_)) {
        WRONG_SETTING
    } else {
        FAILED
    }
}

/// Prints the help or the version, or clap's error about the command line.
fn print_answer(answer: &clap::Error) -> ExitCode {
    let _ = answer.print();
    ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(WRONG_SETTING))
}

/// Prints one line on standard error.
fn refuse(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let line = error.to_string().replace(['\n', '\r'], " ");
    let _ = writeln!(io::stderr(), "payout: {line}");
    ExitCode::from(code)
}

fn in_runtime(config: &Config, command: impl Future<Output = ExitCode>) -> ExitCode {
    let (reporter, sending) = match config
        .sentry
        .as_ref()
        .map(|dsn| SentryReporter::new(dsn, config.worker.name.as_str()))
    {
        Some(Ok((reporter, sending))) => (Some(reporter), Some(sending)),
        Some(Err(error)) => return refuse(WRONG_SETTING, &format!("SENTRY_DSN: {error}")),
        None => (None, None),
    };
    logging::install(&config.log, reporter.clone());
    match runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            if let Some(sending) = sending {
                runtime.spawn(sending.run());
            }
            let code = runtime.block_on(async {
                let code = command.await;
                if let Some(reporter) = reporter {
                    let _ = timeout(REPORTS, reporter.flush()).await;
                }
                code
            });
            // A blocking task that is still running, such as a name lookup, does not delay the exit.
            runtime.shutdown_background();
            code
        }
        Err(error) => refuse(FAILED, &error),
    }
}

async fn run(config: Config) -> ExitCode {
    let signals = || Ok::<_, io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
    let (mut terminate, mut interrupt) = match signals() {
        Ok(signals) => signals,
        Err(error) => return refuse(FAILED, &error),
    };
    let mut running = match App::start(config).await {
        Ok(running) => running,
        Err(AppError::Setting(error)) => return refuse(WRONG_SETTING, &error),
        Err(error) => return refuse(FAILED, &error),
    };
    let failed = tokio::select! {
        () = told_to_stop(&mut terminate, &mut interrupt) => None,
        error = service_manager::watch(&mut running) => Some(error),
    };
    service_manager::stopping();
    if failed.is_none() {
        tracing::info!("stopping: running work may finish; a second signal stops it at once");
    }
    tokio::select! {
        () = running.shutdown() => (),
        () = told_to_stop(&mut terminate, &mut interrupt) => {
            tracing::warn!("stopped at once; unfinished payouts are taken over when their leases end");
            return ExitCode::from(FAILED);
        }
    }
    match failed {
        Some(error) => refuse(FAILED, &error),
        None => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
    }
}

async fn told_to_stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
}

async fn migrate(config: &Config) -> ExitCode {
    let store = match wiring::store(config) {
        Ok(store) => store,
        Err(error) => return refuse(WRONG_SETTING, &error),
    };
    let migrated = timeout(DATABASE, schema_ready::migrated(&store, &config.database, None)).await;
    let _ = timeout(Duration::from_secs(2), store.close()).await;
    match migrated {
        Ok(Ok(())) => {
            tracing::info!(database = %config.database, "the schema is current");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => refuse(FAILED, &error),
        Err(_) => {
            let line = format!(
                "{} does not answer, {} seconds long",
                config.database,
                DATABASE.as_secs()
            );
            refuse(FAILED, &line)
        }
    }
}

async fn examine(config: &Config, json: bool) -> ExitCode {
    match doctor::examine(config, json).await {
        Ok(code) => code,
        Err(error) => refuse(WRONG_SETTING, &error),
    }
}

async fn rotate(config: &Config) -> ExitCode {
    let store = match wiring::store(config) {
        Ok(store) => store,
        Err(error) => return refuse(WRONG_SETTING, &error),
    };
    let rotated = keys_rotate::rotate(&store, &System::default()).await;
    let _ = timeout(Duration::from_secs(2), store.close()).await;
    match rotated {
        Ok(()) => ExitCode::SUCCESS,
        Err(RotationError::Database(error)) => {
            let unusable = Unusable::new(&config.database, &error);
            refuse(
                FAILED,
                &format!("{unusable}; what was sealed stays so, repeat this"),
            )
        }
        Err(error) => refuse(FAILED, &error),
    }
}

async fn reconcile(config: &Config, command: ReconcileCommand) -> ExitCode {
    match crate::reconcile::reconcile(config, command).await {
        Ok(code) => code,
        // The exit code 1 means that the store and the provider disagree.
        Err(error) => refuse(WRONG_SETTING, &error),
    }
}

async fn import(config: &Config, command: &ImportCommand) -> ExitCode {
    match crate::import::import(config, command).await {
        Ok(code) => code,
        // The exit code 1 means that some rows were refused.
        Err(error) => refuse(WRONG_SETTING, &error),
    }
}

fn batch_code(done: Result<ExitCode, batch_command::Refusal>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(batch_command::Refusal::Setting(error)) => refuse(WRONG_SETTING, &error),
        Err(batch_command::Refusal::Failed(line)) => refuse(FAILED, &line),
    }
}

async fn export(config: &Config, command: &ExportCommand) -> ExitCode {
    match crate::export::command::export(config, command).await {
        Ok(code) => code,
        // The exit code 1 means that the export was broken off.
        Err(error) => refuse(WRONG_SETTING, &error),
    }
}

async fn backup(config: &Config, file: &Path) -> ExitCode {
    match crate::backup::backup(config, file).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(FAILED, &error),
    }
}

fn print_document(format: DocumentFormat) -> ExitCode {
    let document = http::document();
    let text = match format {
        DocumentFormat::Yaml => http::yaml(&document),
        DocumentFormat::Json => document
            .to_pretty_json()
            .map(|text| text + "\n")
            .map_err(|error| error.to_string()),
    };
    match text.and_then(|text| {
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string())
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(FAILED, &error),
    }
}

fn check_health(config: &Config) -> ExitCode {
    match healthcheck::is_ready(config.bind) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => refuse(FAILED, &format!("{} is not ready", config.bind)),
        Err(error) => refuse(FAILED, &format!("{} does not answer: {error}", config.bind)),
    }
}
