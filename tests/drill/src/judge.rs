//! The judge compares the provider's ledger, the database and the answers that clients received. It knows only the
//! service's promises, not how the service works.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::database::{Event, Row, Stored};
use crate::ledger::{Cause, Deed, Entry, Instruction};
use crate::rules::Rule;

/// A violation that the judge found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    /// The payout, where the finding is about one.
    pub(crate) payout: Option<String>,
    pub(crate) words: String,
}

/// The answers that clients received about one payout.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Every id that a create under its key was answered with.
    pub(crate) ids: BTreeSet<String>,
    pub(crate) description: String,
    pub(crate) cancelled: bool,
    pub(crate) deleted: bool,
    /// The recipient's name that an edit was acknowledged with.
    pub(crate) renamed: Option<String>,
    /// The reason why its create was never acknowledged, if so.
    pub(crate) unanswered: Option<String>,
}

/// Everything that the judge examines.
pub(crate) struct Evidence<'a> {
    pub(crate) ledger: &'a [Entry],
    pub(crate) stored: &'a Stored,
    pub(crate) told: &'a [Told],
    /// The API's state of each payout: its status and whether it needs review, or nothing for a 404.
    pub(crate) api: &'a HashMap<String, Option<(String, bool)>>,
    pub(crate) lease: chrono::TimeDelta,
}

/// A payment's reference, and the instruction that was paid.
type Payment<'a> = (&'a str, Option<&'a Instruction>);

/// Payments by payout and generation.
#[derive(Default)]
struct Payments<'a> {
    by_key: BTreeMap<(&'a str, &'a str), Vec<Payment<'a>>>,
    generations: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// Payouts by the prefix of their keys at the provider.
type Payouts<'a> = HashMap<&'a str, &'a str>;

/// Returns the payout and the generation of a provider key.
fn payout_of<'a>(key: &'a str, payouts: &Payouts<'a>) -> (&'a str, &'a str) {
    let (base, generation) = key.rsplit_once(':').unwrap_or((key, ""));
    (payouts.get(base).copied().unwrap_or(base), generation)
}

fn payments<'a>(ledger: &'a [Entry], payouts: &Payouts<'a>) -> Payments<'a> {
    let mut payments = Payments::default();
    for entry in ledger {
        if let Deed::Paid { reference } = &entry.deed {
            let (payout, generation) = payout_of(&entry.key, payouts);
            payments
                .by_key
                .entry((payout, generation))
                .or_default()
                .push((reference, entry.instruction.as_ref()));
            payments.generations.entry(payout).or_default().insert(generation);
        }
    }
    payments
}

/// Returns the payouts and generations on which the provider may have acted: it received a submission that it did not
/// refuse for now.
fn unknown_outcomes<'a>(ledger: &'a [Entry], payouts: &Payouts<'a>) -> BTreeSet<(&'a str, &'a str)> {
    ledger
        .iter()
        .filter(|entry| entry.cause == Cause::Submission && entry.deed != Deed::Refused)
        .map(|entry| payout_of(&entry.key, payouts))
        .collect()
}

