//! Job queues on PostgreSQL, from npm: each drains jobs that do nothing, on the server that ours uses.

use std::path::PathBuf;

use tokio::process::Command;

use crate::Outcome;
use crate::database::Database;

/// The scripts, and the packages that they need.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rivals");

/// A queue, by the name of its package and its script.
#[derive(Clone, Copy)]
pub(crate) enum Rival {
    GraphileWorker,
    PgBoss,
}

impl Rival {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GraphileWorker => "graphile-worker",
            Self::PgBoss => "pg-boss",
        }
    }
}

/// Installs the packages.
pub(crate) async fn install() -> Outcome<()> {
    run(Command::new("npm").args(["install", "--no-audit", "--no-fund"])).await?;
    Ok(())
}

/// Jobs per second, from the start of one process's worker until no job is left.
pub(crate) async fn drain(rival: Rival, database: &Database, jobs: i64) -> Outcome<f64> {
    let script = PathBuf::from(FOLDER).join(format!("{}.mjs", rival.name()));
    let printed = run(Command::new("node")
        .arg(script)
        .arg(&database.url)
        .arg(jobs.to_string()))
    .await?;
    let rate = printed.lines().find_map(|line| line.strip_prefix("rate "));
    Ok(rate.ok_or("the script printed no rate")?.parse()?)
}

async fn run(command: &mut Command) -> Outcome<String> {
    let output = command.current_dir(FOLDER).output().await;
    let output = output.map_err(|error| format!("install Node.js with npm: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
