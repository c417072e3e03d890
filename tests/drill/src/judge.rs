//! The judge compares the providers' ledgers, the database and the answers that clients received. It knows only the
//! service's promises, not how the service works.

use std::collections::{BTreeSet, HashMap};

use crate::batches::ToldBatch;
use crate::database::{Row, Stored};
use crate::ledger::{Cause, Deed, Entry, Instruction};
use crate::payments::{Paid, Payment, Payments, Payouts, Standing, paid_together, payout_of};
use crate::rules::Rule;
use crate::trails::unknown_outcomes;
use crate::vendors::{BANK, Books};

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
    /// The ledger of the provider of the HTTP contract.
    pub(crate) ledger: &'a [Entry],
    /// The ledgers of the real providers.
    pub(crate) books: &'a [Books],
    pub(crate) stored: &'a Stored,
    pub(crate) told: &'a [Told],
    pub(crate) told_batches: &'a [ToldBatch],
    /// The API's state of each payout: its status and whether it needs review, or nothing for a 404.
    pub(crate) api: &'a HashMap<String, Option<(String, bool)>>,
    /// The number of payments that were still rechecked when the drill stopped waiting.
    pub(crate) rechecking: i64,
    pub(crate) lease: chrono::TimeDelta,
}

/// Finds every violation of a promise.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let rows = &evidence.stored.rows;
    let payouts: Payouts<'_> = rows
        .iter()
        .map(|row| (row.provider_key.as_str(), row.id.as_str()))
        .collect();
    let payments = Payments::new(evidence.ledger, evidence.books, &payouts);
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
    for (id, trail) in &evidence.stored.trails {
        findings.trail(trail, evidence.lease);
        if let Some(row) = rows.get(id.as_str()) {
            findings.approvals(row, trail);
        }
        // A real provider's ledger has no line of a request that it did not act on.
        if rows.get(id.as_str()).is_none_or(|row| is_of_contract(row)) {
            findings.reviews(trail, &unknown);
        }
    }
    findings.promises(evidence.told, &rows);
    findings.batches(evidence.told_batches, &evidence.stored.batches);
    if evidence.rechecking > 0 {
        let words = format!("{} payments", evidence.rechecking);
        findings.add(Rule::RechecksNotOver, "", words);
    }
    findings.sorted()
}

