//! What is measured, how often, and how long.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures the payout service beside what bounds it.
#[derive(Debug, Parser)]
#[command(name = "payout-bench", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole table, on servers of its own.
    Table(Table),
    /// Another build's creates, lists and drains beside this one's, in turn. Exits with 1 when one is slower than it may be.
    Compare(Compare),
    /// The same load on a server that runs already and has the same API. It creates payouts there.
    Http(Http),
    /// An HTTP server that answers a constant: the other side of a read.
    #[command(hide = true)]
    Constant {
        /// Where it listens.
        port: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    /// Ten million finished payouts in the large table, and not 200,000.
    #[arg(long)]
    pub(crate) full: bool,
    /// Only these parts of the table.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// How often each side is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// The document that takes the table, beside a folder for the pictures; nothing is written without.
    #[arg(long)]
    pub(crate) out: Option<std::path::PathBuf>,
    /// The payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The payout binary to compare with.
    pub(crate) before: std::path::PathBuf,
    /// How often each side is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// This build's payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

/// A group of rows that share what they run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Creates, beside pgbench's inserts.
    Creates,
    /// A backlog drained, beside pgbench's lives.
    Drains,
    /// Reads and writes with many rows, beside few.
    Sizes,
    /// SQLite, beside a commit a row.
    Sqlite,
    /// Reads by id, beside a constant.
    Constant,
    /// Memory, and the start.
    Footprint,
}

#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Such as `http://127.0.0.1:8000`.
    pub(crate) url: String,
    /// Connections at the same time; each number is a round of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    pub(crate) connections: Vec<usize>,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// An API key, where the server asks for one.
    #[arg(long, env = "PAYOUT_API_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// The sizes that follow from the arguments.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// How long a side runs in a round.
    pub(crate) round: Duration,
    pub(crate) few_rows: i64,
    pub(crate) many_rows: i64,
    pub(crate) backlog: i64,
    pub(crate) great_backlog: i64,
}

impl Plan {
    pub(crate) fn of(table: &Table) -> Self {
        Self::sized(table.rounds, table.full)
    }

    /// With ten million rows in the large table, or 200,000.
    pub(crate) fn sized(rounds: usize, full: bool) -> Self {
        Self {
            rounds: rounds.max(1),
            round: Duration::from_secs(3),
            few_rows: 10_000,
            many_rows: if full { 10_000_000 } else { 200_000 },
            backlog: 100_000,
            great_backlog: if full { 1_000_000 } else { 200_000 },
        }
    }
}
