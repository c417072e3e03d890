//! Rechecks of completed payments, hints that a notification gives, and the state of providers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use payout_core::Timestamp;
use payout_core::attempt::{Recheck, RecheckFinding};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Actor, Caller, Event, Payout, PayoutId, Status};
use payout_core::ports::{DueProvider, PausedProvider};
use payout_core::provider::{PaymentName, ProviderCalls, ProviderName};

use super::store::Store;

/// The state of providers.
#[derive(Default)]
pub(super) struct Providers {
    paused: BTreeMap<ProviderName, PausedProvider>,
    workers: BTreeMap<String, Timestamp>,
    /// The calls by minute and provider, and the errors among them.
    calls: BTreeMap<(Timestamp, Option<ProviderName>), (u64, u64)>,
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(by).unwrap_or(Timestamp::MAX_UTC)
}

impl Store {
    pub(super) fn claim_rechecks(
        &mut self,
        provider: Option<&ProviderName>,
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Vec<Payout> {
        let of_provider = |payout: &Payout| payout.parts().provider.as_ref() == provider;
        let mut due: Vec<(Timestamp, PayoutId)> = self
            .rows()
            .filter(|row| row.deleted_at.is_none() && of_provider(&row.payout))
            .filter_map(|row| Some((row.payout.parts().recheck_at?, row.payout.id())))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable();
        let until = later(now, lease);
        let claimed = due.into_iter().take(limit as usize).filter_map(|(_, id)| {
            self.rewrite(id, |row| row.payout = row.payout.clone().rechecked_at(until));
            self.find(id)
        });
        claimed.collect()
    }

    pub(super) fn settle_rechecks(&mut self, batch: &[Recheck], worker: &Actor, now: Timestamp) -> Vec<bool> {
        let settle = |recheck: &Recheck| {
            let Some(after) = self
                .find(recheck.id)
                .and_then(|payout| payout.recheck(recheck, now))
            else {
                return false;
            };
            self.rewrite(recheck.id, |row| {
                row.payout = after;
                if let RecheckFinding::Returned(returned) = &recheck.finding {
                    let event = Event::returned(&returned.reason, &row.payout, worker, now);
                    row.events.push(event);
                }
            });
            true
        };
        batch.iter().map(settle).collect()
    }

    pub(super) fn hint_payments(
        &mut self,
        provider: Option<&ProviderName>,
        payments: &[PaymentName],
        now: Timestamp,
    ) -> Vec<PayoutId> {
        let is_named = |payout: &Payout| {
            payments.iter().any(|payment| match payment {
                PaymentName::Reference(reference) => {
                    payout.parts().provider_reference.as_ref() == Some(reference)
                }
                PaymentName::Key(_) => {
                    payment.payout_id() == Some(payout.id())
                        || (payment.provider_key().is_some()
                            && payment.provider_key() == payout.parts().provider_key)
                }
                PaymentName::Payout(id) => *id == payout.id(),
            })
        };
        let mut hinted: Vec<PayoutId> = self
            .rows()
            .filter(|row| row.deleted_at.is_none())
            .map(|row| &row.payout)
            .filter(|payout| payout.parts().provider.as_ref() == provider && is_named(payout))
            .filter(|payout| may_be_hinted(payout, now))
            .map(Payout::id)
            .collect();
        hinted.sort_unstable();
        for id in &hinted {
            self.rewrite(*id, |row| row.payout = row.payout.clone().hinted_at(now));
        }
        hinted
    }

    pub(super) fn paused_providers(&self) -> Vec<PausedProvider> {
        self.providers.paused.values().cloned().collect()
    }

    pub(super) fn pause_provider(&mut self, name: &ProviderName, caller: &Caller, now: Timestamp) {
        let pause = || PausedProvider {
            name: name.clone(),
            since: now,
            by: caller.actor.clone(),
            reason: caller.reason.clone(),
        };
        if !self.providers.paused.contains_key(name) {
            self.providers.paused.insert(name.clone(), pause());
            self.announce(
                Announcement::of_provider(EventType::ProviderPaused, name, caller),
                now,
            );
        }
    }

    pub(super) fn resume_provider(&mut self, name: &ProviderName, caller: &Caller, now: Timestamp) {
        if self.providers.paused.remove(name).is_some() {
            self.announce(
                Announcement::of_provider(EventType::ProviderResumed, name, caller),
                now,
            );
        }
    }

    pub(super) fn count_workers(&mut self, worker: &Actor, within: Duration, now: Timestamp) -> u32 {
        let workers = &mut self.providers.workers;
        workers.insert(worker.as_str().to_owned(), now);
        workers.retain(|_, seen_at| later(*seen_at, within) >= now);
        u32::try_from(workers.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn add_calls(&mut self, calls: &[ProviderCalls], now: Timestamp) {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let counts = &mut self.providers.calls;
        for said in calls {
            let (calls, errors) = counts.entry((minute, said.provider.clone())).or_default();
            *calls += said.calls;
            *errors += said.errors;
        }
        counts.retain(|(minute, _), _| later(*minute, ProviderCalls::KEPT) >= now);
    }

    pub(super) fn count_calls(&self, within: Duration, now: Timestamp) -> Vec<ProviderCalls> {
        let mut sums: BTreeMap<&Option<ProviderName>, (u64, u64)> = BTreeMap::new();
        for ((minute, provider), (calls, errors)) in &self.providers.calls {
            if later(*minute, within) >= now {
                let sum = sums.entry(provider).or_default();
                *sum = (sum.0 + calls, sum.1 + errors);
            }
        }
        let sums = sums.into_iter().map(|(provider, (calls, errors))| ProviderCalls {
            provider: provider.clone(),
            calls,
            errors,
        });
        sums.collect()
    }

    pub(super) fn due_providers(&self, now: Timestamp) -> Vec<DueProvider> {
        let mut due: BTreeMap<Option<ProviderName>, Timestamp> = BTreeMap::new();
        for payout in self.rows().map(|row| &row.payout) {
            let parts = payout.parts();
            let Some(due_at) = parts.due_at else { continue };
            if parts.provider.is_none() && due_at > now {
                continue;
            }
            let since = due.entry(parts.provider.clone()).or_insert(due_at);
            *since = due_at.min(*since);
        }
        let due = due.into_iter().map(|(name, since)| DueProvider { name, since });
        due.collect()
    }
}

/// Returns whether a hint may bring the next look at a payment forward: it was paid and may be returned, or the provider
/// has accepted it and no worker holds it. The latest write of a payout that a worker holds is the claim.
fn may_be_hinted(payout: &Payout, now: Timestamp) -> bool {
    let parts = payout.parts();
    let waits = |at: Option<Timestamp>| at.is_some_and(|at| at > now);
    match parts.status {
        Status::Completed => waits(parts.recheck_at),
        Status::Processing => {
            waits(parts.due_at)
                && parts.provider_reference.is_some()
                && parts.claimed_at != Some(parts.updated_at)
        }
        Status::AwaitingApproval
        | Status::Pending
        | Status::Returned
        | Status::Failed
        | Status::Cancelled => false,
    }
}
