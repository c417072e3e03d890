//! The report: a Markdown table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use payout_stand_ins::ledger::Standing;

use crate::database::{Event, Stored};
use crate::faults::Injected;
use crate::feed_judge::Told;
use crate::judge::Finding;
use crate::ledger::{Cause, Deed, Entry};
use crate::measure::{self, Times};
use crate::processes::Life;
use crate::proxy::Counts;
use crate::rules::Rule;
use crate::settings::Settings;
use crate::vendors::Books;

/// The data of the report.
pub(crate) struct Run<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) took: Duration,
    /// The time from the last fault until every payout was final or in review; absent when that was never reached.
    pub(crate) settled_in: Option<Duration>,
    pub(crate) injected: &'a [Injected],
    pub(crate) lives: &'a [Life],
    pub(crate) ledger: &'a [Entry],
    pub(crate) books: &'a [Books],
    pub(crate) stored: &'a Stored,
    pub(crate) answers: &'a BTreeMap<u16, u64>,
    pub(crate) of_feed: &'a Told,
    /// The time from the last settlement until every delivery had arrived.
    pub(crate) delivered_in: Duration,
    pub(crate) lines: Vec<(&'static str, &'a Counts)>,
    pub(crate) resolved: u64,
    /// The number of requests that approved payouts, one or those of a batch.
    pub(crate) approved: u64,
    pub(crate) findings: &'a [Finding],
}

struct Table(String);

impl Table {
    fn head(&mut self, left: &str, right: &str) {
        let _ = writeln!(self.0, "\n| {left} | {right} |\n|---|---:|");
    }

