//! The size of a drill: the command line's arguments, and the settings that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Starts a payout service with everything it needs, injects the faults that the seed selects, and judges the service
/// by its payment provider's ledger. Exits with 1 when the judge finds a violation.
#[derive(Debug, Parser)]
#[command(name = "payout-drill", max_term_width = 110)]
pub(crate) struct Arguments {
    /// Seed of the plan of faults; the same seed replays it (random when omitted)
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Approximate duration of the drill
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    /// Run for thirty minutes, with the service's default lease and backoff
    #[arg(long)]
    pub(crate) long: bool,
    /// Number of payouts that the clients create
    #[arg(long)]
    pub(crate) payouts: Option<u64>,
    /// Print the plan of faults and exit
    #[arg(long)]
    pub(crate) plan: bool,
    /// Also write the report to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the ledger and all logs in this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Payout binary; the one beside this program when omitted
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
}

/// Time settings of the service under drill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) lease: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) sweep: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) max_attempts: u32,
}

/// The number of times that each fault is planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    pub(crate) redis_flushes: u64,
    pub(crate) redis_restarts: u64,
    pub(crate) postgres_crashes: u64,
    pub(crate) postgres_terminations: u64,
    pub(crate) proxy_faults: u64,
    pub(crate) provider_absences: u64,
    /// Calm windows without Redis, in which the pickup is measured.
    pub(crate) without_redis: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) long: bool,
    /// The length and the number of payouts that the command line requests instead of the defaults.
    pub(crate) asked: (Option<u64>, Option<u64>),
    pub(crate) servers: usize,
    pub(crate) workers: usize,
    pub(crate) timing: Timing,
    /// The time during which faults are injected.
    pub(crate) faults_for: Duration,
    pub(crate) payouts: u64,
    pub(crate) rates: Rates,
    /// The length of one window without Redis.
    pub(crate) without_redis_for: Duration,
}

/// The longest wait that the drill's provider asks for.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(2);
/// Time for start-up and the judge, and a margin.
const OVERHEAD: u64 = 15;

impl Settings {
    pub(crate) fn new(arguments: &Arguments, seed: u64) -> Self {
        let long = arguments.long;
        let seconds = |n| Duration::from_secs(n);
        let timing = if long {
            // The service's defaults, except for the attempts: with twenty attempts, no review would be due in time.
            Timing {
                lease: seconds(15),
                call_timeout: seconds(5),
                sweep: seconds(1),
                backoff_base: seconds(1),
                backoff_cap: seconds(60),
                max_attempts: 8,
            }
        } else {
            Timing {
                lease: seconds(3),
                call_timeout: seconds(1),
                sweep: seconds(1),
                backoff_base: Duration::from_millis(200),
                backoff_cap: seconds(4),
                max_attempts: 6,
            }
        };
        let total = arguments.seconds.unwrap_or(if long { 1800 } else { 120 });
        let faults = total
            .saturating_sub(timing.settling().as_secs() + OVERHEAD)
            .max(20);
        // The rate is per thousand seconds, with at least one fault of each kind.
        let often = |rate: u64| (faults * rate / 1000).max(1);
        let rates = if long {
            Rates {
                kills: often(220),
                freezes: often(48),
                redis_flushes: often(10),
                redis_restarts: often(8),
                postgres_crashes: often(8),
                postgres_terminations: often(40),
                proxy_faults: often(130),
                provider_absences: often(8),
                without_redis: often(2),
            }
        } else {
            Rates {
                kills: often(400),
                freezes: often(90),
                redis_flushes: often(35),
                redis_restarts: often(25),
                postgres_crashes: often(25),
                postgres_terminations: often(50),
                proxy_faults: often(200),
                provider_absences: often(15),
                without_redis: often(12),
            }
        };
        let a_second = if long { 8 } else { 20 };
        Self {
            seed,
            long,
            asked: (arguments.seconds, arguments.payouts),
            servers: 2,
            workers: if long { 4 } else { 3 },
            timing,
            faults_for: seconds(faults),
            payouts: arguments.payouts.unwrap_or(faults * a_second),
            rates,
            without_redis_for: seconds(if long { 20 } else { 8 }),
        }
    }
}

impl Settings {
    /// Returns the command that replays this run.
    pub(crate) fn command(&self) -> String {
        let (seconds, payouts) = self.asked;
        let long = if self.long { " LONG=1" } else { "" };
        let seconds = seconds.map_or_else(String::new, |seconds| format!(" SECONDS={seconds}"));
        let payouts = payouts.map_or_else(String::new, |payouts| format!(" ARGS='--payouts {payouts}'"));
        format!("make drill{long} SEED={}{seconds}{payouts}", self.seed)
    }

    /// Returns the time between two lines of progress.
    pub(crate) fn progress_every(&self) -> Duration {
        Duration::from_secs(if self.long { 60 } else { 10 })
    }
}

impl Timing {
    /// Returns the time after the last fault within which every payout must be final or in review: the last claim's
    /// lease, the longest wait after that claim, and a margin.
    pub(crate) fn settling(&self) -> Duration {
        self.lease
            + self.backoff_cap.max(LONGEST_RETRY_AFTER)
            + self.sweep * 2
            + self.call_timeout * 2
            + Duration::from_secs(5)
    }
}
