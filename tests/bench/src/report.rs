//! The report: the table, the machine, and the pictures.

use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::creates::Curve;
use crate::plot;
use crate::run::Run;
use crate::sizes::Latencies;
use crate::table::{Row, markdown};

pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// The throughput of creates and of pgbench's inserts, by connections.
    pub(crate) curves: Option<[Curve; 2]>,
    pub(crate) latencies: Vec<Latencies>,
    machine: String,
    rounds: usize,
    is_full: bool,
}

impl Report {
    pub(crate) async fn new(run: &Run) -> Outcome<Self> {
        let postgres = run.database("machine").await?.version().await?;
        Ok(Self {
            rows: Vec::new(),
            curves: None,
            latencies: Vec::new(),
            machine: machine(&postgres),
            rounds: run.plan.rounds,
            is_full: run.plan.many_rows >= 10_000_000,
        })
    }

    /// Writes the report as Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "`make bench{}` on {}. Medians of {} rounds, measured alternately; in brackets, the range of the rounds.\n",
            if self.is_full { " FULL=1" } else { "" },
            self.machine,
            self.rounds
        );
        text.push_str(&markdown(&self.rows));
        text
    }

    /// Puts the table into this document, and the plots into the folder of the same name beside it. A short run has a
    /// section and plots of its own, so that it does not replace those of a full run.
    pub(crate) fn write(&self, document: &Path) -> Outcome<()> {
        let kind = if self.is_full { "full" } else { "quick" };
        let known = std::fs::read_to_string(document)?;
        std::fs::write(document, replaced(&known, kind, &self.text())?)?;
        let folder = document.with_extension("");
        std::fs::create_dir_all(&folder)?;
        if let Some(curves) = &self.curves {
            plot::throughput(&folder.join(format!("{kind}-throughput.svg")), curves)?;
        }
        if !self.latencies.is_empty() {
            plot::latency(&folder.join(format!("{kind}-latency.svg")), &self.latencies)?;
        }
        Ok(())
    }
}

/// Replaces the text between the two comments that name this kind of run.
fn replaced(document: &str, kind: &str, text: &str) -> Outcome<String> {
    let (begin, end) = (format!("<!-- {kind}: begin -->"), format!("<!-- {kind}: end -->"));
    let (before, rest) = document
        .split_once(&begin)
        .ok_or_else(|| format!("the document has no {begin}"))?;
    let (_, after) = rest
        .split_once(&end)
        .ok_or_else(|| format!("the document has no {end}"))?;
    Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

/// Describes processor, cores, memory, kernel and database.
fn machine(postgres: &str) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let processor =
        value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "an unnamed processor".to_owned());
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let memory = memory
        .and_then(|memory| memory.trim_end_matches(" kB").parse::<f64>().ok())
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores of {processor}, {:.0} GiB, Linux {}, PostgreSQL {postgres}",
        memory / 1024.0 / 1024.0,
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_its_own_kind() {
        let document =
            "a\n<!-- quick: begin -->old<!-- quick: end -->\nb <!-- full: begin --><!-- full: end -->";
        let new = replaced(document, "quick", "new\n").unwrap();
        assert_eq!(
            new,
            "a\n<!-- quick: begin -->\n\nnew\n\n<!-- quick: end -->\nb <!-- full: begin --><!-- full: end -->"
        );
        assert!(replaced("none", "quick", "new").is_err());
    }
}
