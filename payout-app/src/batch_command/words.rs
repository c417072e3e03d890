//! The answers of the commands, as texts.

use payout_core::batch::{Batch, BatchProgress, Mistake};
use payout_core::payout::{ExternalId, PayoutId, Status};
use payout_core::usecase::batches::{
    BatchAnswer, BatchApproved, BatchRejected, BatchReport, Forecast, OtherPayment, Retried, StepCounts,
};

use crate::keys_command::moment;

/// Writes mistakes as CSV.
pub(super) fn rows(mistakes: &[Mistake]) -> String {
    if mistakes.is_empty() {
        return String::new();
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |mistake: &Mistake| {
        let column = mistake.column.as_deref().unwrap_or_default();
        format!(
            "{},{},{}\n",
            mistake.row,
            quoted(column),
            quoted(&mistake.message)
        )
    };
    let lines: String = mistakes.iter().map(line).collect();
    format!("row,column,message\n{lines}")
}

pub(super) fn result(answer: &BatchAnswer) -> String {
    match answer {
        BatchAnswer::Stored { batch, report } => {
            format!("batch {} is stored\n{}", batch.id, reported(report))
        }
        BatchAnswer::Replayed(batch) => {
            let at = moment(batch.created_at);
            format!(
                "batch {} was stored at {at} already, with {} payouts; to pay the file once more, give it another \
                 --external-id\n",
                batch.id, batch.payouts
            )
        }
        BatchAnswer::NothingNew(report) => format!("nothing is new\n{}", reported(report)),
        BatchAnswer::DryRun(report) => format!("nothing was stored; this would be\n{}", reported(report)),
    }
}

fn reported(report: &BatchReport) -> String {
    let mut text = format!("{:>8} payouts\n", report.payouts);
    for total in &report.totals {
        text.push_str(&format!(
            "{:>8} of {} {}\n",
            total.count, total.sum, total.currency
        ));
    }
    for count in &report.providers {
        if let Some(provider) = &count.provider {
            text.push_str(&format!("{:>8} by {}\n", count.count, provider.as_str()));
        }
    }
    if let Some(forecast) = &report.forecast {
        text.push_str(&foretold(forecast));
    }
    if !report.left_out.is_empty() {
        text.push_str(&format!(
            "{:>8} rows left out: stored before\n",
            report.left_out.len()
        ));
    }
    text
}

fn foretold(forecast: &Forecast) -> String {
    let mut text = String::new();
    for (count, words) in [
        (forecast.awaiting_approval, "would await approval"),
        (forecast.for_amount, "for their amount"),
        (forecast.for_duplicate, "as likely duplicates"),
    ] {
        if count > 0 {
            text.push_str(&format!("{count:>8} {words}\n"));
        }
    }
    for duplicate in &forecast.duplicates {
        let of = match duplicate.of {
            OtherPayment::Row(row) => format!("row {row}"),
            OtherPayment::Payout(id) => format!("payout {id}"),
        };
        text.push_str(&format!("row {} likely duplicates {of}\n", duplicate.row));
    }
    for exceeded in &forecast.limits {
        text.push_str(&format!(
            "the daily limit of {} would be exceeded: {} is charged today, and the batch comes to {}\n",
            exceeded.limit, exceeded.charged, exceeded.sum
        ));
    }
    text
}

pub(super) fn table(batches: &[Batch]) -> String {
    let row = |cells: [&str; 5]| {
        let [id, at, payouts, by, name] = cells;
        let line = format!("{id:<36} {at:<21} {payouts:>8} {by:<24} {name}");
        format!("{}\n", line.trim_end())
    };
    let mut text = row(["ID", "CREATED", "PAYOUTS", "BY", "EXTERNAL ID"]);
    for batch in batches {
        text.push_str(&row([
            &batch.id.to_string(),
            &moment(batch.created_at),
            &batch.payouts.to_string(),
            batch.created_by.as_str(),
            batch.external_id.as_ref().map_or("-", ExternalId::as_str),
        ]));
    }
    text
}

pub(super) fn shown(progress: &BatchProgress) -> String {
    let batch = &progress.batch;
    let mut text = format!(
        "batch {} of {}: {} payouts, {} % finished\n",
        batch.id,
        moment(batch.created_at),
        progress.payouts(),
        progress.percent()
    );
    for total in &progress.totals {
        let status = total.status.as_str();
        text.push_str(&format!(
            "{:>8} {status:<18} {} {}\n",
            total.count, total.sum, total.currency
        ));
    }
    text
}

/// The result of a command: its text, and whether everything that it was to do is done. A payout that was refused is
/// not, nor what a command that changed nothing came too late for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) text: String,
    pub(super) is_whole: bool,
}

impl Done {
    /// Builds the result of a command that only reads.
    pub(super) fn read(text: String) -> Self {
        Self { text, is_whole: true }
    }
}

