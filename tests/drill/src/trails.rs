//! The judge's rules about audit trails: legal steps, fences, leases, and the reasons of reviews.

use std::collections::BTreeSet;

use crate::database::Event;
use crate::judge::Findings;
use crate::ledger::{Cause, Deed, Entry};
use crate::payments::{Payouts, payout_of};
use crate::rules::Rule;

/// Returns the payouts and generations on which the provider may have acted: it received a submission that it did not
/// refuse for now.
pub(crate) fn unknown_outcomes<'a>(
    ledger: &'a [Entry],
    payouts: &Payouts<'a>,
) -> BTreeSet<(&'a str, &'a str)> {
    ledger
        .iter()
        .filter(|entry| entry.cause == Cause::Submission && entry.deed != Deed::Refused)
        .map(|entry| payout_of(&entry.key, payouts))
        .collect()
}

impl Findings {
    /// Checks that a payout needs review only where the provider may have acted. A refusal for now is no reason, nor is
    /// a call that never arrived.
    pub(crate) fn reviews(&mut self, trail: &[Event], unknown: &BTreeSet<(&str, &str)>) {
        for event in trail.iter().filter(|event| event.kind == "review_requested") {
            let generation = event.generation.to_string();
            if !unknown.contains(&(event.payout_id.as_str(), generation.as_str())) {
                self.add(
                    Rule::ReviewWithoutUnknown,
                    &event.payout_id,
                    format!("generation {generation}: {:?}", event.detail),
                );
            }
        }
    }

    pub(crate) fn trail(&mut self, trail: &[Event], lease: chrono::TimeDelta) {
        let mut before: Option<&Event> = None;
        // The last claim, and the claim whose lease still runs, if any.
        let (mut last, mut claim): (Option<&Event>, Option<&Event>) = (None, None);
        for event in trail {
            let kind = event.kind.as_str();
            let id = event.payout_id.as_str();
            if let Some(before) = before {
                let legal = match before.status.as_str() {
                    // A payout that was sent, or may have been, cannot be deleted.
                    "completed" => matches!(kind, "late_outcome" | "returned"),
                    "cancelled" => matches!(kind, "deleted" | "late_outcome"),
                    "failed" | "returned" => matches!(kind, "late_outcome" | "retried"),
                    "pending" | "awaiting_approval" => {
                        kind != "retried" && (kind != "deleted" || before.fence == 0)
                    }
                    _ => !matches!(kind, "retried" | "deleted"),
                } && (before.kind != "deleted" || kind == "late_outcome")
                    && (kind != "late_outcome" || event.status == before.status);
                if !legal {
                    self.add(
                        Rule::FinalStateChanged,
                        id,
                        format!("{} after {}", kind, before.status),
                    );
                }
            }
            match kind {
                "claimed" => {
                    if let Some(claim) = claim.filter(|claim| event.at < claim.at + lease) {
                        let words = format!(
                            "fence {} at {}, fence {} at {}",
                            claim.fence, claim.at, event.fence, event.at
                        );
                        self.add(Rule::LeaseBroken, id, words);
                    }
                    if before.is_some_and(|before| event.fence <= before.fence) {
                        self.add(
                            Rule::StaleFence,
                            id,
                            format!("claimed under fence {} again", event.fence),
                        );
                    }
                    (last, claim) = (Some(event), Some(event));
                }
                // A late outcome changes nothing, and carries an old fence.
                "late_outcome" => continue,
                "created" | "edited" | "approved" | "rejected" | "cancelled" | "deleted" | "retried"
                | "resolved" | "returned" => {
                    claim = None;
                }
                // An outcome that is written again, because the first write was not acknowledged, still belongs to its
                // own claim.
                _ => {
                    // The entry of a spent key is already of the next generation.
                    let generation = event.generation - i64::from(kind == "key_spent");
                    if last.is_none_or(|claim| claim.fence != event.fence || claim.generation != generation) {
                        self.add(
                            Rule::StaleFence,
                            id,
                            format!("{kind} under fence {}", event.fence),
                        );
                    }
                    claim = None;
                }
            }
            before = Some(event);
        }
    }
}
