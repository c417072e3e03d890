//! Records of CSV (RFC 4180): cells in quotes may contain delimiters, line breaks and doubled quotes.

use std::borrow::Cow;

use super::header::Layout;

/// The records of a text.
pub(super) struct Records<'a> {
    text: &'a str,
    delimiter: u8,
    at: usize,
    /// The number of the next record, as a spreadsheet numbers its rows.
    row: u64,
}

/// A record: its row in a spreadsheet, and its cells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) row: u64,
    pub(super) cells: Vec<Cow<'a, str>>,
}

/// A place after which the records cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tear {
    pub(super) row: u64,
    /// The number of the cell, from 0.
    pub(super) cell: usize,
    pub(super) kind: TearKind,
}

/// The largest number of cells in a record. Every field of a payout with all its metadata needs fewer than 100.
pub(super) const MOST_CELLS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TearKind {
    Wide,
    Open,
    TextAfter,
    TextBefore,
}

impl TearKind {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Wide => "This row has more than 200 cells: remove the columns that are not of a batch.",
            Self::Open => {
                "The quotation mark that opens this cell is not closed before the end of the file: the file was cut, or \
                 the mark is not meant as one (then double it and put the cell in quotation marks)."
            }
            Self::TextAfter => {
                "There is text after the quotation mark that closes this cell. A quotation mark within a cell is \
                 doubled."
            }
            Self::TextBefore => {
                "There is white space before the quotation mark that opens this cell: remove it."
            }
        }
    }
}

