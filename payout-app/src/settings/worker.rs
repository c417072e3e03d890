//! The worker: its slots, its lease, and when it tries again.

use std::time::Duration;

use payout_core::attempt::Policy;
use payout_core::payout::Actor;
use payout_core::ports::Randomness;
use payout_core::worker::WorkerSettings;

use super::ConfigError;
use super::parse::{milliseconds, number};
use super::table::section;

section! {
    /// The rows of the worker.
    pub(super) struct WorkerRows in SECTION, titled "Worker", read by Worker {
        /// Calls to the provider that one worker has in flight.
        pub(super) concurrency: usize = "PAYOUT_WORKER_CONCURRENCY" {
            option: "worker-concurrency", value: "COUNT", default: "256",
        } => required(number(1..=100_000)),

        /// The time that a claim holds before another worker may take the payout over.
        pub(super) lease: Duration = "PAYOUT_LEASE_MS" {
            option: "lease-ms", value: "MS", default: "15000",
        } => required(milliseconds),

        /// The time that one call to the provider may take: at most a third of the lease.
        pub(super) call_timeout: Duration = "PAYOUT_CALL_TIMEOUT_MS" {
            option: "call-timeout-ms", value: "MS", default: "5000",
        } => required(milliseconds),

        /// The time between two looks of a worker for payouts that no hint announced.
        pub(super) sweep_every: Duration = "PAYOUT_SWEEP_MS" {
            option: "sweep-ms", value: "MS", default: "1000",
        } => required(milliseconds),

        /// The longest wait before the second attempt; doubled for each further one, up to the cap.
        pub(super) backoff_base: Duration = "PAYOUT_BACKOFF_BASE_MS" {
            option: "backoff-base-ms", value: "MS", default: "1000",
        } => required(milliseconds),

        /// The longest wait before any attempt.
        pub(super) backoff_cap: Duration = "PAYOUT_BACKOFF_CAP_MS" {
            option: "backoff-cap-ms", value: "MS", default: "60000",
        } => required(milliseconds),

        /// Attempts that are made before a person must look at the payout.
        pub(super) max_attempts: u32 = "PAYOUT_MAX_ATTEMPTS" {
            option: "max-attempts", value: "COUNT", default: "20",
        } => required(number(1..=1_000_000)),

        /// The hours for which the provider remembers an idempotency key.
        pub(super) key_window_hours: u64 = "PAYOUT_KEY_WINDOW_HOURS" {
            option: "key-window-hours", value: "HOURS", default: "24",
        } => required(number(1..=87_600)),
    }
}

impl WorkerRows {
    /// The settings of a worker of this name.
    ///
    /// # Errors
    /// [`ConfigError`] when two contradict each other.
    pub(super) fn settings(self, name: Actor) -> Result<WorkerSettings, ConfigError> {
        let Self {
            lease,
            call_timeout,
            backoff_base,
            backoff_cap,
            ..
        } = self;
        if call_timeout > lease / 3 {
            let message = format!(
                "{} is more than a third of PAYOUT_LEASE_MS ({}): a call could outlive its lease",
                call_timeout.as_millis(),
                lease.as_millis()
            );
            return Err(ConfigError::new("PAYOUT_CALL_TIMEOUT_MS", message));
        }
        if backoff_base > backoff_cap {
            let message = format!(
                "{} is more than PAYOUT_BACKOFF_CAP_MS ({})",
                backoff_base.as_millis(),
                backoff_cap.as_millis()
            );
            return Err(ConfigError::new("PAYOUT_BACKOFF_BASE_MS", message));
        }
        Ok(WorkerSettings {
            name,
            concurrency: self.concurrency,
            lease,
            call_timeout,
            sweep_every: self.sweep_every,
            // A call that runs when the shutdown begins ends within its timeout, and its outcome is then written.
            drain_within: call_timeout.max(lease / 3) + Duration::from_secs(5),
            policy: Policy {
                backoff_base,
                backoff_cap,
                max_attempts: self.max_attempts,
                key_window: Duration::from_secs(self.key_window_hours * 60 * 60),
                ..Policy::default()
            },
            ..WorkerSettings::default()
        })
    }
}

/// The name of this process among others, for the audit trail and the queue: two must never share one.
pub(super) fn process_name(host: Option<String>, randomness: &dyn Randomness) -> Actor {
    let host = host.filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.as_deref().map_or("worker", str::trim);
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .take(64)
        .collect();
    Actor::new(&format!(
        "{host}-{}-{:06x}",
        std::process::id(),
        randomness.next_u64() & 0xff_ffff
    ))
}
