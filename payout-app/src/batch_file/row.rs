//! A payment from a record, or everything that is wrong with it.

use std::borrow::Cow;
use std::fmt::Display;

use payout_core::Timestamp;
use payout_core::batch::Mistake;
use payout_core::money::{Amount, Currency, Money};
use payout_core::payout::{
    Description, ExternalId, Metadata, Recipient, RecipientAccount, RecipientFields, RecipientName,
    StatementText,
};
use payout_core::stored_recipient::RecipientId;
use payout_core::usecase::batches::{PaymentTerms, RowPayment, RowRecipient};

use super::cell::{self, DecimalSign};
use super::header::{Column, Columns, DELIMITERS, Layout};
use super::records::Record;
use crate::http::moment;

const REQUIRED: &str = "This field is required.";

/// The values of a row so far.
#[derive(Default)]
struct Values {
    amount: Option<Amount>,
    currency: Option<Currency>,
    account: Option<RecipientAccount>,
    name: Option<RecipientName>,
    description: Option<Description>,
    external_id: Option<ExternalId>,
    statement_text: Option<StatementText>,
    scheduled_at: Option<Timestamp>,
    recipient_id: Option<RecipientId>,
    allow_duplicate: bool,
    recipient: RecipientFields,
    metadata: Vec<(String, String)>,
}

/// The mistakes of a row.
struct Mistakes {
    row: u64,
    found: Vec<Mistake>,
}

impl Mistakes {
    fn add(&mut self, column: &str, message: impl Into<String>) {
        self.found.push(Mistake {
            row: self.row,
            column: Some(column.to_owned()),
            message: message.into(),
        });
    }

    fn has(&self, column: &str) -> bool {
        self.found
            .iter()
            .any(|mistake| mistake.column.as_deref() == Some(column))
    }

    /// Returns the value, or notes the mistake.
    fn take<T, E: Display>(&mut self, column: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(column, error.to_string())).ok()
    }
}

/// Reads a row.
///
/// # Errors
/// Every cell that is wrong or missing.
pub(super) fn payment(
    record: &Record<'_>,
    layout: &Layout,
    decimal: DecimalSign,
) -> Result<RowPayment, Vec<Mistake>> {
    let columns = &layout.columns;
    let mut mistakes = Mistakes {
        row: record.row,
        found: Vec::new(),
    };
    if let Some(message) = wrong_length(record, layout) {
        return Err(vec![Mistake::of_row(record.row, message)]);
    }
    let mut values = Values::default();
    for ((column, name), cell) in columns.iter().zip(&record.cells) {
        let cell = cell.trim();
        if !cell.is_empty() {
            values.read(column, name, cell, decimal, &mut mistakes);
        }
    }
    let payment = values.into_payment(columns, &mut mistakes);
    match payment {
        Some(payment) if mistakes.found.is_empty() => Ok(payment),
        Some(_) | None => Err(mistakes.found),
    }
}

/// Returns what is wrong with the number of cells. Empty cells after the last column are ignored.
fn wrong_length(record: &Record<'_>, layout: &Layout) -> Option<String> {
    let (cells, expected) = (record.cells.len(), layout.columns.len());
    let further = record.cells.iter().skip(expected);
    if cells < expected {
        if let Some(delimiter) = other_delimiter(record, layout) {
            return Some(format!(
                "The header is separated by {}, and this row by {}: use one separator in the whole file.",
                plural(layout.delimiter),
                plural(delimiter)
            ));
        }
        let unit = if cells == 1 { "cell" } else { "cells" };
        return Some(format!(
            "This row has {cells} {unit}, and the header has {expected}: the row, or the file, was cut."
        ));
    }
    let full = further.filter(|cell| !cell.trim().is_empty()).count();
    (full > 0).then(|| {
        format!(
            "This row has {cells} cells, and the header has {expected}: a cell with a delimiter in it needs quotation \
             marks."
        )
    })
}

/// Returns the delimiter, other than the header's, that separates as many cells as the header has.
fn other_delimiter(record: &Record<'_>, layout: &Layout) -> Option<u8> {
    let mut others = DELIMITERS
        .into_iter()
        .filter(|delimiter| *delimiter != layout.delimiter);
    others.find(|delimiter| {
        let bytes = record.cells.iter().flat_map(|cell| cell.bytes());
        bytes.filter(|byte| byte == delimiter).count() + 1 >= layout.columns.len()
    })
}

/// Returns the word for a delimiter, in the plural.
fn plural(delimiter: u8) -> &'static str {
    match delimiter {
        b';' => "semicolons",
        b'\t' => "tabs",
        b',' => "commas",
        _ => "other characters",
    }
}

