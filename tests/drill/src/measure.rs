//! Durations computed from the audit trails and the log of faults.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::clock::{Time, between};
use crate::database::{Event, Stored};
use crate::faults::Injected;
use crate::plan::{Fault, Line, Role};
use crate::processes::Life;

/// Sorted durations.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the smallest duration that at least this percentage of the durations do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let place = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(place).copied()
    }

    pub(crate) fn longest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

/// Times to takeover: from the moment when a worker was killed or frozen, to the next claim of a payout that it had
/// claimed.
pub(crate) fn takeovers(stored: &Stored, lives: &[Life]) -> Times {
    let mut by_id: HashMap<u32, Vec<&Life>> = HashMap::new();
    for life in lives.iter().filter(|life| life.role == Role::Worker) {
        by_id.entry(life.id).or_default().push(life);
    }
    let mut times = Vec::new();
    for trail in stored.trails.values() {
        let steps: Vec<&Event> = trail
            .iter()
            .filter(|event| event.kind != "late_outcome")
            .collect();
        for pair in steps.windows(2) {
            let [claim, next] = pair else { continue };
            if claim.kind != "claimed" || next.kind != "claimed" {
                continue;
            }
            let life = worker(&claim.actor)
                .and_then(|id| by_id.get(&id))
                .and_then(|lives| lives.iter().rev().find(|life| life.born <= claim.at));
            if let Some(silent) = life.and_then(|life| silent_from(life, claim.at, next.at)) {
                times.push(between(silent, next.at));
            }
        }
    }
    Times::of(times)
}

/// Returns the time at which the worker stopped between its claim and the next. If it was already dying when it
/// claimed, that is the time of its claim.
fn silent_from(life: &Life, claimed: Time, next: Time) -> Option<Time> {
    let frozen = life
        .frozen
        .iter()
        .filter(|(from, until)| *from < next && until.is_none_or(|until| until > claimed))
        .map(|(from, _)| *from);
    let silent = frozen.chain(life.killed.filter(|killed| *killed < next)).min()?;
    Some(silent.max(claimed))
}

/// Reads the process id from a worker's name: `host-process-random`.
fn worker(actor: &str) -> Option<u32> {
    actor.rsplit('-').nth(1)?.parse().ok()
}

/// Waits for the first claim, of payouts that were created while the queue was gone.
pub(crate) fn pickups_without_queue(stored: &Stored, injected: &[Injected]) -> Times {
    let windows: Vec<&Injected> = injected
        .iter()
        .filter(|one| matches!(one.fault, Fault::QueueGone(_)))
        .collect();
    pickups(stored, |created| {
        windows
            .iter()
            .any(|window| window.from <= created && created <= window.to)
    })
}

/// Waits for the first claim, of all payouts that clients created one by one, with or without faults.
pub(crate) fn all_pickups(stored: &Stored) -> Times {
    pickups(stored, |_| true)
}

fn pickups(stored: &Stored, counts: impl Fn(Time) -> bool) -> Times {
    // The payouts of a batch wait for each other, and some for a person.
    let of_batches: HashSet<&str> = stored
        .rows
        .iter()
        .filter(|row| row.description.starts_with("batch "))
        .map(|row| row.id.as_str())
        .collect();
    let alone = stored
        .trails
        .iter()
        .filter(|(id, _)| !of_batches.contains(id.as_str()));
    let times = alone.filter_map(|(_, trail)| {
        let created = trail
            .first()
            .filter(|event| event.kind == "created" && counts(event.at))?;
        let claimed = trail.iter().find(|event| event.kind == "claimed")?;
        Some(between(created.at, claimed.at))
    });
    Times::of(times.collect())
}

/// Times from each flush or restart of the queue to the first claim of a payout that was created afterwards. A time at
/// which the database was away is omitted, since it says nothing about the queue.
pub(crate) fn after_flush(stored: &Stored, injected: &[Injected]) -> Times {
    let mut created: Vec<(Time, Time)> = stored
        .trails
        .values()
        .filter_map(|trail| {
            Some((
                trail.first()?.at,
                trail.iter().find(|event| event.kind == "claimed")?.at,
            ))
        })
        .collect();
    created.sort_unstable();
    let margin = chrono::TimeDelta::seconds(2);
    let times = injected.iter().filter_map(|flush| {
        let at = match flush.fault {
            Fault::QueueFlush => flush.from,
            Fault::QueueRestart(_) | Fault::QueueGone(_) => flush.to,
            Fault::Kill(..)
            | Fault::Freeze(..)
            | Fault::PostgresCrash(_)
            | Fault::PostgresTerminate(_)
            | Fault::Weather(..)
            | Fault::ProviderAway(_) => return None,
        };
        let disturbed = injected.iter().any(|other| {
            let away = matches!(
                other.fault,
                Fault::PostgresCrash(_) | Fault::Weather(Line::Postgres, ..)
            );
            away && other.from < at + margin && other.to + margin > at
        });
        if disturbed {
            return None;
        }
        let since = created.partition_point(|(created, _)| *created < at);
        let first = created[since..]
            .iter()
            .take(50)
            .map(|(_, claimed)| *claimed)
            .min()?;
        Some(between(at, first))
    });
    Times::of(times.collect())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::now;

    fn event(start: Time, kind: &str, fence: i64, seconds: i64, actor: &str) -> Event {
        Event {
            payout_id: "p".to_owned(),
            generation: 0,
            fence,
            at: start + TimeDelta::seconds(seconds),
            kind: kind.to_owned(),
            status: "processing".to_owned(),
            actor: actor.to_owned(),
            detail: None,
        }
    }

    #[test]
    fn a_takeover_counts_from_the_death_of_who_held_the_claim() {
        let start = now();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let life = Life {
            role: Role::Worker,
            id: 7,
            born: at(-5),
            frozen: Vec::new(),
            killed: Some(at(4)),
            ended_by_itself: None,
        };
        let trail = vec![
            event(start, "claimed", 1, 0, "a-host-7-ab"),
            event(start, "claimed", 2, 16, "h-8-cd"),
        ];
        let stored = Stored {
            trails: HashMap::from([("p".to_owned(), trail)]),
            ..Stored::default()
        };
        assert_eq!(
            takeovers(&stored, std::slice::from_ref(&life)).longest(),
            Some(Duration::from_secs(12))
        );
        let frozen = Life {
            killed: None,
            frozen: vec![(at(6), Some(at(30)))],
            ..life.clone()
        };
        assert_eq!(
            takeovers(&stored, &[frozen]).longest(),
            Some(Duration::from_secs(10))
        );
        let sound = Life {
            killed: Some(at(20)),
            ..life
        };
        assert_eq!(takeovers(&stored, &[sound]).count(), 0);
    }

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = Times::of((1..=200).rev().map(Duration::from_secs).collect());
        assert_eq!(times.percentile(50), Some(Duration::from_secs(100)));
        assert_eq!(times.percentile(99), Some(Duration::from_secs(198)));
        assert_eq!(times.longest(), Some(Duration::from_secs(200)));
        assert_eq!(Times::default().percentile(99), None);
    }
}
