//! A payout as a row of a table: the columns of an export.

use std::fmt::{self, Write as _};

use payout_core::Timestamp;

use super::{MetadataBody, PayoutBody, RecipientBody, time_text};
use crate::export::csv::Row;

/// The columns, in their order. New columns are added at the end, so that a reader by position keeps working.
pub(crate) const COLUMNS: &[&str] = &[
    "id",
    "created_at",
    "updated_at",
    "status",
    "amount",
    "currency",
    "recipient_type",
    "recipient_account",
    "recipient_name",
    "recipient_details",
    "description",
    "needs_review",
    "failure_code",
    "failure_message",
    "failure_reason",
    "provider",
    "provider_reference",
    "waiting_for",
    "attempts",
    "completed_at",
    "returned_code",
    "returned_message",
    "returned_reason",
    "returned_at",
    "returned_amount",
    "deleted_at",
    "unreadable",
    "external_id",
    "metadata",
    "statement_text",
    "scheduled_at",
    "created_by",
    "batch_id",
    "recipient_id",
];

impl PayoutBody<'_> {
    /// Writes the cells of a row, one for each of [`COLUMNS`].
    pub(crate) fn write_cells(&self, row: &mut Row) {
        let mut buffer = Buffer::default();
        row.own(buffer.of(format_args!("{}", self.id)));
        row.own(moment(Some(self.created_at)).as_str());
        row.own(moment(Some(self.updated_at)).as_str());
        row.own(self.status);
        row.own(buffer.of(format_args!("{}", self.amount.amount())));
        row.own(self.currency);
        row.own(self.recipient.type_name());
        row.text(&self.recipient_account);
        row.text(&self.recipient_name);
        row.text(&self.recipient.details());
        row.text(self.description);
        row.own(if self.needs_review { "true" } else { "false" });
        let failure = self.failure.as_ref();
        row.text(failure.map_or("", |failure| failure.code));
        row.text(failure.map_or("", |failure| failure.message));
        row.own(failure.and_then(|failure| failure.reason).unwrap_or_default());
        row.text(self.provider.unwrap_or_default());
        row.text(self.provider_reference.unwrap_or_default());
        row.own(self.waiting_for.unwrap_or_default());
        row.own(buffer.of(format_args!("{}", self.attempts)));
        row.own(moment(self.completed_at).as_str());
        let returned = self.returned.as_ref();
        row.text(returned.map_or("", |returned| returned.code));
        row.text(returned.map_or("", |returned| returned.message));
        row.own(returned.and_then(|returned| returned.reason).unwrap_or_default());
        row.own(moment(returned.map(|returned| returned.at)).as_str());
        match returned {
            Some(returned) => row.own(buffer.of(format_args!("{}", returned.amount.amount()))),
            None => row.own(""),
        }
        row.own(moment(self.deleted_at).as_str());
        row.own("");
        row.text(self.external_id.unwrap_or_default());
        row.text(&self.metadata.cell());
        row.text(self.statement_text.unwrap_or_default());
        row.own(moment(self.scheduled_at).as_str());
        row.text(self.created_by.unwrap_or_default());
        row.own(buffer.of_some(self.batch_id));
        row.own(buffer.of_some(self.recipient_id));
    }
}

/// Writes the cells of a payout whose row cannot be read.
pub(crate) fn write_unreadable(id: impl fmt::Display, row: &mut Row) {
    row.own(Buffer::default().of(format_args!("{id}")));
    for column in &COLUMNS[1..] {
        row.own(if *column == "unreadable" { "true" } else { "" });
    }
}

impl MetadataBody<'_> {
    /// Returns the metadata as a JSON object; nothing if they are empty.
    fn cell(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl RecipientBody<'_> {
    fn type_name(&self) -> &str {
        match self {
            Self::Plain { .. } => payout_core::payout::RecipientType::Account.as_str(),
            Self::Typed(fields) => fields.get("type").unwrap_or_default(),
        }
    }

    /// Returns the parts of a typed recipient as a JSON object; nothing for a plain account.
    fn details(&self) -> String {
        match self {
            Self::Plain { .. } => String::new(),
            Self::Typed(_) => serde_json::to_string(self).unwrap_or_default(),
        }
    }
}

/// A time as a cell; empty if it is absent.
fn moment(at: Option<Timestamp>) -> Moment {
    Moment(at.map(|at| time_text(&at)))
}

struct Moment(Option<[u8; 27]>);

impl Moment {
    fn as_str(&self) -> &str {
        let text = self.0.as_ref().map(|text| std::str::from_utf8(text));
        text.and_then(Result::ok).unwrap_or_default()
    }
}

/// A buffer for formatted values.
#[derive(Default)]
struct Buffer(String);

impl Buffer {
    fn of_some(&mut self, value: Option<impl fmt::Display>) -> &str {
        match value {
            Some(value) => self.of(format_args!("{value}")),
            None => "",
        }
    }

    fn of(&mut self, value: fmt::Arguments<'_>) -> &str {
        self.0.clear();
        let _ = self.0.write_fmt(value);
        &self.0
    }
}
