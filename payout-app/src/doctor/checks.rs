//! The checks of the settings and the dependencies. Each asks one question, waits at most [`PATIENCE`] and reports a
//! finding.

use std::time::Duration;

use chrono::TimeDelta;
use payout_adapters::StoreFault;
use payout_core::ports::{Clock, Filter, QueueError};
use tokio::time::timeout;
use url::Url;

use super::durability;
use super::report::{Report, in_a_line};
use crate::settings::{Config, Database, ProcessorConfig, Queue};
use crate::unusable::Unusable;
use crate::wiring::Ports;

pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The largest difference between the clocks of this host and the database that is not reported. Leases and due times
/// are by the database's clock; ids, logs and traces are by this host's.
const SKEW: TimeDelta = TimeDelta::seconds(2);
/// The bound for counting payouts whose due time is ahead.
const COUNTED: u32 = 1_000;
/// The delay of the event feed that is reported. Transactions of the service itself end sooner.
const FEED_DELAY: Duration = Duration::from_secs(30);

/// The remedy for an error that only its own text explains.
pub(super) const SEE_MESSAGE: &str = "see what it says";

/// Reports settings that are valid but seldom intended. Invalid ones are rejected before any check.
pub(super) fn settings(config: &Config, report: &mut Report) {
    let local = config.bind.ip().is_loopback();
    report.ok("settings", format!("valid; listens on {}", config.bind));
    if !config.money_limits.is_empty() {
        report.ok("settings", format!("money is limited to {}", config.money_limits));
    }
    if !config.approvals.rules.is_empty() {
        report.ok(
            "settings",
            format!("payouts need approval: {}", config.approvals.rules),
        );
    }
    match &config.processor {
        ProcessorConfig::Simulated { .. } => report.warn(
            "settings",
            "the provider is simulated: nobody is paid",
            "set PAYOUT_PROCESSOR=http and PAYOUT_PROCESSOR_URL for a real one",
        ),
        ProcessorConfig::Http { url, token } => {
            if goes_unencrypted(url) {
                report.warn(
                    "settings",
                    "payments are sent to the provider unencrypted",
                    "use https:// in PAYOUT_PROCESSOR_URL",
                );
            }
            if token.is_none() && !is_on_this_host(url) {
                report.warn(
                    "settings",
                    "the provider receives no token",
                    "set PAYOUT_PROCESSOR_TOKEN_FILE, unless it knows this service otherwise",
                );
            }
        }
        // Each provider of the file has findings of its own.
        ProcessorConfig::Providers { .. } => (),
    }
    match &config.database {
        Database::Memory => report.warn(
            "settings",
            "payouts are kept in memory, and are gone when the process ends",
            "set DATABASE_URL",
        ),
        Database::Postgres { .. } if matches!(config.queue, Queue::Memory) => report.warn(
            "settings",
            "without a queue, other processes find a payout by their sweep alone, about a second later",
            "unset QUEUE_URL, which is memory:",
        ),
        Database::Sqlite { .. } if !local => report.warn(
            "settings",
            "SQLite serves one host; others can reach this one",
            "use PostgreSQL for more than one process",
        ),
        Database::Postgres { .. } | Database::Sqlite { .. } => (),
    }
}

/// Returns whether requests to an address leave this host unencrypted.
pub(super) fn goes_unencrypted(url: &Url) -> bool {
    url.scheme() == "http" && !is_on_this_host(url)
}

