//! The judge's rules about batches and approvals.

use std::collections::{HashMap, HashSet};

use crate::batches::{APPROVED_CURRENCIES, APPROVED_FROM, ToldBatch};
use crate::database::{BatchRow, Event, Row};
use crate::judge::Findings;
use crate::rules::Rule;

impl Findings {
    /// Checks that each batch is stored whole, once, and where an answer said so.
    pub(crate) fn batches(&mut self, told: &[ToldBatch], stored: &[BatchRow]) {
        for batch in stored.iter().filter(|batch| batch.payouts != batch.stored) {
            let words = format!(
                "batch {}: {} of {} payouts",
                batch.id, batch.stored, batch.payouts
            );
            self.add(Rule::BatchTorn, "", words);
        }
        let mut by_name: HashMap<&str, Vec<&BatchRow>> = HashMap::new();
        for batch in stored {
            let name = batch.external_id.as_deref().unwrap_or_default();
            by_name.entry(name).or_default().push(batch);
        }
        for told in told {
            let name = told.external_id.as_str();
            let rows = by_name.remove(name).unwrap_or_default();
            if let Some(why) = &told.unanswered {
                self.add(Rule::CreateUnanswered, "", format!("{name}: {why}"));
            }
            let answered: HashSet<&str> = told.ids.iter().map(String::as_str).collect();
            let there: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            if !answered.is_subset(&there) {
                self.add(
                    Rule::BatchLost,
                    "",
                    format!("{name}: answered with {answered:?}, stored as {there:?}"),
                );
            }
            if rows.len() > 1 {
                self.add(Rule::BatchTwice, "", format!("{name}: {there:?}"));
            }
            let sent = i64::try_from(told.payouts).unwrap_or(i64::MAX);
            if rows.iter().any(|row| row.payouts != sent) {
                self.add(Rule::BatchTorn, "", format!("{name}: {sent} payouts were sent"));
            }
        }
        for name in by_name.into_keys() {
            self.add(Rule::BatchTorn, "", format!("nobody sent {name:?}"));
        }
    }

    /// Checks that nothing that needs an approval is claimed without one, in any generation.
    pub(crate) fn approvals(&mut self, row: &Row, trail: &[Event]) {
        let units: u64 = row
            .amount
            .split('.')
            .next()
            .and_then(|units| units.parse().ok())
            .unwrap_or(u64::MAX);
        if units < APPROVED_FROM || !APPROVED_CURRENCIES.contains(&row.currency.as_str()) {
            return;
        }
        let mut is_approved = false;
        for event in trail {
            match event.kind.as_str() {
                "approved" => is_approved = true,
                "created" | "edited" | "retried" => is_approved = false,
                "claimed" if !is_approved => {
                    self.add(Rule::SentUnapproved, &row.id, format!("fence {}", event.fence));
                }
                _ => (),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn stored(name: &str, payouts: i64, stored: i64) -> BatchRow {
        BatchRow {
            id: format!("id-{name}"),
            external_id: Some(name.to_owned()),
            payouts,
            stored,
        }
    }

    fn told(name: &str) -> ToldBatch {
        ToldBatch {
            external_id: name.to_owned(),
            payouts: 3,
            ids: HashSet::from([format!("id-{name}")]),
            unanswered: None,
        }
    }

    fn found(told: &[ToldBatch], stored: &[BatchRow]) -> Vec<Rule> {
        let mut findings = Findings::default();
        findings.batches(told, stored);
        findings.rules()
    }

    #[test]
    fn a_batch_that_is_stored_whole_and_once_is_as_promised() {
        assert_eq!(found(&[told("a")], &[stored("a", 3, 3)]), []);
    }

    #[test]
    fn a_batch_that_is_torn_lost_or_doubled_is_found() {
        assert_eq!(found(&[told("a")], &[stored("a", 3, 2)]), [Rule::BatchTorn]);
        assert_eq!(found(&[told("a")], &[stored("a", 2, 2)]), [Rule::BatchTorn]);
        assert_eq!(found(&[told("a")], &[]), [Rule::BatchLost]);
        let mut second = stored("a", 3, 3);
        second.id = "another".to_owned();
        assert_eq!(
            found(&[told("a")], &[stored("a", 3, 3), second]),
            [Rule::BatchTwice]
        );
        assert_eq!(found(&[], &[stored("a", 3, 3)]), [Rule::BatchTorn]);
        let refused = ToldBatch {
            unanswered: Some("refused".to_owned()),
            ids: HashSet::new(),
            ..told("a")
        };
        assert_eq!(found(&[refused], &[]), [Rule::CreateUnanswered]);
    }

    #[test]
    fn a_claim_without_an_approval_is_found_in_every_generation() {
        let row = |amount: &str, currency: &str| Row {
            id: "p".to_owned(),
            provider_key: "p".to_owned(),
            generation: 0,
            status: "completed".to_owned(),
            needs_review: false,
            deleted: false,
            amount: amount.to_owned(),
            currency: currency.to_owned(),
            recipient_account: String::new(),
            recipient_name: String::new(),
            description: String::new(),
            provider_reference: None,
            provider: None,
        };
        let trail = |kinds: &[&str]| -> Vec<Event> {
            let event = |kind: &&str| Event {
                payout_id: "p".to_owned(),
                generation: 0,
                fence: 1,
                at: clock::now(),
                kind: (*kind).to_owned(),
                status: "processing".to_owned(),
                actor: "test".to_owned(),
                detail: None,
            };
            kinds.iter().map(event).collect()
        };
        let found = |row: &Row, kinds: &[&str]| {
            let mut findings = Findings::default();
            findings.approvals(row, &trail(kinds));
            findings.rules()
        };
        let large = row("1000.5", "EUR");
        assert_eq!(found(&large, &["created", "approved", "claimed", "claimed"]), []);
        assert_eq!(found(&large, &["created", "claimed"]), [Rule::SentUnapproved]);
        let again = ["created", "approved", "claimed", "failed", "retried", "claimed"];
        assert_eq!(found(&large, &again), [Rule::SentUnapproved]);
        assert_eq!(found(&row("999.99", "EUR"), &["created", "claimed"]), []);
        assert_eq!(found(&row("5000", "JPY"), &["created", "claimed"]), []);
    }
}
