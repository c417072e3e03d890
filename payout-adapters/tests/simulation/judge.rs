//! The judge: the ledger of the providers is the evidence of what was paid, and the store must agree with it.
//!
//! A payment counts unless it was returned. That no two payments of a payout stood at the same time, the ledger has
//! checked with each of its entries.

use payout_core::contract::drive;
use payout_core::payout::{Event, EventKind, Payout, PayoutId, Status};
use payout_core::ports::PayoutRepository;
use payout_core::provider::ProviderName;

use crate::clients::provider_of;
use crate::ledger::{Entry, Payment};
use crate::provider::Provider;
use crate::report::Report;

/// The judge of one run, after its end.
pub(crate) struct Judge<'a> {
    pub(crate) store: &'a dyn PayoutRepository,
    pub(crate) providers: &'a [Provider],
    pub(crate) report: Report,
    pub(crate) violations: Vec<String>,
}

impl Judge<'_> {
    /// Judges one payout. `first` is the first provider of its route.
    pub(crate) async fn payout(&mut self, id: PayoutId, first: &ProviderName) {
        let payments: Vec<Payment> = {
            let ledger = self.providers[0].ledger.lock().unwrap();
            ledger.of(id).cloned().collect()
        };
        let Some(payout) = self.store.find(id).await.unwrap() else {
            if !payments.is_empty() {
                self.add(id, &format!("deleted, but not never sent: {payments:?}"));
            }
            if drive::has_trail(self.store, id).await {
                self.add(id, "hidden, but its trail is not");
            }
            return;
        };
        for what in self.disagreements(&payout, &payments) {
            self.add(id, &format!("{what}: {payments:?}, {payout:?}"));
        }
        let paid = payments.iter().filter(|payment| payment.entry == Entry::Paid);
        self.report.failovers += paid.filter(|payment| payment.provider != *first).count() as u64;
        let events = drive::trail(self.store, id).await;
        self.trail(&payout, &events);
    }

    fn add(&mut self, id: PayoutId, what: &str) {
        self.violations.push(format!("{id}: {what}"));
    }

    /// Compares a payout with its payments.
    fn disagreements(&self, payout: &Payout, payments: &[Payment]) -> Vec<&'static str> {
        let stands = payments.iter().any(|payment| payment.entry.stands());
        let mut found = Vec::new();
        match payout.status() {
            Status::Completed => found.extend(self.completed(payout, payments)),
            Status::Returned => {
                let current = current(payout, payments);
                if stands {
                    found.push("returned here, and a payment stands");
                }
                if current.is_none_or(|payment| payment.entry != Entry::Returned) {
                    found.push("returned here and not there");
                }
            }
            Status::Failed | Status::Cancelled => {
                if stands {
                    found.push("a payment stands, but failed or cancelled here");
                }
            }
            Status::AwaitingApproval => {
                if stands {
                    found.push("a payment stands, but awaiting approval here");
                }
            }
            Status::Pending => found.push("still pending"),
            Status::Processing => {
                if !payout.needs_review() {
                    found.push("stuck in processing");
                }
            }
        }
        found
    }

    fn completed(&self, payout: &Payout, payments: &[Payment]) -> Option<&'static str> {
        let Some(payment) = current(payout, payments) else {
            return Some("completed here and never paid");
        };
        match payment.entry {
            Entry::Paid if Some(&payment.provider) == payout.parts().provider.as_ref() => None,
            Entry::Paid => Some("paid by another provider than the payout names"),
            Entry::Accepted | Entry::Declined | Entry::Spent => Some("completed here and not paid"),
            // An operator has completed it, and no look-up finds a payment of which the reference is not known.
            Entry::Returned
                if payout.parts().provider_reference.is_none()
                    && provider_of(payout, self.providers).is_some_and(|one| !one.kind.looks_up_keys()) =>
            {
                None
            }
            Entry::Returned => Some("returned there and not here"),
        }
    }

    fn trail(&mut self, payout: &Payout, events: &[Event]) {
        let id = payout.id();
        let count = |kind| events.iter().filter(|event| event.kind == kind).count() as u64;
        let evidence = count(EventKind::LateOutcome);
        if events.len() as u64 - evidence != payout.version() {
            self.add(id, "the trail does not have one event for each version");
        }
        if was_claimed_without_approval(events) {
            self.add(id, "claimed without the approval of another person");
        }
        let without_doubt = reviews_without_doubt(events);
        if without_doubt > 0 {
            self.add(
                id,
                &format!("a person was asked to review what was provably never sent: {events:#?}"),
            );
        }
        let report = &mut self.report;
        report.reviews_without_doubt += without_doubt;
        report.events += events.len() as u64;
        report.retries += count(EventKind::Retried);
        report.retries_of_returned += events
            .windows(2)
            .filter(|pair| pair[0].kind == EventKind::Returned && pair[1].kind == EventKind::Retried)
            .count() as u64;
        report.keys_spent += count(EventKind::KeySpent);
        report.reviews += count(EventKind::ReviewRequested);
        report.cannot_tell += events.iter().filter(|event| cannot_tell(event)).count() as u64;
        report.cancellations += count(EventKind::Cancelled);
        report.approvals += count(EventKind::Approved);
        report.rejections += count(EventKind::Rejected);
    }
}

