//! Writes findings as a table, as CSV or as JSON, each as soon as it is found. No format contains the recipient.

use std::io::{self, Write};

use payout_core::ports::Record;
use payout_core::usecase::reconciliation::{Disagreement, Finding, Period, Tally};
use serde::Serialize;

use crate::export::csv::is_run;
use crate::settings::ReconcileFormat;

/// The fields of one finding, in the order in which they are written.
#[derive(Debug, Serialize)]
struct Line {
    payout_id: String,
    created_at: String,
    amount: String,
    currency: &'static str,
    status: &'static str,
    needs_review: bool,
    deleted: bool,
    key: String,
    finding: &'static str,
    there: &'static str,
    reference_here: Option<String>,
    reference_there: Option<String>,
    why: Option<String>,
    provider: Option<String>,
}

const COLUMNS: &str = "payout_id,created_at,amount,currency,status,needs_review,deleted,key,finding,there,reference_here,\
                       reference_there,why,provider";

impl Line {
    fn of(finding: &Finding) -> Self {
        match finding {
            Finding::Disagree(record, disagreement) => {
                let Disagreement {
                    kind,
                    generation,
                    provider,
                    there,
                    reference,
                } = disagreement;
                Self {
                    provider: provider.as_ref().map(ToString::to_string),
                    there: there.as_str(),
                    reference_there: reference.as_ref().map(|reference| reference.as_str().to_owned()),
                    ..Self::about(record, *generation, kind.as_str())
                }
            }
            Finding::NoAnswer {
                record,
                generation,
                why,
            } => Self {
                why: Some(why.clone()),
                ..Self::about(record, *generation, "no_answer")
            },
        }
    }

    fn about(record: &Record, generation: u32, finding: &'static str) -> Self {
        let reference = record.provider_reference.as_ref();
        Self {
            payout_id: record.id.to_string(),
            created_at: record
                .created_at
                .to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            amount: record.money.amount().to_string(),
            currency: record.money.currency().code(),
            status: record.status.as_str(),
            needs_review: record.needs_review,
            deleted: record.deleted,
            key: record.key(generation).as_str().to_owned(),
            finding,
            there: "",
            reference_here: reference.map(|reference| reference.as_str().to_owned()),
            reference_there: None,
            why: None,
            provider: record.provider.as_ref().map(ToString::to_string),
        }
    }

    fn csv(&self) -> String {
        let fields = [
            self.payout_id.as_str(),
            &self.created_at,
            &self.amount,
            self.currency,
            self.status,
            if self.needs_review { "true" } else { "false" },
            if self.deleted { "true" } else { "false" },
            &self.key,
            self.finding,
            self.there,
            self.reference_here.as_deref().unwrap_or_default(),
            self.reference_there.as_deref().unwrap_or_default(),
            self.why.as_deref().unwrap_or_default(),
            self.provider.as_deref().unwrap_or_default(),
        ];
        fields.map(csv_field).join(",")
    }

    /// Formats the fields that matter most to an operator.
    fn row(&self) -> String {
        let mut status = self.status.to_owned();
        if self.needs_review {
            status += ", in review";
        }
        if self.deleted {
            status += ", deleted";
        }
        let there = match (self.there, &self.reference_there, &self.why) {
            (there, Some(reference), _) => format!("{there} as {reference}"),
            ("", None, Some(why)) => why.clone(),
            (there, None, _) => there.to_owned(),
        };
        let there = match &self.provider {
            Some(provider) => format!("{there} at {provider}"),
            None => there,
        };
        let money = format!("{} {}", self.amount, self.currency);
        format!(
            "{:<39} {:>20} {:<20} {:<20} {there}",
            self.key, money, status, self.finding
        )
    }
}

/// Quotes a field if needed (RFC 4180), and keeps a spreadsheet from taking it for a formula: a reference is the
/// provider's own text.
fn csv_field(text: &str) -> String {
    let text = if is_run(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

pub(super) struct Output<W> {
    format: ReconcileFormat,
    to: W,
    written: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(format: ReconcileFormat, to: W) -> Self {
        Self {
            format,
            to,
            written: 0,
        }
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self.format {
            ReconcileFormat::Table => Ok(()),
            ReconcileFormat::Csv => writeln!(self.to, "{COLUMNS}"),
            ReconcileFormat::Json => write!(self.to, "{{\"findings\": ["),
        }
    }

    pub(super) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let line = Line::of(finding);
        let first = self.written == 0;
        self.written += 1;
        match self.format {
            ReconcileFormat::Table => {
                if first {
                    let (key, amount, status, finding) = ("key", "amount", "here", "finding");
                    writeln!(self.to, "{key:<39} {amount:>20} {status:<20} {finding:<20} there")?;
                }
                writeln!(self.to, "{}", line.row())
            }
            ReconcileFormat::Csv => writeln!(self.to, "{}", line.csv()),
            ReconcileFormat::Json => {
                let comma = if first { "" } else { "," };
                write!(self.to, "{comma}\n  {}", serde_json::to_string(&line)?)
            }
        }
    }

    pub(super) fn end(&mut self, period: &Period, tally: Tally) -> io::Result<()> {
        match self.format {
            ReconcileFormat::Table | ReconcileFormat::Csv => (),
            ReconcileFormat::Json => {
                let (since, until) = (period.since.to_rfc3339(), period.until.to_rfc3339());
                let Tally {
                    payouts,
                    disagreements,
                    unanswered,
                } = tally;
                writeln!(
                    self.to,
                    "\n], \"since\": \"{since}\", \"until\": \"{until}\", \"payouts\": {payouts}, \
                     \"disagreements\": {disagreements}, \"unanswered\": {unanswered}}}"
                )?;
            }
        }
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::csv_field;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, field) in [
            ("ref-1", "ref-1"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }
}