/// Finds every violation of a promise.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let rows = &evidence.stored.rows;
    let payouts: Payouts<'_> = rows
        .iter()
        .map(|row| (row.provider_key.as_str(), row.id.as_str()))
        .collect();
    let payments = payments(evidence.ledger, &payouts);
    let rows: HashMap<&str, &Row> = evidence
        .stored
        .rows
        .iter()
        .map(|row| (row.id.as_str(), row))
        .collect();
    findings.ledger(evidence.ledger, &payouts, &payments, &rows);
    for row in &evidence.stored.rows {
        findings.row(row, &payments);
        findings.api(row, evidence.api);
    }
    let unknown = unknown_outcomes(evidence.ledger, &payouts);
    for trail in evidence.stored.trails.values() {
        findings.trail(trail, evidence.lease);
        findings.reviews(trail, &unknown);
    }
    findings.promises(evidence.told, &rows);
    findings
        .0
        .sort_by_key(|finding| (finding.rule, finding.payout.clone()));
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, payout: &str, words: impl Into<String>) {
        let payout = (!payout.is_empty()).then(|| payout.to_owned());
        self.0.push(Finding {
            rule,
            payout,
            words: words.into(),
        });
    }

    fn ledger(
        &mut self,
        ledger: &[Entry],
        payouts: &Payouts<'_>,
        payments: &Payments<'_>,
        rows: &HashMap<&str, &Row>,
    ) {
        for ((payout, generation), paid) in &payments.by_key {
            if paid.len() > 1 {
                self.add(
                    Rule::PaidTwice,
                    payout,
                    format!("generation {generation} was paid {} times", paid.len()),
                );
            }
        }
        for (payout, generations) in &payments.generations {
            if generations.len() > 1 {
                self.add(
                    Rule::TwoGenerationsPaid,
                    payout,
                    format!("generations {generations:?}"),
                );
            }
            if !rows.contains_key(payout) {
                self.add(Rule::PaidForNobody, payout, "there is no such row");
            }
        }
        for entry in ledger.iter().filter(|entry| entry.deed == Deed::Altered) {
            let (payout, _) = payout_of(&entry.key, payouts);
            self.add(Rule::KeyWithTwoInstructions, payout, entry.key.clone());
        }
        // Each key belongs to one payout: under another payout's key, the body would be paid for the wrong one.
        for entry in ledger {
            let foreign = entry.instruction.as_ref().is_some_and(|instruction| {
                entry.cause != Cause::Person && payout_of(&entry.key, payouts).0 != instruction.payout_id
            });
            if foreign {
                self.add(
                    Rule::PaidSomethingElse,
                    "",
                    format!("{} came with another payout's body", entry.key),
                );
            }
        }
    }

    fn row(&mut self, row: &Row, payments: &Payments<'_>) {
        let paid = payments.generations.get(row.id.as_str());
        let generation = row.generation.to_string();
        let now = payments.by_key.get(&(row.id.as_str(), generation.as_str()));
        let status = row.status.as_str();
        let unpaid_here = matches!(status, "failed" | "cancelled") || (row.deleted && status != "completed");
        if paid.is_some() && unpaid_here {
            self.add(
                Rule::PaidButNotCompleted,
                &row.id,
                format!(
                    "{status}{} here, paid in {paid:?}",
                    if row.deleted { ", deleted" } else { "" }
                ),
            );
        }
        if status == "completed" {
            match now {
                None => self.add(
                    Rule::CompletedButNotPaid,
                    &row.id,
                    format!("generation {generation}"),
                ),
                Some(payments) => {
                    for (reference, instruction) in payments {
                        self.payment(row, reference, *instruction);
                    }
                }
            }
        }
        let over = matches!(status, "completed" | "failed" | "cancelled") || row.needs_review;
        if !over && !row.deleted {
            self.add(Rule::Stuck, &row.id, format!("{status}, generation {generation}"));
        }
    }

    /// Checks that the row agrees with what was paid.
    fn payment(&mut self, row: &Row, reference: &str, instruction: Option<&Instruction>) {
        // The reference is absent when an operator resolved the payout as paid.
        if row
            .provider_reference
            .as_deref()
            .is_some_and(|known| known != reference)
        {
            self.add(
                Rule::PaidSomethingElse,
                &row.id,
                format!("paid as {reference}, not {:?}", row.provider_reference),
            );
        }
        let same = instruction.is_some_and(|paid| {
            paid.payout_id == row.id
                && amount(&paid.amount) == amount(&row.amount)
                && paid.currency == row.currency
                && paid.recipient_account == row.recipient_account
                && paid.recipient_name == row.recipient_name
                && paid.description == row.description
        });
        if !same {
            self.add(Rule::PaidSomethingElse, &row.id, format!("paid {instruction:?}"));
        }
    }

    fn api(&mut self, row: &Row, api: &HashMap<String, Option<(String, bool)>>) {
        let here = (!row.deleted).then(|| (row.status.clone(), row.needs_review));
        match api.get(&row.id) {
            Some(there) if *there == here => (),
            there => self.add(
                Rule::ApiDisagrees,
                &row.id,
                format!("database {here:?}, API {there:?}"),
            ),
        }
    }

    fn promises(&mut self, told: &[Told], rows: &HashMap<&str, &Row>) {
        let mut by_description: HashMap<&str, Vec<&str>> = HashMap::new();
        for row in rows.values() {
            by_description.entry(&row.description).or_default().push(&row.id);
        }
        for told in told {
            if let Some(why) = &told.unanswered {
                self.add(Rule::CreateUnanswered, "", format!("{}: {why}", told.description));
            }
            let stored = by_description.get(told.description.as_str()).map_or(0, Vec::len);
            if told.ids.len() > 1 || stored > 1 {
                let words = format!(
                    "{}: answered with {:?}, {stored} rows",
                    told.description, told.ids
                );
                self.add(
                    Rule::TwoPayoutsOfOneKey,
                    told.ids.first().map_or("", String::as_str),
                    words,
                );
            }
            for id in &told.ids {
                let Some(row) = rows.get(id.as_str()) else {
                    self.add(Rule::CreateLost, id, told.description.clone());
                    continue;
                };
                if told.cancelled && row.status != "cancelled" {
                    self.add(Rule::StepLost, id, format!("cancelled, and now {}", row.status));
                }
                if told.deleted && !row.deleted {
                    self.add(Rule::StepLost, id, "deleted, and still there");
                }
                if told
                    .renamed
                    .as_ref()
                    .is_some_and(|name| *name != row.recipient_name)
                {
                    self.add(
                        Rule::StepLost,
                        id,
                        format!("renamed {:?}, and now {}", told.renamed, row.recipient_name),
                    );
                }
            }
        }
    }

    /// Checks that a payout needs review only where the provider may have acted. A refusal for now is no reason, nor is
    /// a call that never arrived.
    fn reviews(&mut self, trail: &[Event], unknown: &BTreeSet<(&str, &str)>) {
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

    fn trail(&mut self, trail: &[Event], lease: chrono::TimeDelta) {
        let mut before: Option<&Event> = None;
        // The last claim, and the claim whose lease still runs, if any.
        let (mut last, mut claim): (Option<&Event>, Option<&Event>) = (None, None);
        for event in trail {
            let kind = event.kind.as_str();
            let id = event.payout_id.as_str();
            if let Some(before) = before {
                let legal = match before.status.as_str() {
                    // A payout that was sent, or may have been, cannot be deleted.
                    "completed" => kind == "late_outcome",
                    "cancelled" => matches!(kind, "deleted" | "late_outcome"),
                    "failed" => matches!(kind, "late_outcome" | "retried"),
                    "pending" => kind != "retried" && (kind != "deleted" || before.fence == 0),
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
                "created" | "edited" | "cancelled" | "deleted" | "retried" | "resolved" => claim = None,
                // An outcome that is written again, because the first write was not acknowledged, still belongs to its
                // own claim.
                _ => {
                    if last.is_none_or(|claim| {
                        claim.fence != event.fence || claim.generation != event.generation
                    }) {
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

/// Strips an amount's insignificant zeros: `1.50` and `1.5` are equal.
fn amount(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
