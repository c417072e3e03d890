//! Measures the payout service beside its bounds: the database, the disk, the HTTP library.
//!
//! - [`mod@run`] has the servers and the plan; [`creates`], [`drains`], [`sizes`], [`floors`] and [`footprint`] measure
//!   the rows of the [`table`], both sides alternately; [`report`] and [`plot`] write the results.
//! - [`load`] produces the HTTP load, and [`pgbench`] the other side's; [`service`] and [`database`] are the systems
//!   under load.
//! - [`compare`] compares another build with this one.
//! - [`providers`] measures providers beside each other, and their limits of calls per second.
//! - [`webhooks`] measures deliveries at a rate of payouts, and [`streams`] the readers of the live stream.
//! - [`batches`] measures batches of many rows, and exports; [`large`] measures reads of a large table.
//! - [`options`] measures creates with each queue and each option.
//! - [`operators`] measures what open pages of the console cost.
//! - [`http`] runs the same load on a server that already runs.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures on a terminal"
)]

mod batches;
mod clock;
mod compare;
mod creates;
mod database;
mod drains;
mod floors;
mod footprint;
mod http;
mod large;
mod load;
mod operators;
mod options;
mod pgbench;
mod plot;
mod providers;
mod report;
mod rivals;
mod run;
mod service;
mod settings;
mod sizes;
mod streams;
mod table;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use payout_tests::store::Folder;

use crate::report::Report;
use crate::run::Run;
use crate::service::Services;
use crate::settings::{Arguments, Command, Compare, Part, Plan, Table};
use crate::table::Row;

/// The result of a step; an error ends the benchmark with a message.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Outcome<()> {
    match command {
        Command::Constant { port } => {
            // A thread for each core, as in the service.
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(floors::serve_constant(*port))
        }
        Command::Table(table) => one_thread()?.block_on(measure(table)),
        Command::Compare(compare) => one_thread()?.block_on(compared(compare)),
        Command::Providers(providers) => one_thread()?.block_on(of_providers(providers)),
        Command::Webhooks(webhooks) => one_thread()?.block_on(of_webhooks(webhooks)),
        Command::Batches(batches) => one_thread()?.block_on(of_batches(batches)),
        Command::Large(large) => one_thread()?.block_on(of_large(large)),
        Command::Options(options) => one_thread()?.block_on(of_options(options)),
        Command::Streams(streams) => one_thread()?.block_on(of_streams(streams)),
        Command::Http(http) => {
            println!("{}", one_thread()?.block_on(http::measure(http))?);
            Ok(())
        }
    }
}

/// Builds a runtime with one thread: the load has its own threads, and the rest only waits.
fn one_thread() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

async fn compared(compare: &Compare) -> Outcome<()> {
    let folder = Folder::new();
    let ours = services(compare.binary.as_ref(), &folder)?;
    let before = services(Some(&compare.before), &folder)?;
    let run = Run::start(ours, Plan::sized(compare.rounds, false)).await?;
    judged(&compare::measure(&run, &before).await?)
}

async fn of_providers(arguments: &settings::Rounds) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(arguments.rounds, false)).await?;
    judged(&providers::measure(&run).await?)
}

async fn of_webhooks(arguments: &settings::Webhooks) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(arguments.rounds, false)).await?;
    let sizes = webhooks::Sizes {
        rate: f64::from(arguments.rate),
        duration: Duration::from_secs(arguments.seconds),
        backlog: arguments.backlog,
    };
    judged(&webhooks::measure(&run, sizes).await?)
}

async fn of_batches(arguments: &settings::Batches) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(arguments.rounds, false)).await?;
    let sizes = batches::Sizes {
        rows: arguments.rows,
        exported: arguments.exported,
    };
    judged(&batches::measure(&run, sizes).await?)
}

async fn of_large(arguments: &settings::Large) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(arguments.rounds, false)).await?;
    judged(&large::measure(&run, arguments.payouts).await?)
}

async fn of_options(arguments: &settings::Rounds) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(arguments.rounds, false)).await?;
    judged(&options::measure(&run).await?)
}

async fn of_streams(arguments: &settings::Streams) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(arguments.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::sized(1, false)).await?;
    let mut rows = streams::measure(&run, arguments.readers).await?;
    rows.extend(operators::measure(&run, arguments.operators).await?);
    judged(&rows)
}

/// Prints the rows; an error counts those that missed their targets.
fn judged(rows: &[Row]) -> Outcome<()> {
    println!("{}", table::markdown(rows));
    let missed = rows.iter().filter(|row| !row.reached()).count();
    if missed == 0 {
        Ok(())
    } else {
        Err(format!("{missed} of {} rows missed their targets", rows.len()).into())
    }
}

/// Returns this binary's processes. Without a binary, they are those of the program that was built with this one.
fn services(binary: Option<&PathBuf>, folder: &Folder) -> Outcome<Services> {
    let binary = match binary {
        Some(binary) => binary.clone(),
        None => beside_this_program()?,
    };
    Ok(Services {
        binary: binary.to_string_lossy().into_owned(),
        folder: folder.path().to_owned(),
    })
}

async fn measure(table: &Table) -> Outcome<()> {
    let folder = Folder::new();
    let services = services(table.binary.as_ref(), &folder)?;
    let run = Run::start(services, Plan::of(table)).await?;
    let wants = |part| table.only.is_empty() || table.only.contains(&part);
    let mut report = Report::new(&run).await?;
    if wants(Part::Creates) {
        let (rows, curves) = creates::measure(&run).await?;
        report.rows.extend(rows);
        report.curves = Some(curves);
    }
    if wants(Part::Drains) {
        report.rows.extend(drains::measure(&run).await?);
    }
    if wants(Part::Sizes) {
        let (rows, latencies) = sizes::measure(&run).await?;
        report.rows.extend(rows);
        report.latencies = latencies;
    }
    if wants(Part::Sqlite) {
        report.rows.extend(floors::sqlite(&run).await?);
    }
    if wants(Part::Constant) {
        report.rows.extend(floors::reads(&run).await?);
    }
    if wants(Part::Footprint) {
        report.rows.extend(footprint::measure(&run).await?);
    }
    println!("{}", report.text());
    if let Some(out) = &table.out {
        report.write(out)?;
    }
    Ok(())
}

fn beside_this_program() -> Outcome<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("payout");
    if !binary.exists() {
        return Err(format!("no {}: build it, or name it by --binary", binary.display()).into());
    }
    Ok(binary)
}