impl Record<'_> {
    /// Returns whether no cell has any text.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str, delimiter: u8) -> Self {
        Self {
            text,
            delimiter,
            at: 0,
            row: 1,
        }
    }

    /// Returns the records below the header.
    pub(super) fn after(text: &'a str, layout: &Layout) -> Self {
        Self {
            text,
            delimiter: layout.delimiter,
            at: layout.data_at,
            row: layout.data_row,
        }
    }

    /// Returns the number of the next record.
    pub(super) fn row(&self) -> u64 {
        self.row
    }

    /// Returns the offset of the next record.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Reads the next record; `None` at the end. An empty line is a record with one empty cell.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, Tear> {
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let row = self.row;
        self.row += 1;
        let mut cells = Vec::with_capacity(8);
        loop {
            let cell = self.cell().map_err(|kind| Tear {
                row,
                cell: cells.len(),
                kind,
            })?;
            cells.push(cell);
            match self.bytes().get(self.at) {
                Some(byte) if *byte == self.delimiter && cells.len() >= MOST_CELLS => {
                    return Err(Tear {
                        row,
                        cell: cells.len(),
                        kind: TearKind::Wide,
                    });
                }
                Some(byte) if *byte == self.delimiter => self.at += 1,
                Some(b'\r') => {
                    self.at += 1;
                    if self.bytes().get(self.at) == Some(&b'\n') {
                        self.at += 1;
                    }
                    break;
                }
                Some(_) => {
                    self.at += 1;
                    break;
                }
                None => break,
            }
        }
        Ok(Some(Record { row, cells }))
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Reads a cell up to its delimiter, its line break or the end.
    fn cell(&mut self) -> Result<Cow<'a, str>, TearKind> {
        if self.bytes().get(self.at) == Some(&b'"') {
            return self.quoted();
        }
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == self.delimiter || matches!(byte, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let cell = self.slice(self.at, self.at + length);
        if cell.starts_with([' ', '\t']) && cell.trim_start().starts_with('"') {
            return Err(TearKind::TextBefore);
        }
        self.at += length;
        Ok(Cow::Borrowed(cell))
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, TearKind> {
        let mut from = self.at + 1;
        let mut before = String::new();
        loop {
            let rest = self.bytes().get(from..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'"') else {
                return Err(TearKind::Open);
            };
            let (part, after) = (self.slice(from, from + length), from + length + 1);
            match self.bytes().get(after) {
                Some(b'"') => {
                    before.push_str(part);
                    before.push('"');
                    from = after + 1;
                }
                Some(byte) if *byte != self.delimiter && !matches!(byte, b'\r' | b'\n') => {
                    return Err(TearKind::TextAfter);
                }
                Some(_) | None => {
                    self.at = after;
                    return Ok(if before.is_empty() {
                        Cow::Borrowed(part)
                    } else {
                        before.push_str(part);
                        Cow::Owned(before)
                    });
                }
            }
        }
    }

    /// Returns a part of the text. Its bounds are next to ASCII characters.
    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_no_more_cells_than_any_batch_needs() {
        let of = |cells: usize| vec!["x"; cells].join(",");
        assert_eq!(all(&of(MOST_CELLS)).unwrap()[0].1.len(), MOST_CELLS);
        let tear = all(&format!("a\n{}", of(MOST_CELLS + 1))).unwrap_err();
        assert_eq!((tear.row, tear.kind), (2, TearKind::Wide));
    }

    fn all(text: &str) -> Result<Vec<(u64, Vec<String>)>, Tear> {
        let mut records = Records::new(text, b',');
        let mut read = Vec::new();
        while let Some(record) = records.next()? {
            let cells = record.cells.into_iter().map(Cow::into_owned).collect();
            read.push((record.row, cells));
        }
        Ok(read)
    }

    fn cells(text: &str) -> Vec<Vec<String>> {
        all(text).unwrap().into_iter().map(|(_, cells)| cells).collect()
    }

    #[test]
    fn every_line_break_ends_a_record_and_the_last_one_begins_none() {
        for text in ["a,b\nc,d\n", "a,b\r\nc,d\r\n", "a,b\rc,d\r", "a,b\nc,d"] {
            assert_eq!(cells(text), [["a", "b"], ["c", "d"]], "{text:?}");
        }
        assert_eq!(cells(""), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_quoted_cell_has_delimiters_line_breaks_and_doubled_quotes() {
        assert_eq!(
            cells("\"a,\r\nb\",\"say \"\"yes\"\"\",\"\"\nc,12\" pipe,\n"),
            [["a,\r\nb", "say \"yes\"", ""], ["c", "12\" pipe", ""]]
        );
    }

    #[test]
    fn rows_are_numbered_as_in_a_spreadsheet() {
        let rows: Vec<u64> = all("a\n\"b\nb\"\n\nc\n")
            .unwrap()
            .iter()
            .map(|(row, _)| *row)
            .collect();
        assert_eq!(
            rows,
            [1, 2, 3, 4],
            "a line break in a cell is no row, an empty line is one"
        );
    }

    #[test]
    fn what_would_join_rows_is_a_tear() {
        let tear = |row, cell, kind| Err(Tear { row, cell, kind });
        assert_eq!(all("a,b\nc,\"d\ne,f\n"), tear(2, 1, TearKind::Open));
        assert_eq!(all("a\n\"b\"c\n"), tear(2, 0, TearKind::TextAfter));
        assert_eq!(all("a,\"b,c\nd,\"e\",f\n"), tear(1, 1, TearKind::TextAfter));
        assert_eq!(all("a, \"b\"\n"), tear(1, 1, TearKind::TextBefore));
    }

    proptest::proptest! {
        #[test]
        fn cells_that_are_written_are_read(
            rows in proptest::collection::vec(proptest::collection::vec("[a-z\",\r\n ;äß]{0,8}", 2..4), 1..6),
        ) {
            let line = |cells: &Vec<String>| {
                let quoted = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
                quoted.collect::<Vec<_>>().join(",")
            };
            let text: String = rows.iter().map(|cells| line(cells) + "\r\n").collect();
            proptest::prop_assert_eq!(cells(&text), rows);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a\",;\t\r\nä]{0,40}") {
            let _ = all(&text);
        }
    }
}
