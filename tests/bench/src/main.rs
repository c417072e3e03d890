//! Measures the payout service beside what bounds it: the database, the disk, the HTTP library.
//!
//! - [`mod@run`] has the servers and the plan; [`creates`], [`drains`], [`sizes`], [`floors`] and [`footprint`] measure the rows
//!   of the [`table`], the two sides in turn; [`report`] and [`plot`] keep them.
//! - [`load`] is the HTTP load, [`pgbench`] the other side's; [`service`] and [`database`] are what they meet.
//! - [`http`] is the same load on a server that runs already.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures on a terminal"
)]

mod clock;
mod creates;
mod database;
mod drains;
mod floors;
mod footprint;
mod http;
mod load;
mod pgbench;
mod plot;
mod report;
mod run;
mod service;
mod settings;
mod sizes;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use payout_tests::store::Folder;

use crate::report::Report;
use crate::run::Run;
use crate::service::Services;
use crate::settings::{Arguments, Command, Part, Plan, Table};

/// A benchmark that cannot go on says why, and that is all.
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
            // As the service has it: a thread for each core.
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(floors::serve_constant(*port))
        }
        Command::Table(table) => one_thread()?.block_on(measure(table)),
        Command::Http(http) => {
            println!("{}", one_thread()?.block_on(http::measure(http))?);
            Ok(())
        }
    }
}

/// The load has threads of its own; all else is waiting.
fn one_thread() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

async fn measure(table: &Table) -> Outcome<()> {
    let binary = match &table.binary {
        Some(binary) => binary.clone(),
        None => beside_this_program()?,
    };
    let folder = Folder::new();
    let services = Services {
        binary: binary.to_string_lossy().into_owned(),
        folder: folder.path().to_owned(),
    };
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