fn is_on_this_host(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

/// Checks the database. Returns whether it can be used: it answers and has the schema of this version.
pub(super) async fn database(config: &Config, ports: &Ports, report: &mut Report) -> bool {
    let shown = config.database.to_string();
    // SQLite would create the file if it were asked for its schema.
    if let Some(path) = config.database.missing() {
        let line = format!("there is no file {}", path.display());
        report.fail(
            "database",
            line,
            "go to the folder of the file or name it in DATABASE_URL, or run `payout migrate`, which makes it",
        );
        return false;
    }
    let remedy = match &config.database {
        Database::Memory => SEE_MESSAGE,
        Database::Sqlite { .. } => "check DATABASE_URL, and that this user may write the file and its folder",
        Database::Postgres { .. } => "check DATABASE_URL, and that the server runs and has the database",
    };
    let asked_at = ports.system.now();
    let now = match timeout(PATIENCE, ports.repository.now()).await {
        Ok(Ok(now)) => now,
        Ok(Err(error)) if StoreFault::of(&error).is_permanent() => {
            report.fail("database", Unusable::new(&config.database, &error), remedy);
            return false;
        }
        Ok(Err(error)) => {
            let line = format!("{shown} does not answer: {}", in_a_line(&error));
            report.fail("database", line, remedy);
            return false;
        }
        Err(_) => {
            let line = format!("{shown} does not answer within {} s", PATIENCE.as_secs());
            report.fail("database", line, remedy);
            return false;
        }
    };
    let answered_at = ports.system.now();
    let took = answered_at - asked_at;
    report.ok(
        "database",
        format!("{shown} answers, in {} ms", took.num_milliseconds()),
    );
    // The time that the answer took limits how precisely the clocks can be compared.
    let skew = now - (asked_at + took / 2);
    let uncertain = skew.abs() <= SKEW + took;
    let line = format!(
        "the database's clock is {} ms from this host's",
        skew.num_milliseconds()
    );
    if uncertain {
        report.ok("clock", line);
    } else {
        report.warn(
            "clock",
            line,
            "set both by NTP: ids, logs and traces go by this host's",
        );
    }
    if let Ok(Ok(ahead @ 1..)) = timeout(PATIENCE, ports.repository.count_ahead(COUNTED)).await {
        report.warn(
            "clock",
            format!("{ahead} payouts wait for a time that was written by a clock that was ahead, and was set back since"),
            "a running worker brings them back to now, within seconds",
        );
    }
    migrations(config, ports, report).await
}

async fn migrations(config: &Config, ports: &Ports, report: &mut Report) -> bool {
    match timeout(PATIENCE, ports.store.schema_is_current()).await {
        Ok(Ok(true)) => report.ok("migrations", "the schema is this version's"),
        Ok(Ok(false)) => {
            let says = "migrations are pending: the schema is not this version's";
            report.fail("migrations", says, "run `payout migrate`");
            return false;
        }
        Ok(Err(error)) => {
            report.fail("migrations", Unusable::new(&config.database, &error), SEE_MESSAGE);
            return false;
        }
        Err(_) => {
            report.fail("migrations", "the database does not say in time", "ask again");
            return false;
        }
    }
    durability::writes(config, ports, report).await;
    durability::commits(ports, report).await;
    durability::audit_trail(ports, report).await;
    durability::file_modes(config, report);
    reviews(ports, report).await;
    feed(ports, report).await;
    true
}

async fn reviews(ports: &Ports, report: &mut Report) {
    let filter = Filter {
        needs_review: Some(true),
        ..Filter::default()
    };
    match timeout(PATIENCE, ports.repository.count(&filter, Some(1_000))).await {
        Ok(Ok(count)) if count.count == 0 => report.ok("reviews", "no payout is under review"),
        Ok(Ok(count)) => report.warn(
            "reviews",
            format!(
                "{}{} payouts are under review",
                if count.exact { "" } else { "more than " },
                count.count
            ),
            "ask the provider, and resolve each (GET /api/payouts/?needs_review=true)",
        ),
        Ok(Err(error)) => report.fail("reviews", in_a_line(&error), SEE_MESSAGE),
        Err(_) => report.warn("reviews", "the database does not count them in time", "ask again"),
    }
}

/// Checks that no open transaction delays the event feed.
async fn feed(ports: &Ports, report: &mut Report) {
    let Some(feed) = &ports.feed else { return };
    match timeout(PATIENCE, feed.delay()).await {
        Ok(Ok(delay)) if delay < FEED_DELAY => report.ok("events", "the feed shows every event"),
        Ok(Ok(delay)) => report.warn(
            "events",
            format!(
                "an event has waited {} s for its place in the feed: a transaction on the database's server stays open",
                delay.as_secs()
            ),
            "find it in pg_stat_activity, by the oldest backend_xid, or in pg_prepared_xacts",
        ),
        Ok(Err(error)) => report.fail("events", in_a_line(&error), SEE_MESSAGE),
        Err(_) => report.warn("events", "the database does not tell the feed's delay in time", "ask again"),
    }
}

pub(super) async fn queue(ports: &Ports, report: &mut Report) {
    let kind = ports.queue_kind;
    match timeout(PATIENCE, ports.queue.probe()).await {
        Ok(Ok(depth)) => report.ok("queue", format!("{kind} takes hints; {depth} wait")),
        Ok(Err(error @ QueueError::Refused(_))) => report.warn(
            "queue",
            format!(
                "{kind} answers and takes no hints: {}; the sweep still claims payouts, later",
                in_a_line(&error)
            ),
            "is it a replica, is its memory full, does this user have the right to write?",
        ),
        Ok(Err(error)) => report.warn(
            "queue",
            format!(
                "{kind} does not answer: {}; the sweep still claims payouts, later",
                in_a_line(&error)
            ),
            "check QUEUE_URL, and that the server runs",
        ),
        Err(_) => report.warn(
            "queue",
            format!("{kind} does not answer in time; the sweep still claims payouts, later"),
            "check QUEUE_URL, and that the server runs",
        ),
    }
}
