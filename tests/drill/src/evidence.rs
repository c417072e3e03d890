//! Evidence for each of the judge's findings, and logs for a closer look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::database::Event;
use crate::faults::Injected;
use crate::report::Run;
use crate::rules::Rule;

/// The maximum number of findings that are shown for each rule.
const MOST_SHOWN: u32 = 5;

impl Run<'_> {
    /// Returns the faults as they were injected, and every audit trail.
    pub(crate) fn logs(&self) -> [(&'static str, String); 2] {
        let (mut faults, mut events) = (String::new(), String::new());
        for one in self.injected {
            let _ = writeln!(faults, "{} {} {}", one.from, one.to, one.fault);
        }
        for event in self.stored.trails.values().flatten() {
            let _ = writeln!(events, "{} {}", event.payout_id, told(event));
        }
        [("faults.log", faults), ("events.log", events)]
    }

    /// Returns the evidence for the first findings of each rule.
    pub(crate) fn evidence(&self) -> String {
        let mut text = String::new();
        let mut shown: BTreeMap<Rule, u32> = BTreeMap::new();
        for finding in self.findings {
            let count = shown.entry(finding.rule).or_default();
            *count += 1;
            if *count > MOST_SHOWN {
                continue;
            }
            let payout = finding.payout.as_deref().unwrap_or("–");
            let _ = writeln!(text, "\n{}: {payout}: {}", finding.rule, finding.words);
            let Some(id) = &finding.payout else { continue };
            let mut key = id.as_str();
            for row in self.stored.rows.iter().filter(|row| row.id == *id) {
                key = &row.provider_key;
                let _ = writeln!(text, "  row    {row:?}");
            }
            for event in self.stored.trails.get(id).into_iter().flatten() {
                let _ = writeln!(text, "  event  {}", told(event));
            }
            for books in self.books {
                let payments = books.payments.iter();
                for payment in payments.filter(|payment| payment.key.starts_with(key)) {
                    let _ = writeln!(text, "  {} {payment:?}", books.provider);
                }
            }
            for entry in self.ledger.iter().filter(|entry| entry.key.starts_with(key)) {
                let _ = writeln!(
                    text,
                    "  ledger {} {} {:?} {:?}",
                    entry.at, entry.key, entry.cause, entry.deed
                );
            }
        }
        let failed: Vec<&Injected> = self
            .injected
            .iter()
            .filter(|injected| injected.failed.is_some())
            .collect();
        for injected in failed {
            let _ = writeln!(text, "\nnot injected: {}: {:?}", injected.fault, injected.failed);
        }
        text
    }
}

fn told(event: &Event) -> String {
    format!(
        "{} {} -> {} generation {} fence {} by {} {}",
        event.at,
        event.kind,
        event.status,
        event.generation,
        event.fence,
        event.actor,
        event.detail.as_deref().unwrap_or_default()
    )
}