/// Returns the payment of the payout's current generation: the one that stands, or else the latest.
fn current<'a>(payout: &Payout, payments: &'a [Payment]) -> Option<&'a Payment> {
    let suffix = format!(":{}", payout.generation());
    let of_generation = || payments.iter().filter(|payment| payment.key.ends_with(&suffix));
    of_generation()
        .find(|payment| payment.entry.stands())
        .or_else(|| of_generation().next_back())
}

/// Returns whether this is a review because the provider cannot tell whether it received the key.
fn cannot_tell(event: &Event) -> bool {
    event.kind == EventKind::ReviewRequested
        && event
            .detail
            .as_deref()
            .is_some_and(|why| why.contains("cannot tell"))
}

/// Returns whether the payout was claimed although nobody had approved it since it was last created, edited or retried
/// in need of approval.
fn was_claimed_without_approval(events: &[Event]) -> bool {
    let mut lacks_approval = false;
    events.iter().any(|event| {
        let asks = matches!(
            event.kind,
            EventKind::Created | EventKind::Edited | EventKind::Retried
        );
        let is_last_approval = event.kind == EventKind::Approved && event.status == Status::Pending;
        if asks || is_last_approval {
            lacks_approval = event.status == Status::AwaitingApproval;
        }
        event.kind == EventKind::Claimed && lacks_approval
    })
}

/// Counts the reviews of generations in which no outcome was ever unknown: every claim was settled, no settlement
/// reports an answer that could not be relied on, and the provider did not say that it cannot tell.
fn reviews_without_doubt(events: &[Event]) -> u64 {
    let reviews = events
        .iter()
        .filter(|event| event.kind == EventKind::ReviewRequested);
    let in_doubt = |review: &&Event| {
        let generation = || {
            events
                .iter()
                .filter(|event| event.generation == review.generation)
        };
        let is_settled = |fence| {
            generation().any(|event| {
                event.fence == fence && !matches!(event.kind, EventKind::Claimed | EventKind::LateOutcome)
            })
        };
        generation().any(|event| match event.kind {
            EventKind::Claimed => !is_settled(event.fence),
            EventKind::Postponed => event
                .detail
                .as_deref()
                .is_some_and(|why| why.contains("no answer to rely on") || why.contains("overloaded")),
            EventKind::ReviewRequested => {
                cannot_tell(event)
                    || event
                        .detail
                        .as_deref()
                        .is_some_and(|why| why.contains("no answer to rely on"))
            }
            EventKind::Accepted => true,
            EventKind::Created
            | EventKind::Imported
            | EventKind::Edited
            | EventKind::EditRefused
            | EventKind::Revealed
            | EventKind::Approved
            | EventKind::Rejected
            | EventKind::Completed
            | EventKind::Failed
            | EventKind::Returned
            | EventKind::KeySpent
            | EventKind::Released
            | EventKind::Resolved
            | EventKind::Retried
            | EventKind::Cancelled
            | EventKind::Deleted
            | EventKind::LateOutcome => false,
        })
    };
    reviews.filter(|review| !in_doubt(review)).count() as u64
}
