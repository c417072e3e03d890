//! The header of a file: its delimiter, and the column that each cell belongs to.

use std::borrow::Cow;
use std::collections::HashMap;

use payout_core::batch::Mistake;
use payout_core::payout::{Address, RecipientType};

use super::records::{Record, Records};
use crate::near::nearest;

/// The delimiters that a file may have.
pub(super) const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The columns of the API's own names, besides those of a recipient and of metadata.
static PLAIN: [(&str, Column); 10] = [
    ("amount", Column::Amount),
    ("currency", Column::Currency),
    ("recipient_account", Column::RecipientAccount),
    ("recipient_name", Column::RecipientName),
    ("description", Column::Description),
    ("external_id", Column::ExternalId),
    ("statement_text", Column::StatementText),
    ("scheduled_at", Column::ScheduledAt),
    ("recipient_id", Column::RecipientId),
    ("allow_duplicate", Column::AllowDuplicate),
];
const RECIPIENT: &str = "recipient.";
const METADATA: &str = "metadata.";

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Amount,
    Currency,
    RecipientAccount,
    RecipientName,
    Description,
    ExternalId,
    StatementText,
    ScheduledAt,
    RecipientId,
    AllowDuplicate,
    /// A part of the recipient, such as `iban` or `address.city`.
    Recipient(String),
    /// An entry of the metadata.
    Metadata(String),
    /// A column without a name, whose cells are empty.
    Unnamed,
}

/// The columns of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns(Vec<(Column, String)>);

/// The form of a file: its delimiter, its columns, and where its payouts begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) delimiter: u8,
    pub(super) columns: Columns,
    /// The offset of the first record below the header.
    pub(super) data_at: usize,
    /// The row of that record.
    pub(super) data_row: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            delimiter: b',',
            columns: Columns::default(),
            data_at: 0,
            data_row: 1,
        }
    }
}

impl Layout {
    /// Reads the header of a text. A line `sep=;` before it names the delimiter, as Excel writes it.
    ///
    /// # Errors
    /// Every column that is missing, unknown or doubled.
    pub(super) fn of(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut best: Option<(usize, u8)> = None;
        for delimiter in declared_delimiter(text).map_or(DELIMITERS.to_vec(), |declared| vec![declared]) {
            let known = match header(text, delimiter) {
                Ok((cells, _)) => cells
                    .cells
                    .iter()
                    .filter(|cell| Column::named(cell).is_some())
                    .count(),
                Err(_) => 0,
            };
            if best.is_none_or(|(most, _)| known > most) {
                best = Some((known, delimiter));
            }
        }
        let (_, delimiter) = best.unwrap_or((0, b','));
        let (record, records) = header(text, delimiter)?;
        Ok(Self {
            columns: Columns::of(&record)?,
            delimiter,
            data_at: records.at(),
            data_row: records.row(),
        })
    }
}

/// Returns the delimiter that the first line names.
fn declared_delimiter(text: &str) -> Option<u8> {
    let line = text.lines().next()?.trim_end();
    let (name, delimiter) = line.split_at_checked("sep=".len())?;
    let delimiter = delimiter.as_bytes();
    (name.eq_ignore_ascii_case("sep=") && delimiter.len() == 1).then(|| delimiter.first().copied())?
}

/// Reads the first record with text in it.
fn header(text: &str, delimiter: u8) -> Result<(Record<'_>, Records<'_>), Vec<Mistake>> {
    let mut records = Records::new(text, delimiter);
    if declared_delimiter(text).is_some() {
        let _ = records.next();
    }
    loop {
        match records.next() {
            Ok(Some(record)) if record.is_blank() => (),
            Ok(Some(record)) => return Ok((record, records)),
            Ok(None) => return Err(vec![Mistake::of_row(1, "The file has no header.")]),
            Err(tear) => return Err(vec![Mistake::of_row(tear.row, tear.kind.message())]),
        }
    }
}

impl Columns {
    /// Returns the names, as the file writes them.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(_, name)| name.clone()).collect()
    }

    fn of(header: &Record<'_>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut first: HashMap<Column, usize> = HashMap::new();
        let mut columns = Vec::with_capacity(header.cells.len());
        for (place, cell) in header.cells.iter().enumerate() {
            let mut refuse = |message: String| {
                mistakes.push(Mistake {
                    row: header.row,
                    column: Some(cell.trim().to_owned()),
                    message,
                });
            };
            let column = match Column::named(cell) {
                Some(column) => column,
                None if cell.trim().is_empty() => Column::Unnamed,
                None => {
                    refuse(unknown(cell));
                    continue;
                }
            };
            if column != Column::Unnamed
                && let Some(earlier) = first.insert(column.clone(), place)
            {
                refuse(format!(
                    "This column is there twice: columns {} and {}.",
                    earlier + 1,
                    place + 1
                ));
            }
            let name = column.name().into_owned();
            columns.push((column, name));
        }
        if mistakes.is_empty() {
            mistakes.extend(missing(header.row, &first));
        }
        if mistakes.is_empty() {
            Ok(Self(columns))
        } else {
            Err(mistakes)
        }
    }

    /// Returns the name of a column.
    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.0.get(place).map(|(_, name)| name.as_str())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Column, &str)> {
        self.0.iter().map(|(column, name)| (column, name.as_str()))
    }

    /// Returns whether the file has a column for stored recipients.
    pub(super) fn has_stored_recipients(&self) -> bool {
        self.0.iter().any(|(column, _)| *column == Column::RecipientId)
    }

    /// Returns whether the file has a column for parts of recipients.
    pub(super) fn has_typed_recipients(&self) -> bool {
        self.0
            .iter()
            .any(|(column, _)| matches!(column, Column::Recipient(_)))
    }
}

