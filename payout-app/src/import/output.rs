//! The output of an import: on standard output one line of CSV for each row that the operator should know of, on
//! standard error the progress.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use payout_adapters::django::RowKey;
use payout_core::payout::PayoutId;

/// The outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The row was imported, or would be in a dry run.
    Imported,
    /// It was imported before.
    Known,
    /// It was imported before, and the old service has changed it since.
    Differs,
    /// It was left out, as the command line asks.
    Skipped,
    /// It cannot be imported.
    Refused,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Known => "known",
            Self::Differs => "differs",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// The number of rows with each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) imported: u64,
    pub(super) known: u64,
    pub(super) differ: u64,
    pub(super) skipped: u64,
    pub(super) refused: u64,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Imported => &mut self.imported,
            Outcome::Known => &mut self.known,
            Outcome::Differs => &mut self.differ,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Refused => &mut self.refused,
        };
        *count += 1;
    }

    fn line(self, dry_run: bool) -> String {
        let Self {
            imported,
            known,
            differ,
            skipped,
            refused,
        } = self;
        let verb = if dry_run { "would be imported" } else { "imported" };
        format!(
            "{imported} {verb}, {known} imported before, {differ} differ, {skipped} left out, {refused} refused"
        )
    }
}

/// Writes the lines and the progress.
pub(super) struct Output<W> {
    out: W,
    bar: Option<ProgressBar>,
    pub(super) tally: Tally,
}

impl<W: Write> Output<W> {
    /// Begins the output. `rows` is the number of rows in the table.
    pub(super) fn begin(mut out: W, rows: u64) -> io::Result<Self> {
        writeln!(out, "old_id,id,outcome,reason")?;
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(rows);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {msg} {elapsed} {eta}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Ok(Self {
            out,
            bar,
            tally: Tally::default(),
        })
    }

    /// Writes one row's outcome. A row that was imported under its own id is only counted.
    pub(super) fn row(
        &mut self,
        key: &RowKey,
        id: PayoutId,
        outcome: Outcome,
        reason: &str,
    ) -> io::Result<()> {
        self.tally.count(outcome);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{} refused", self.tally.refused));
        }
        let as_it_was = uuid::Uuid::try_parse(&key.text).is_ok_and(|uuid| uuid == id.as_uuid());
        let quiet = match outcome {
            Outcome::Imported | Outcome::Known => as_it_was,
            Outcome::Differs | Outcome::Skipped | Outcome::Refused => false,
        };
        if quiet {
            return Ok(());
        }
        let line = format!(
            "{},{id},{},{}",
            quoted(&key.text),
            outcome.as_str(),
            quoted(reason)
        );
        let mut write = || writeln!(self.out, "{line}");
        match &self.bar {
            Some(bar) => bar.suspend(&mut write),
            None => write(),
        }
    }

    /// Ends the output with a summary line on standard error.
    pub(super) fn end(mut self, dry_run: bool) -> io::Result<Tally> {
        self.out.flush()?;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        writeln!(io::stderr(), "{}", self.tally.line(dry_run))?;
        Ok(self.tally)
    }
}

/// Quotes a field of CSV if needed (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