    fn row(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "| {name} | {value} |");
    }

    fn times(&mut self, name: &str, times: &Times) {
        let shown = [times.percentile(50), times.percentile(99), times.longest()].map(seconds);
        self.row(
            name,
            format!("{} / {} / {} ({})", shown[0], shown[1], shown[2], times.count()),
        );
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

impl Run<'_> {
    pub(crate) fn markdown(&self) -> String {
        let mut table = Table(String::new());
        self.size(&mut table);
        self.faults(&mut table);
        self.work(&mut table);
        self.times(&mut table);
        table.head("what the judge looked for", "found");
        for rule in Rule::ALL {
            let found = self
                .findings
                .iter()
                .filter(|finding| finding.rule == rule)
                .count();
            table.row(
                &rule.to_string(),
                if found == 0 {
                    "0".to_owned()
                } else {
                    format!("**{found}**")
                },
            );
        }
        table.0
    }

    fn size(&self, table: &mut Table) {
        let settings = self.settings;
        let timing = settings.timing;
        let _ = writeln!(table.0, "`{}`", settings.command());
        table.head("run", "");
        table.row(
            "time",
            format!(
                "{} s, {} s of them with faults",
                self.took.as_secs(),
                settings.faults_for.as_secs()
            ),
        );
        table.row(
            "processes",
            format!(
                "{} serve, {} worker, PostgreSQL, the queue {}, {} stand-ins",
                settings.servers,
                settings.workers,
                settings.queue.name(),
                settings.stand_ins()
            ),
        );
        table.row(
            "lease / call timeout / backoff cap",
            format!(
                "{} s / {} s / {} s",
                timing.lease.as_secs_f64(),
                timing.call_timeout.as_secs_f64(),
                timing.backoff_cap.as_secs_f64()
            ),
        );
    }

    fn faults(&self, table: &mut Table) {
        table.head("faults injected", "count");
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for injected in self.injected.iter().filter(|injected| injected.failed.is_none()) {
            *kinds.entry(injected.fault.kind()).or_default() += 1;
        }
        for (kind, count) in &kinds {
            table.row(kind, count);
        }
        for (line, counts) in &self.lines {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            table.row(
                &format!("connections to {line} cut"),
                count(&counts.connections_cut),
            );
            table.row(
                &format!("messages to {line} carried out, answer lost"),
                count(&counts.answers_lost),
            );
            table.row(
                &format!("answers of {line} halved"),
                count(&counts.answers_halved),
            );
            table.row(&format!("messages to {line} lost"), count(&counts.requests_lost));
        }
    }

    fn work(&self, table: &mut Table) {
        let status = |status: &str| {
            self.stored
                .rows
                .iter()
                .filter(|row| row.status == status && !row.needs_review)
                .count()
        };
        let events = |kind: &str| {
            self.stored
                .trails
                .values()
                .flatten()
                .filter(|event| event.kind == kind)
                .count()
        };
        let deeds = |is: fn(&Entry) -> bool| self.ledger.iter().filter(|entry| is(entry)).count();
        table.head("work", "count");
        table.row("payouts", self.stored.rows.len());
        let [completed, returned, failed, cancelled] =
            ["completed", "returned", "failed", "cancelled"].map(status);
        table.row(
            "completed / returned / failed / cancelled",
            format!("{completed} / {returned} / {failed} / {cancelled}"),
        );
        table.row(
            "deleted",
            self.stored.rows.iter().filter(|row| row.deleted).count(),
        );
        table.row(
            "in review at the end",
            self.stored.rows.iter().filter(|row| row.needs_review).count(),
        );
        table.row(
            "reviews asked for / resolved by a person",
            format!("{} / {}", events("review_requested"), self.resolved),
        );
        table.row("retries by a person", events("retried"));
        table.row(
            "batches / approvals in requests",
            format!(
                "{} / {} in {}",
                self.stored.batches.len(),
                events("approved"),
                self.approved
            ),
        );
        table.row("payments that came back", events("returned"));
        table.row("generations that a worker began", events("key_spent"));
        table.row("claims", events("claimed"));
        let calls = |cause| {
            self.ledger
                .iter()
                .filter(|entry| entry.cause == cause && entry.deed != Deed::Altered)
                .count()
        };
        table.row("calls to the provider: submissions", calls(Cause::Submission));
        table.row("calls to the provider: look-ups", calls(Cause::LookUp));
        table.row("payments", deeds(|entry| matches!(entry.deed, Deed::Paid { .. })));
        table.row(
            "duplicates prevented by the key",
            deeds(|entry| entry.deed == Deed::Repeated { paid: true }),
        );
        self.vendors(table);
        table.row("late outcomes rejected by the fence", events("late_outcome"));
        table.row(
            "settlements written again, their answer being lost",
            self.repeated_settlements(),
        );
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|(status, count)| match status {
                0 => format!("none: {count}"),
                status => format!("{status}: {count}"),
            })
            .collect();
        table.row("answers to clients, by status", answers.join(", "));
        table.row("events of the feed", self.of_feed.feed.len());
        for one in &self.of_feed.received {
            let disabled = if one.is_disabled { ", disabled" } else { "" };
            table.row(
                &format!("receiver {}: accepted / repeated / not accepted", one.name),
                format!(
                    "{} / {} / {}{disabled}",
                    one.accepted.len(),
                    one.repeated,
                    one.refused
                ),
            );
        }
    }

    /// Counts the payments in the ledger of each real provider, and the payouts of each provider.
    fn vendors(&self, table: &mut Table) {
        for books in self.books {
            let count = |standing| {
                let payments = books.payments.iter();
                payments.filter(|payment| payment.standing == standing).count()
            };
            let [paid, returned, declined, refused, open] = [
                Standing::Paid,
                Standing::Returned,
                Standing::Declined,
                Standing::Refused,
                Standing::Accepted,
            ]
            .map(count);
            let name = format!("{}: paid / returned / declined / refused / open", books.provider);
            table.row(
                &name,
                format!("{paid} / {returned} / {declined} / {refused} / {open}"),
            );
        }
        let mut payouts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.stored.rows.iter().filter_map(|row| row.provider.as_deref()) {
            *payouts.entry(name).or_default() += 1;
        }
        for (name, count) in payouts {
            table.row(&format!("payouts of {name}"), count);
        }
    }

    /// Counts repeated settlements: an outcome that does not end a payout is written once more when the first write was
    /// not acknowledged.
    fn repeated_settlements(&self) -> usize {
        let repeats = |trail: &Vec<Event>| {
            let steps: Vec<&Event> = trail
                .iter()
                .filter(|event| event.kind != "late_outcome")
                .collect();
            let same = |pair: &&[&Event]| {
                pair[0].kind != "claimed" && pair[0].kind == pair[1].kind && pair[0].fence == pair[1].fence
            };
            steps.windows(2).filter(same).count()
        };
        self.stored.trails.values().map(repeats).sum()
    }

    fn times(&self, table: &mut Table) {
        table.head("times: p50 / p99 / max", "(of how many)");
        table.times(
            "takeover, from the death of who held the claim",
            &measure::takeovers(self.stored, self.lives),
        );
        table.times(
            "work goes on after a flush or restart of the queue",
            &measure::after_flush(self.stored, self.injected),
        );
        table.times(
            "pickup with the queue gone",
            &measure::pickups_without_queue(self.stored, self.injected),
        );
        table.times("pickup, all payouts", &measure::all_pickups(self.stored));
        table.row(
            "all final or in review after the last fault",
            seconds(self.settled_in),
        );
        table.row(
            "all deliveries arrived after that",
            seconds(Some(self.delivered_in)),
        );
    }
}
