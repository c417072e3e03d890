//! Shows progress on standard error: a moving line on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use payout_core::ports::{Clock, System};
use payout_core::usecase::reconciliation::Tally;

const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    clock: Arc<System>,
    said_at: Duration,
    payouts: u64,
    found: u64,
}

impl Progress {
    pub(super) fn start(clock: &Arc<System>) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed} {per_sec}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            clock: clock.clone(),
            said_at: clock.monotonic(),
            payouts: 0,
            found: 0,
        }
    }

    pub(super) fn looked_up(&mut self) {
        self.payouts += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.payouts);
                bar.set_message(self.line());
            }
            None => {
                let now = self.clock.monotonic();
                if now.saturating_sub(self.said_at) >= EVERY {
                    self.said_at = now;
                    let _ = writeln!(io::stderr(), "{}", self.line());
                }
            }
        }
    }

    pub(super) fn found(&mut self) {
        self.found += 1;
    }

    /// Runs a write to standard output with the moving line hidden.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn end(self, tally: Tally) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let Tally {
            payouts,
            disagreements,
            unanswered,
        } = tally;
        let line = format!(
            "{payouts} payouts looked up: {disagreements} disagreements, {unanswered} without an answer"
        );
        let _ = writeln!(io::stderr(), "{line}");
    }

    fn line(&self) -> String {
        format!("{} payouts looked up, {} findings", self.payouts, self.found)
    }
}
