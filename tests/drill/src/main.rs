//! The drill: a payout service in real processes, broken by plan, judged by its provider's ledger.
//!
//! - [`plan`] draws every fault from the seed; [`faults`] injects them into [`processes`], [`backing`], [`queue`] and [`proxy`].
//! - [`provider`] pays according to the seed's fault profile and keeps the [`ledger`]; [`vendors`] configures the
//!   stand-ins for real providers, which are processes too; [`clients`] and [`operators`] use the service.
//! - [`receivers`] of webhooks verify and record what they get, and follow the event feed; [`feed_judge`] judges both.
//! - [`judge`] checks the [`payments`] of all ledgers, the [`database`] and the clients' answers against the [`rules`];
//!   [`measure`], [`report`] and [`evidence`] present the results.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

mod api;
mod backing;
mod batch_judge;
mod batches;
mod chance;
mod clients;
mod clock;
mod database;
mod drill;
mod evidence;
mod fault_profile;
mod faults;
mod feed_judge;
mod http;
mod judge;
mod ledger;
mod ledger_state;
mod measure;
mod operators;
mod payments;
mod plan;
mod processes;
mod provider;
mod proxy;
mod queue;
mod receivers;
mod report;
mod rules;
mod settings;
mod trails;
mod vendors;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::{Arguments, Settings};

/// The result of a step; an error ends the drill with a message.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let drawn = || clock::now().timestamp_micros().unsigned_abs() % 1_000_000;
    let settings = Settings::new(&arguments, arguments.seed.unwrap_or_else(drawn));
    if arguments.plan {
        for planned in plan::plan(&settings) {
            println!("{:8.2} s  {}", planned.at.as_secs_f64(), planned.fault);
        }
        return ExitCode::SUCCESS;
    }
    match run(&arguments, &settings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("drill: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the drill, and returns whether the judge found nothing.
fn run(arguments: &Arguments, settings: &Settings) -> Outcome<bool> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => beside_this_program()?,
    };
    let folder = tempfile::Builder::new().prefix("payout-drill.").tempdir()?;
    // The user that PostgreSQL runs as must be able to enter the folder.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    let lingering = Linger;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::select! {
            outcome = drill::drill(settings, &binary, folder.path(), arguments.out.as_deref()) => outcome,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
            _ = hang_up.recv() => Err("hung up".into()),
        }
    });
    // Dropping the runtime kills the processes that still run, before their folder is deleted; after a panic too.
    drop(runtime);
    drop(lingering);
    if let Some(keep) = &arguments.keep {
        copy_files(folder.path(), keep)?;
    }
    outcome
}

/// Dropped between the processes and their folder: killed processes take a moment to release their files.
struct Linger;

impl Drop for Linger {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn beside_this_program() -> Outcome<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("payout");
    if !binary.exists() {
        return Err(format!("no {}: build it, or name it by --binary", binary.display()).into());
    }
    Ok(binary)
}

/// Copies the ledger and the logs, but not the database.
fn copy_files(from: &Path, to: &Path) -> Outcome<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