/// Names the columns that every batch has and this header lacks.
fn missing(row: u64, given: &HashMap<Column, usize>) -> Vec<Mistake> {
    let has = |column: Column| given.contains_key(&column);
    let of_recipient = |part: &str| Column::Recipient(part.to_owned());
    let mut names = Vec::new();
    for (name, column) in PLAIN.iter().take(2) {
        if !has(column.clone()) {
            names.push((*name).to_owned());
        }
    }
    if given.keys().any(|column| matches!(column, Column::Recipient(_))) {
        let needed = ["type", "name"]
            .into_iter()
            .filter(|part| !has(of_recipient(part)));
        // A file may have recipients of several forms.
        let has_flat = has(Column::RecipientAccount) && has(Column::RecipientName);
        if !(has_flat || has(Column::RecipientId)) {
            names.extend(needed.map(|part| format!("{RECIPIENT}{part}")));
        }
    } else if !has(Column::RecipientId) {
        for (name, column) in PLAIN.iter().skip(2).take(2) {
            if !has(column.clone()) {
                names.push((*name).to_owned());
            }
        }
    }
    let mistake = |name: String| Mistake {
        row,
        column: Some(name),
        message: "This column is missing.".to_owned(),
    };
    names.into_iter().map(mistake).collect()
}

fn unknown(cell: &str) -> String {
    let parts = recipient_parts()
        .into_iter()
        .map(|part| format!("{RECIPIENT}{part}"));
    let known: Vec<String> = PLAIN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(parts)
        .collect();
    // `iban` alone is meant as the recipient's.
    let bare = normal(cell);
    let of_recipient = known
        .iter()
        .find(|name| name.strip_prefix(RECIPIENT) == Some(bare.as_str()));
    let meant = of_recipient
        .map(String::as_str)
        .or_else(|| nearest(cell, known.iter().map(String::as_str)));
    match meant {
        Some(name) => format!("Unknown column; is {name} meant?"),
        None => "Unknown column. Texts of your own go into columns such as metadata.department.".to_owned(),
    }
}

/// Returns the names of all parts that a recipient of any type may have.
fn recipient_parts() -> Vec<String> {
    let types = [
        RecipientType::Account,
        RecipientType::Iban,
        RecipientType::UsBank,
        RecipientType::GbBank,
        RecipientType::Email,
        RecipientType::Phone,
        RecipientType::ProviderAccount,
    ];
    let of_types = types.iter().flat_map(|kind| kind.account_fields());
    let of_types = of_types.map(|field| field.name.to_owned());
    let of_address = Address::FIELDS
        .iter()
        .map(|field| format!("address.{}", field.name));
    let common = ["type", "name", "email", "entity"].map(str::to_owned);
    common.into_iter().chain(of_types).chain(of_address).collect()
}

/// Returns a name in lower case, with one underscore for each run of spaces, dashes and underscores.
fn normal(name: &str) -> String {
    let words = name
        .trim()
        .split([' ', '-', '_', '\u{a0}'])
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}

impl Column {
    /// Returns the column of a name, in any case and with spaces or dashes for underscores.
    fn named(cell: &str) -> Option<Self> {
        let cell = cell.trim();
        if let Some((prefix, key)) = cell.split_at_checked(METADATA.len())
            && prefix.eq_ignore_ascii_case(METADATA)
            && !key.trim().is_empty()
        {
            return Some(Self::Metadata(key.trim().to_owned()));
        }
        let name = normal(cell);
        if let Some((_, column)) = PLAIN.iter().find(|(known, _)| *known == name) {
            return Some(column.clone());
        }
        let part = name.strip_prefix(RECIPIENT)?;
        recipient_parts()
            .into_iter()
            .find(|known| known == part)
            .map(Self::Recipient)
    }

    /// Returns the name as the API has it.
    fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Recipient(part) => format!("{RECIPIENT}{part}").into(),
            Self::Metadata(key) => format!("{METADATA}{key}").into(),
            Self::Unnamed => "".into(),
            plain @ (Self::Amount
            | Self::Currency
            | Self::RecipientAccount
            | Self::RecipientName
            | Self::Description
            | Self::ExternalId
            | Self::StatementText
            | Self::ScheduledAt
            | Self::RecipientId
            | Self::AllowDuplicate) => {
                let found = PLAIN.iter().find(|(_, column)| column == plain);
                found.map_or("", |(name, _)| *name).into()
            }
        }
    }
}
