//! The cells of a file as they stand, for a person who mends some of them.

use std::collections::HashMap;

use super::BatchFile;
use super::encoding;
use super::records::Records;

/// A cell: its row, as a spreadsheet numbers it, and its column, from 0.
pub(crate) type Place = (u64, usize);

impl BatchFile {
    /// Returns the whole text.
    pub(crate) fn text(&self) -> &str {
        encoding::text(&self.bytes).unwrap_or_default()
    }

    /// Returns the names of the columns, as the file writes them.
    pub(crate) fn column_names(&self) -> Vec<String> {
        self.layout.columns.names()
    }

    /// Returns the cells of a row; empty if the file has no such row, or breaks off before it.
    pub(crate) fn cells_of(&self, rows: &[u64]) -> HashMap<u64, Vec<String>> {
        let mut found = HashMap::new();
        let mut records = self.records();
        while let Ok(Some(record)) = records.next() {
            if rows.contains(&record.row) {
                found.insert(
                    record.row,
                    record
                        .cells
                        .iter()
                        .map(|cell| cell.clone().into_owned())
                        .collect(),
                );
            }
        }
        found
    }

    /// Returns the file with other texts in these cells. Rows keep their numbers, and what is not named stays as it is,
    /// byte by byte.
    pub(crate) fn with_cells(&self, edits: &HashMap<Place, String>) -> Vec<u8> {
        let text = encoding::text(&self.bytes).unwrap_or_default();
        let delimiter = char::from(self.layout.delimiter);
        let mut written = text.get(..self.layout.data_at).unwrap_or_default().to_owned();
        let mut records = self.records();
        let mut from = records.at();
        loop {
            let record = match records.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(_) => {
                    written.push_str(text.get(from..).unwrap_or_default());
                    break;
                }
            };
            let raw = text.get(from..records.at()).unwrap_or_default();
            from = records.at();
            if !edits.keys().any(|(row, _)| *row == record.row) {
                written.push_str(raw);
                continue;
            }
            let columns = record.cells.len().max(self.layout.columns.names().len());
            for column in 0..columns {
                let cell = record
                    .cells
                    .get(column)
                    .map(|cell| cell.as_ref())
                    .unwrap_or_default();
                let cell = edits.get(&(record.row, column)).map_or(cell, String::as_str);
                if column > 0 {
                    written.push(delimiter);
                }
                written.push_str(&quoted(cell));
            }
            written.push_str("\r\n");
        }
        written.into_bytes()
    }

    fn records(&self) -> Records<'_> {
        Records::after(encoding::text(&self.bytes).unwrap_or_default(), &self.layout)
    }
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch_file::DecimalSign;

    const FILE: &str =
        "amount;currency;recipient_account;recipient_name\n1.00;EUR;a;\"B; C\"\n2.00;XXX;b;D\n";

    fn open(text: &str) -> BatchFile {
        BatchFile::open(text.as_bytes().to_vec(), DecimalSign::Point).unwrap()
    }

    #[test]
    fn a_mended_cell_is_written_and_the_rest_stays() {
        let file = open(FILE);
        assert_eq!(file.column_names()[1], "currency");
        assert_eq!(file.cells_of(&[2])[&2][3], "B; C");
        let edits = HashMap::from([((3, 1), "EUR".to_owned()), ((3, 3), "D \"E\"; F".to_owned())]);
        let mended = String::from_utf8(file.with_cells(&edits)).unwrap();
        assert!(
            mended.starts_with("amount;currency;recipient_account;recipient_name\n1.00;EUR;a;\"B; C\"\n"),
            "{mended}"
        );
        assert!(
            mended.ends_with("\"2.00\";\"EUR\";\"b\";\"D \"\"E\"\"; F\"\r\n"),
            "{mended}"
        );
        assert_eq!(open(&mended).cells_of(&[3])[&3][3], "D \"E\"; F");
        assert_eq!(file.with_cells(&HashMap::new()), FILE.as_bytes());
    }
}
