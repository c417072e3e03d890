//! Batch files: CSV, as spreadsheets and programs write it.
//!
//! - `encoding` recognizes files that are not UTF-8 text, and says what they are.
//! - `records` splits the text into records, with the row numbers that a spreadsheet shows.
//! - `header` finds the delimiter and the columns.
//! - `cell` reads the values that spreadsheets change: amounts, numbers in scientific notation, formulas.
//! - `sheet` has the cells as they stand, for a person who mends some.
//! - `row` turns a record into a payment, or names everything that is wrong with it.
//!
//! The crate `csv` is not used: it accepts text after a closing quote and a quote that is still open at the end of the
//! file. Either joins rows into one cell without a word, and a payout would be lost.
//!
//! Cells may not begin like a formula (`=`, `@`, and `+` or `-` before anything but a number): a person who opens an
//! export in a spreadsheet would run it. The JSON API accepts such texts, since they never were in a spreadsheet.

mod cell;
mod encoding;
mod header;
mod records;
mod row;
mod sheet;
#[cfg(test)]
mod tests;

use payout_core::batch::Mistake;
use payout_core::usecase::batches::SourceRow;

pub(crate) use self::cell::DecimalSign;
use self::encoding::Encoding;
use self::header::{Columns, Layout};
use self::records::{Records, Tear};

/// The largest file, in bytes.
pub(crate) const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The largest number of payouts in a file.
pub(crate) const MOST_ROWS: u64 = 100_000;

/// The reason why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// The file is larger than [`MOST_BYTES`].
    #[error("The file has more than 32 MiB: divide it.")]
    TooLarge,
    /// The file has no text.
    #[error("The file is empty.")]
    Empty,
    /// The file is not text in UTF-8.
    #[error(transparent)]
    Encoding(#[from] Encoding),
    /// The columns are not those of a batch.
    #[error("The first row does not name the columns of a batch.")]
    Header(Vec<Mistake>),
    /// The file has a header and nothing below it.
    #[error("The file names its columns, and has no payouts below them.")]
    NoRows,
}

impl FileError {
    /// Returns the place and the text of each mistake.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        match self {
            Self::Header(mistakes) => mistakes.clone(),
            Self::Encoding(Encoding::NotUtf8 { row, column, .. }) => vec![Mistake {
                row: *row,
                column: column.clone(),
                message: self.to_string(),
            }],
            Self::TooLarge | Self::Empty | Self::Encoding(_) | Self::NoRows => Vec::new(),
        }
    }
}

/// A file whose columns are known.
pub(crate) struct BatchFile {
    /// Text in UTF-8, which was checked once.
    bytes: Vec<u8>,
    layout: Layout,
    decimal: DecimalSign,
}

/// Payments stay out of logs.
impl std::fmt::Debug for BatchFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchFile")
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl BatchFile {
    /// Checks the encoding and the header.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn open(bytes: Vec<u8>, decimal: DecimalSign) -> Result<Self, FileError> {
        if bytes.len() > MOST_BYTES {
            return Err(FileError::TooLarge);
        }
        let text = encoding::text(&bytes)?;
        if text.trim().is_empty() {
            return Err(FileError::Empty);
        }
        let layout = Layout::of(text).map_err(FileError::Header)?;
        let file = Self {
            layout,
            decimal,
            bytes,
        };
        if file.rows().next().is_none() {
            return Err(FileError::NoRows);
        }
        Ok(file)
    }

    /// Returns whether the file has a column for stored recipients.
    pub(crate) fn may_name_recipients(&self) -> bool {
        self.layout.columns.has_stored_recipients()
    }

    /// Reads the payouts from the first to the last. Rows without any text are skipped.
    pub(crate) fn rows(&self) -> Rows<'_> {
        let text = encoding::text(&self.bytes).unwrap_or_default();
        Rows {
            records: Records::after(text, &self.layout),
            layout: &self.layout,
            decimal: self.decimal,
            count: 0,
            is_over: false,
        }
    }
}

/// The payouts of a file.
pub(crate) struct Rows<'a> {
    records: Records<'a>,
    layout: &'a Layout,
    decimal: DecimalSign,
    count: u64,
    is_over: bool,
}

impl Iterator for Rows<'_> {
    type Item = SourceRow;

    fn next(&mut self) -> Option<SourceRow> {
        if self.is_over {
            return None;
        }
        loop {
            let record = match self.records.next() {
                Ok(record) => record?,
                Err(tear) => {
                    // What follows a tear cannot be told apart into rows.
                    self.is_over = true;
                    return Some(torn(&tear, &self.layout.columns));
                }
            };
            if record.is_blank() {
                continue;
            }
            self.count += 1;
            if self.count > MOST_ROWS {
                self.is_over = true;
                let message = "A file may have 100,000 payouts: divide it.";
                return Some(SourceRow::wrong(record.row, None, message));
            }
            return Some(SourceRow {
                number: record.row,
                payment: row::payment(&record, self.layout, self.decimal),
            });
        }
    }
}

fn torn(tear: &Tear, columns: &Columns) -> SourceRow {
    SourceRow::wrong(tear.row, columns.name(tear.cell), tear.kind.message())
}