pub(super) fn approved(approved: u64, complete: u64, step: &BatchApproved) -> Done {
    let mut text = format!("{approved} payouts approved, {complete} of them completely\n");
    for (count, words) in [
        (step.approvals.own, "await others: you created or edited them"),
        (
            step.approvals.settled_without,
            "were approved by others, rejected or cancelled",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("{count:>8} {words}\n"));
        }
    }
    text.push_str(&listed(&step.refused));
    let is_own = approved == 0 && step.approvals.own > 0;
    Done {
        text: text + &shown(&step.progress),
        is_whole: step.refused.is_empty() && !step.is_partial && !is_own,
    }
}

pub(super) fn rejected(step: &BatchRejected) -> Done {
    Done {
        text: format!("{} payouts rejected\n{}", step.rejected, shown(&step.progress)),
        is_whole: step.rejected > 0 || step.too_late() == 0,
    }
}

pub(super) fn cancelled(step: &StepCounts) -> Done {
    let mut totals = step.progress.totals.iter();
    let are_cancelled = totals.all(|total| total.status == Status::Cancelled);
    Done {
        text: format!("{} payouts cancelled\n{}", step.changed, shown(&step.progress)),
        is_whole: step.changed > 0 || are_cancelled,
    }
}

pub(super) fn retried(step: &Retried) -> Done {
    let more = if step.is_partial {
        "; repeat the command for the rest"
    } else {
        ""
    };
    let text = format!(
        "{} payouts retried{more}\n{}{}",
        step.retried,
        listed(&step.refused),
        shown(&step.progress)
    );
    Done {
        text,
        is_whole: step.refused.is_empty() && !step.is_partial,
    }
}

/// Lists payouts that were left out, one on a line.
fn listed(refused: &[(PayoutId, String)]) -> String {
    let lines = refused.iter().map(|(id, message)| format!("{id}: {message}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use payout_core::Timestamp;
    use payout_core::batch::{BatchApprovals, BatchId, BatchTotal, ContentHash};
    use payout_core::payout::{Actor, Description};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    use super::*;

    fn progress(status: Status) -> BatchProgress {
        let total = BatchTotal {
            status,
            currency: "EUR".parse().unwrap(),
            count: 1,
            sum: Decimal::ONE,
            in_review: 0,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        BatchProgress {
            batch: Batch {
                id: BatchId::from(Uuid::nil()),
                external_id: None,
                content: ContentHash::from([0; 32]),
                description: Description::default(),
                scheduled_at: None,
                payouts: 1,
                left_out: 0,
                created_at: Timestamp::UNIX_EPOCH,
                created_by: Actor::new("test"),
            },
            totals: vec![total],
            approvable: 0,
        }
    }

    fn refused() -> Vec<(PayoutId, String)> {
        let id = PayoutId::from(Uuid::nil());
        vec![(id, "This payout cannot be read.".to_owned())]
    }

    #[test]
    fn a_command_that_a_payout_refused_is_not_done() {
        let retried = |retried, refused, is_partial| {
            let progress = progress(Status::Failed);
            let step = Retried {
                retried,
                refused,
                is_partial,
                progress,
            };
            super::retried(&step).is_whole
        };
        assert!(retried(1, vec![], false) && retried(0, vec![], false));
        assert!(!retried(0, refused(), false) && !retried(1, refused(), false));
        assert!(!retried(1, vec![], true));

        let approved = |approved, refused, is_partial, own| {
            let step = BatchApproved {
                approved,
                complete: approved,
                refused,
                is_partial,
                approvals: BatchApprovals {
                    own,
                    ..BatchApprovals::default()
                },
                progress: progress(Status::AwaitingApproval),
            };
            super::approved(approved, approved, &step).is_whole
        };
        assert!(approved(1, vec![], false, 1) && approved(0, vec![], false, 0));
        assert!(!approved(0, refused(), false, 0) && !approved(1, refused(), false, 0));
        assert!(!approved(1, vec![], true, 0) && !approved(0, vec![], false, 1));
    }

    #[test]
    fn a_command_that_came_too_late_for_everything_is_not_done() {
        let rejected = |rejected, settled_with, cancelled| {
            let approvals = BatchApprovals {
                settled_with,
                cancelled,
                ..BatchApprovals::default()
            };
            let step = BatchRejected {
                rejected,
                approvals,
                progress: progress(Status::Pending),
            };
            super::rejected(&step).is_whole
        };
        assert!(rejected(1, 1, 0) && rejected(0, 0, 0) && rejected(0, 1, 1));
        assert!(!rejected(0, 2, 1));

        let cancelled = |changed, status| {
            let progress = progress(status);
            super::cancelled(&StepCounts { changed, progress }).is_whole
        };
        assert!(cancelled(1, Status::Completed) && cancelled(0, Status::Cancelled));
        assert!(!cancelled(0, Status::Completed) && !cancelled(0, Status::Processing));
    }

    #[test]
    fn wrong_rows_are_printed_as_csv() {
        let mistakes = [
            Mistake::of(3, "amount", "Say \"10\"."),
            Mistake::of_row(4, "Cut."),
        ];
        assert_eq!(
            rows(&mistakes),
            "row,column,message\n3,\"amount\",\"Say \"\"10\"\".\"\n4,\"\",\"Cut.\"\n"
        );
        assert_eq!(rows(&[]), "");
    }
}
