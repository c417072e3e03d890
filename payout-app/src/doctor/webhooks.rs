//! The check of webhooks: endpoints that fail or are disabled.

use payout_core::ports::Clock;
use tokio::time::timeout;

use super::checks::{PATIENCE, SEE_MESSAGE};
use super::report::{Report, in_a_line};
use crate::wiring::Ports;

/// The time in seconds for which an endpoint may fail before it is reported.
const SHORT: i64 = 60 * 60;

/// Reports endpoints that have failed for an hour or are disabled. Without endpoints there is nothing to report.
pub(super) async fn endpoints(ports: &Ports, report: &mut Report) {
    let Some(webhooks) = ports.webhook_use_cases() else {
        return;
    };
    let watched = match timeout(PATIENCE, webhooks.list()).await {
        Ok(Ok(watched)) => watched,
        Ok(Err(error)) => return report.fail("webhooks", in_a_line(&error), SEE_MESSAGE),
        Err(_) => return report.warn("webhooks", "the database does not list them in time", "ask again"),
    };
    if watched.is_empty() {
        return;
    }
    let now = ports.system.now();
    let is_failing = |since| (now - since) > chrono::TimeDelta::seconds(SHORT);
    let failing = watched
        .iter()
        .filter(|one| one.failing_since.is_some_and(is_failing));
    let (count, failing) = (watched.len(), failing.count());
    let disabled = watched.iter().filter(|one| !one.endpoint.is_enabled()).count();
    if failing + disabled == 0 {
        report.ok("webhooks", format!("{count} endpoints, and none fails"));
    } else {
        report.warn(
            "webhooks",
            format!("of {count} endpoints, {failing} have failed for more than an hour and {disabled} are disabled"),
            "payout webhooks list names them; docs/runbook.md says what to do",
        );
    }
}
