//! The progress of an import.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use payout_core::usecase::batches::{BatchSource, SourceRow};

use crate::batch_file::BatchFile;

/// The progress of an import on standard error: a bar on a terminal, and nothing elsewhere.
#[derive(Clone)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn begin(dry_run: bool) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let template = "{spinner} {msg} {pos} rows {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_message(if dry_run {
                "checking"
            } else {
                "checking, then storing:"
            });
            bar
        });
        Self { bar }
    }

    /// Begins to count again: the rows are read once to be checked, and once more to be stored.
    fn again(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(0);
        }
    }

    fn row(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The rows of a file, which are counted while they are read.
pub(super) struct Counted {
    pub(super) file: BatchFile,
    pub(super) progress: Progress,
}

impl BatchSource for Counted {
    fn rows(&self) -> Box<dyn Iterator<Item = SourceRow> + Send + '_> {
        self.progress.again();
        Box::new(self.file.rows().inspect(|_| self.progress.row()))
    }

    fn may_name_recipients(&self) -> bool {
        self.file.may_name_recipients()
    }
}
