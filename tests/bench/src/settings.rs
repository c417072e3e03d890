//! The command line: what is measured, how often, and for how long.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures the payout service beside its bounds.
#[derive(Debug, Parser)]
#[command(name = "payout-bench", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures the whole table, on servers of its own.
    Table(Table),
    /// Measures another build's creates, lists and drains beside this one's, alternately. Exits with 1 when one is
    /// slower than allowed.
    Compare(Compare),
    /// Measures providers beside each other and their limits of calls per second. Exits with 1 when a target is missed.
    Providers(Rounds),
    /// Measures deliveries of webhooks at a rate of payouts, and the worker's rate with and without them. Exits with 1
    /// when a target is missed.
    Webhooks(Webhooks),
    /// Measures batches of many rows beside COPY, and what single payouts feel of them, and exports. Exits with 1 when a
    /// target is missed.
    Batches(Batches),
    /// Measures reads of a large table: statistics, the console's lists beside the API's, and the feed. Exits with 1 when
    /// a target is missed.
    Large(Large),
    /// Measures the memory of a server with many readers of the live stream, and its processor time with many operators. Exits with 1 when a target is missed.
    Streams(Streams),
    /// Measures creates with each queue and each option, and the time until a worker claims a payout. Exits with 1 when a
    /// target is missed.
    Options(Rounds),
    /// Runs the load on a server that already runs and has the same API. It creates payouts there.
    Http(Http),
    /// Runs an HTTP server that answers a constant: the other side of a read.
    #[command(hide = true)]
    Constant {
        /// Port to listen on.
        port: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    /// Fill the large table with ten million finished payouts instead of 200,000.
    #[arg(long)]
    pub(crate) full: bool,
    /// Measure only these parts of the table.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Number of rounds in which each side is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Document that receives the table, beside a folder for the plots; nothing is written when omitted.
    #[arg(long)]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Payout binary to compare with.
    pub(crate) before: std::path::PathBuf,
    /// Number of rounds in which each side is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// This build's payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Rounds {
    /// Number of rounds in which each side is measured.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Webhooks {
    /// Payouts that are created per second.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// Duration of each measurement of latencies.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Number of payouts that are drained with and without endpoints.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) backlog: i64,
    /// Number of rounds.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Batches {
    /// Rows of each batch.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) rows: usize,
    /// Payouts of the export.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) exported: i64,
    /// Number of rounds.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Large {
    /// Number of payouts, each with three events.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) payouts: i64,
    /// Number of rounds.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Number of readers.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) readers: u64,
    /// Number of operators who have the live list open.
    #[arg(long, default_value_t = 200)]
    pub(crate) operators: usize,
    /// Payout binary, when it is not beside this one.
    #[arg(long)]
    pub(crate) binary: Option<std::path::PathBuf>,
}

/// A group of rows that share their servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Creates, beside pgbench's inserts.
    Creates,
    /// A drained backlog, beside pgbench's life cycles.
    Drains,
    /// Reads and writes with many rows, beside few rows.
    Sizes,
    /// SQLite, beside one commit per row.
    Sqlite,
    /// Reads by id, beside a constant answer.
    Constant,
    /// Memory, and the time to start.
    Footprint,
}

#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Address of the server, such as `http://127.0.0.1:8000`.
    pub(crate) url: String,
    /// Numbers of simultaneous connections; each number is a round of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    pub(crate) connections: Vec<usize>,
    /// Duration of each measurement.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// API key, where the server requires one.
    #[arg(long, env = "PAYOUT_API_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// The sizes that follow from the arguments.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// The duration of one side's measurement in a round.
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

    /// Makes a plan with ten million or 200,000 rows in the large table.
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
