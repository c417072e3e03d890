//! The size of a drill: the command line's arguments, and the settings that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::queue::QueueKind;
use crate::vendors::Providers;

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
    /// Payment providers behind the service
    #[arg(long, value_enum, default_value = "contract")]
    pub(crate) provider: Providers,
    /// Queue between the processes
    #[arg(long, value_enum, default_value = "redis")]
    pub(crate) queue: QueueKind,
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
    pub(crate) queue_flushes: u64,
    pub(crate) queue_restarts: u64,
    pub(crate) postgres_crashes: u64,
    pub(crate) postgres_terminations: u64,
    pub(crate) proxy_faults: u64,
    pub(crate) provider_absences: u64,
    pub(crate) stand_in_kills: u64,
    pub(crate) stand_in_freezes: u64,
    /// Calm windows without the queue, in which the pickup is measured.
    pub(crate) without_queue: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) long: bool,
    pub(crate) providers: Providers,
    pub(crate) queue: QueueKind,
    /// The length and the number of payouts that the command line requests instead of the defaults.
    pub(crate) asked: (Option<u64>, Option<u64>),
    pub(crate) servers: usize,
    pub(crate) workers: usize,
    pub(crate) timing: Timing,
    /// The time during which faults are injected.
    pub(crate) faults_for: Duration,
    pub(crate) payouts: u64,
    /// The number of batches that clients send beside them.
    pub(crate) batches: u64,
    pub(crate) rates: Rates,
    /// The length of one window without the queue.
    pub(crate) without_queue_for: Duration,
    /// The longest time from a payment until a real provider returns it.
    pub(crate) returned_within: Duration,
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
        // The window without the queue and some of each fault must fit in.
        let least = if arguments.provider.vendors().is_empty() {
            20
        } else {
            15
        };
        let faults = total
            .saturating_sub(timing.settling().as_secs() + OVERHEAD)
            .max(least);
        // The rate is per thousand seconds, with at least one fault of each kind.
        let often = |rate: u64| (faults * rate / 1000).max(1);
        let providers = arguments.provider;
        // A fault of a provider that this drill does not have is never planned.
        let often_of_contract = |rate| if providers.has_contract() { often(rate) } else { 0 };
        let often_of_vendors = |rate| {
            if providers.vendors().is_empty() {
                0
            } else {
                often(rate)
            }
        };
        let often_of_server = |rate| {
            if arguments.queue.is_a_server() {
                often(rate)
            } else {
                0
            }
        };
        let rates = if long {
            Rates {
                kills: often(220),
                freezes: often(48),
                queue_flushes: often(10),
                queue_restarts: often_of_server(8),
                postgres_crashes: often(8),
                postgres_terminations: often(40),
                proxy_faults: often(130),
                provider_absences: often_of_contract(8),
                stand_in_kills: often_of_vendors(40),
                stand_in_freezes: often_of_vendors(20),
                without_queue: often_of_server(2),
            }
        } else {
            Rates {
                kills: often(400),
                freezes: often(90),
                queue_flushes: often(35),
                queue_restarts: often_of_server(25),
                postgres_crashes: often(25),
                postgres_terminations: often(50),
                proxy_faults: often(200),
                provider_absences: often_of_contract(15),
                stand_in_kills: often_of_vendors(100),
                stand_in_freezes: often_of_vendors(60),
                without_queue: often_of_server(12),
            }
        };
        let a_second = if long { 8 } else { 20 };
        Self {
            seed,
            long,
            providers,
            queue: arguments.queue,
            asked: (arguments.seconds, arguments.payouts),
            servers: 2,
            workers: if long { 4 } else { 3 },
            timing,
            faults_for: seconds(faults),
            payouts: arguments.payouts.unwrap_or(faults * a_second),
            batches: (faults / if long { 10 } else { 2 }).max(3),
            rates,
            without_queue_for: seconds(if long { 20 } else { 8 }),
            returned_within: seconds(if long { 60 } else { 3 }),
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
        let providers = match self.providers {
            Providers::Contract => String::new(),
            others @ (Providers::Adyen | Providers::Paypal | Providers::Stripe | Providers::Mixed) => {
                format!(" PROVIDER={}", others.name())
            }
        };
        let queue = match self.queue {
            QueueKind::Redis => String::new(),
            other @ (QueueKind::Postgres | QueueKind::Amqp | QueueKind::Nats) => {
                format!(" QUEUE={}", other.name())
            }
        };
        format!(
            "make drill{providers}{queue}{long} SEED={}{seconds}{payouts}",
            self.seed
        )
    }

    /// Returns the number of stand-ins for real providers.
    pub(crate) fn stand_ins(&self) -> usize {
        self.providers.vendors().len()
    }

    /// Returns the time for which the service expects returns. It counts from the moment at which the service learns of
    /// a payment, which is later than the payment, so it covers every return.
    pub(crate) fn return_window(&self) -> Duration {
        self.returned_within * 2
    }

    /// Returns the time after the last settlement within which every recheck must be over.
    pub(crate) fn rechecking(&self) -> Duration {
        self.return_window() * 2 + self.timing.lease + self.timing.settling()
    }

    /// Returns the time after the last settlement within which every delivery must have arrived: a lease of an endpoint,
    /// whose worker may have been killed, requests that hang, and a margin.
    pub(crate) fn delivering(&self) -> Duration {
        Duration::from_secs(30 + 15 + 45)
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