#[derive(Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Returns all findings, by rule and payout.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0
            .sort_by_key(|finding| (finding.rule, finding.payout.clone()));
        self.0
    }

    #[cfg(test)]
    pub(crate) fn rules(self) -> Vec<Rule> {
        self.0.iter().map(|finding| finding.rule).collect()
    }

    pub(crate) fn add(&mut self, rule: Rule, payout: &str, words: impl Into<String>) {
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
        for (payout, generations) in payments.payouts() {
            for (generation, payments) in generations {
                self.generation(payout, generation, payments);
            }
            if let Some((one, other)) = paid_together(generations) {
                let words = format!("generations {one} and {other}");
                self.add(Rule::TwoGenerationsPaid, payout, words);
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

    /// Checks that one generation has one payment, at one provider.
    fn generation(&mut self, payout: &str, generation: &str, payments: &[Payment<'_>]) {
        let made = payments
            .iter()
            .filter(|payment| payment.standing != Standing::Open)
            .count();
        if made > 1 {
            self.add(
                Rule::PaidTwice,
                payout,
                format!("generation {generation} was paid {made} times"),
            );
        }
        let providers: BTreeSet<_> = payments.iter().map(|payment| payment.provider).collect();
        if providers.len() > 1 {
            self.add(
                Rule::TwoProviders,
                payout,
                format!("generation {generation} is at {providers:?}"),
            );
        }
    }

    fn row(&mut self, row: &Row, payments: &Payments<'_>) {
        let generation = row.generation.to_string();
        let now = payments.of(&row.id, &generation);
        let standing = payments.standing(&row.id);
        let status = row.status.as_str();
        let unpaid_here = matches!(status, "failed" | "cancelled") || (row.deleted && status != "completed");
        if unpaid_here && !(standing.is_empty() && now.is_empty()) {
            let deleted = if row.deleted { ", deleted" } else { "" };
            let words = format!("{status}{deleted} here, paid in {standing:?}, now {now:?}");
            self.add(Rule::PaidButNotCompleted, &row.id, words);
        }
        match status {
            "completed" => self.completed(row, now),
            "returned" => {
                let came_back = now.iter().any(|payment| !payment.stands());
                if !came_back || !standing.is_empty() {
                    let words = format!("paid in {standing:?}, generation {generation}: {now:?}");
                    self.add(Rule::ReturnedHereNotThere, &row.id, words);
                }
            }
            _ => (),
        }
        let over = matches!(status, "completed" | "returned" | "failed" | "cancelled") || row.needs_review;
        if !over && !row.deleted {
            self.add(Rule::Stuck, &row.id, format!("{status}, generation {generation}"));
        }
        for payment in now {
            let here = if is_of_contract(row) {
                None
            } else {
                row.provider.as_deref()
            };
            if payment.provider != here {
                let words = format!("paid at {:?}, and the payout names {here:?}", payment.provider);
                self.add(Rule::TwoProviders, &row.id, words);
            }
        }
    }

    /// Checks the payments of a completed payout's generation.
    fn completed(&mut self, row: &Row, now: &[Payment<'_>]) {
        let paid: Vec<_> = now
            .iter()
            .filter(|payment| payment.standing == Standing::Paid)
            .collect();
        if paid.is_empty() {
            let rule = if now.iter().any(|payment| !payment.stands()) {
                Rule::ReturnedThereNotHere
            } else {
                Rule::CompletedButNotPaid
            };
            self.add(rule, &row.id, format!("generation {}: {now:?}", row.generation));
        }
        for payment in paid {
            self.payment(row, payment);
        }
    }

    /// Checks that the row agrees with what was paid.
    fn payment(&mut self, row: &Row, payment: &Payment<'_>) {
        let reference = payment.reference;
        let same = match payment.paid {
            Paid::Instruction(paid) => paid.is_some_and(|paid| is_same(paid, row)),
            Paid::Vendor(paid) => {
                minor_units(
                    &paid.amount,
                    &row.currency,
                    row.provider.as_deref() != Some("paypal"),
                ) == minor_units(&row.amount, &row.currency, false)
                    && paid.currency.eq_ignore_ascii_case(&row.currency)
                    && paid.recipient == row.recipient_account
            }
        };
        // The reference is absent when an operator resolved the payout as paid.
        let is_another = |known: &str| known != reference;
        if row.provider_reference.as_deref().is_some_and(is_another) {
            self.add(
                Rule::PaidSomethingElse,
                &row.id,
                format!("paid as {reference}, not {:?}", row.provider_reference),
            );
        }
        if !same {
            self.add(
                Rule::PaidSomethingElse,
                &row.id,
                format!("paid {:?}", payment.paid),
            );
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
}

/// Returns whether the payout's provider is the one of the HTTP contract.
fn is_of_contract(row: &Row) -> bool {
    row.provider.as_deref().is_none_or(|name| name == BANK)
}

fn is_same(paid: &Instruction, row: &Row) -> bool {
    paid.payout_id == row.id
        && amount(&paid.amount) == amount(&row.amount)
        && paid.currency == row.currency
        && paid.recipient_account == row.recipient_account
        && paid.recipient_name == row.recipient_name
        && paid.description == row.description
}

/// Returns an amount in the currency's smallest unit. `is_minor`: the text is such a number already.
fn minor_units(text: &str, currency: &str, is_minor: bool) -> Option<u64> {
    if is_minor || currency == "JPY" {
        return text.parse().ok();
    }
    let (units, cents) = text.split_once('.').unwrap_or((text, ""));
    format!("{units}{cents:0<2}").parse().ok()
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
