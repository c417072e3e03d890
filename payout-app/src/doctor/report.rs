//! The findings, one line for each check.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// The level of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The service works, but the operator should know.
    Warn,
    /// The service does not work in this state.
    Fail,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// The finding of one check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) says: String,
    /// The remedy.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<&'static str>,
}

/// The findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, says: impl fmt::Display) {
        self.add(check, Level::Ok, says, None);
    }

    pub(super) fn warn(&mut self, check: &'static str, says: impl fmt::Display, remedy: &'static str) {
        self.add(check, Level::Warn, says, Some(remedy));
    }

    pub(super) fn fail(&mut self, check: &'static str, says: impl fmt::Display, remedy: &'static str) {
        self.add(check, Level::Fail, says, Some(remedy));
    }

    fn add(
        &mut self,
        check: &'static str,
        level: Level,
        says: impl fmt::Display,
        remedy: Option<&'static str>,
    ) {
        let says = says.to_string().replace(['\n', '\r'], " ");
        self.0.push(Finding {
            check,
            level,
            says,
            remedy,
        });
    }

    #[cfg(test)]
    pub(super) fn findings(&self) -> &[Finding] {
        &self.0
    }

    fn has_failed(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Fail)
    }

    /// Prints to standard output. The exit code is 1 if a check failed or the output cannot be written.
    pub(super) fn print(&self, json: bool) -> ExitCode {
        let text = if json { self.json() } else { self.lines() };
        let printed = io::stdout().write_all(text.as_bytes());
        if self.has_failed() || printed.is_err() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let remedy = finding
                .remedy
                .map_or_else(String::new, |remedy| format!("; {remedy}"));
            text += &format!(
                "{:<5} {:<11} {}{remedy}\n",
                finding.level, finding.check, finding.says
            );
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let value = serde_json::json!({ "ok": !self.has_failed(), "checks": self.0 });
        format!("{value:#}\n")
    }
}

/// Formats an error and its causes in one line.
pub(crate) fn in_a_line(error: &dyn Error) -> String {
    payout_core::Causes(error).to_string()
}
