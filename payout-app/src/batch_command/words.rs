//! The answers of the commands, as texts.

use payout_core::batch::{Batch, BatchProgress, Mistake};
use payout_core::payout::{ExternalId, PayoutId};
use payout_core::usecase::batches::{
    BatchAnswer, BatchApproved, BatchReport, Forecast, OtherPayment, Retried,
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

pub(super) fn approved(approved: u64, complete: u64, step: &BatchApproved) -> String {
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
    text + &shown(&step.progress)
}

pub(super) fn retried(step: &Retried) -> String {
    let more = if step.is_partial {
        "; repeat the command for the rest"
    } else {
        ""
    };
    format!(
        "{} payouts retried{more}\n{}{}",
        step.retried,
        listed(&step.refused),
        shown(&step.progress)
    )
}

/// Lists payouts that were left out, one on a line.
fn listed(refused: &[(PayoutId, String)]) -> String {
    let lines = refused.iter().map(|(id, message)| format!("{id}: {message}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