impl Values {
    fn read(
        &mut self,
        column: &Column,
        name: &str,
        cell: &str,
        decimal: DecimalSign,
        mistakes: &mut Mistakes,
    ) {
        if *column == Column::Amount {
            self.amount = mistakes.take(name, cell::amount(cell, decimal));
            return;
        }
        // A phone number begins with a plus sign.
        let is_phone = matches!(column, Column::Recipient(part) if part == "phone");
        let text = if is_phone { Ok(cell) } else { cell::text(cell) };
        let Some(text) = mistakes.take(name, text) else {
            return;
        };
        match column {
            Column::Amount => (),
            Column::Currency => self.currency = mistakes.take(name, text.parse()),
            Column::RecipientAccount => self.account = mistakes.take(name, RecipientAccount::new(text)),
            Column::RecipientName => self.name = mistakes.take(name, RecipientName::new(text)),
            Column::Description => self.description = mistakes.take(name, Description::new(text)),
            Column::ExternalId => self.external_id = mistakes.take(name, ExternalId::new(text)),
            Column::StatementText => self.statement_text = mistakes.take(name, StatementText::new(text)),
            Column::ScheduledAt => {
                let at = moment::parse(text).ok_or(moment::EXPECTED);
                self.scheduled_at = mistakes.take(name, at);
            }
            Column::RecipientId => {
                let id = text
                    .parse()
                    .map_err(|_| "Use the id of a stored recipient, a UUID.");
                self.recipient_id = mistakes.take(name, id);
            }
            Column::AllowDuplicate => {
                let allowed = match text.to_ascii_lowercase().as_str() {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    _ => Err("Use true or false."),
                };
                self.allow_duplicate = mistakes.take(name, allowed).unwrap_or_default();
            }
            Column::Recipient(part) => drop(self.recipient.0.insert(part.clone(), text.to_owned())),
            Column::Metadata(key) => self.metadata.push((key.clone(), text.to_owned())),
            Column::Unnamed => mistakes.add(name, "This cell is in a column without a name."),
        }
    }

    fn into_payment(mut self, columns: &Columns, mistakes: &mut Mistakes) -> Option<RowPayment> {
        let money = self.money(mistakes);
        let recipient = match self.recipient_id {
            Some(id) => self.stored(id, mistakes),
            None if mistakes.has("recipient_id") => None,
            None => self.recipient(columns, mistakes),
        };
        let metadata = match Metadata::new(std::mem::take(&mut self.metadata)) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                mistakes.add("metadata", error.to_string());
                None
            }
        };
        Some(RowPayment {
            terms: PaymentTerms {
                money: money?,
                description: self.description.unwrap_or_default(),
                external_id: self.external_id,
                metadata: metadata?,
                statement_text: self.statement_text,
                scheduled_at: self.scheduled_at,
            },
            recipient: recipient?,
            allow_duplicate: self.allow_duplicate,
        })
    }

    /// Returns a stored recipient, beside which the row may have no other.
    fn stored(&self, id: RecipientId, mistakes: &mut Mistakes) -> Option<RowRecipient> {
        let has_another = self.account.is_some() || self.name.is_some() || !self.recipient.0.is_empty();
        if has_another {
            mistakes.add("recipient_id", "Fill in either recipient_id or a recipient.");
            return None;
        }
        Some(RowRecipient::Stored(id))
    }

    fn money(&self, mistakes: &mut Mistakes) -> Option<Money> {
        for (name, is_given) in [
            ("amount", self.amount.is_some()),
            ("currency", self.currency.is_some()),
        ] {
            if !is_given && !mistakes.has(name) {
                mistakes.add(name, REQUIRED);
            }
        }
        mistakes.take("amount", Money::new(self.amount?, self.currency?))
    }

    fn recipient(&mut self, columns: &Columns, mistakes: &mut Mistakes) -> Option<RowRecipient> {
        const EITHER: &str =
            "Fill in either the columns recipient.*, or recipient_account and recipient_name.";
        const MASKED: &str = "This is a mask: send the whole value.";
        let is_flat = self.account.is_some()
            || self.name.is_some()
            || mistakes.has("recipient_account")
            || mistakes.has("recipient_name");
        let is_typed = !self.recipient.0.is_empty() || (columns.has_typed_recipients() && !is_flat);
        if is_typed && is_flat {
            mistakes.add("recipient.type", EITHER);
            return None;
        }
        if is_typed {
            return match Recipient::parse(&self.recipient) {
                Ok(recipient) => Some(RowRecipient::Given(Box::new(recipient))),
                Err(errors) => {
                    for error in errors {
                        let column = format!("recipient.{}", error.field);
                        if !mistakes.has(&column) {
                            mistakes.add(&column, error.message);
                        }
                    }
                    None
                }
            };
        }
        let (account, name) = (self.account.take(), self.name.take());
        for (column, is_given, is_masked) in [
            (
                "recipient_account",
                account.is_some(),
                account.as_ref().is_some_and(RecipientAccount::is_masked),
            ),
            (
                "recipient_name",
                name.is_some(),
                name.as_ref().is_some_and(RecipientName::is_masked),
            ),
        ] {
            let message: Option<Cow<'static, str>> = match (is_given, is_masked) {
                (false, _) => (!mistakes.has(column)).then(|| REQUIRED.into()),
                (true, true) => Some(MASKED.into()),
                (true, false) => None,
            };
            if let Some(message) = message {
                mistakes.add(column, message);
            }
        }
        Some(RowRecipient::Given(Box::new(Recipient::new(account?, name?))))
    }
}
