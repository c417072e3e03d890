//! Rows of CSV (RFC 4180) that no spreadsheet runs.

use csv::{Terminator, Writer, WriterBuilder};

/// The characters at the beginning of a cell that make a spreadsheet run it as a formula, or that it drops before it
/// looks for one of the others.
const RUN: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// Returns whether a spreadsheet would run the cell.
pub(crate) fn is_run(text: &str) -> bool {
    text.starts_with(RUN)
}

/// The rows so far.
pub(crate) struct Row {
    writer: Writer<Vec<u8>>,
    /// A cell that must begin with an apostrophe.
    quoted: String,
}

impl Default for Row {
    fn default() -> Self {
        let writer = WriterBuilder::new()
            .has_headers(false)
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        Self {
            writer,
            quoted: String::new(),
        }
    }
}

impl Row {
    /// Writes a cell with a value of the service's own: a number, a time, a word.
    pub(crate) fn own(&mut self, text: &str) {
        // Into memory, which does not fail.
        let _ = self.writer.write_field(text);
    }

    /// Writes a cell with a text that others wrote. One that a spreadsheet would run begins with an apostrophe, which
    /// marks it as a text.
    pub(crate) fn text(&mut self, text: &str) {
        if is_run(text) {
            self.quoted.clear();
            self.quoted.push('\'');
            self.quoted.push_str(text);
            let _ = self.writer.write_field(&self.quoted);
        } else {
            self.own(text);
        }
    }

    /// Ends the row.
    pub(crate) fn end(&mut self) {
        let _ = self.writer.write_record(None::<&[u8]>);
    }

    /// Returns the rows.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.writer.into_inner().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> String {
        let mut row = Row::default();
        cells.iter().for_each(|cell| row.text(cell));
        row.end();
        String::from_utf8(row.into_bytes()).unwrap()
    }

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, cell) in [
            ("ref-1", "ref-1"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+49 30 1", "'+49 30 1"),
            ("-2+3", "'-2+3"),
            ("@x,y", "\"'@x,y\""),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("", ""),
        ] {
            assert_eq!(row(&["x", text]), format!("x,{cell}\r\n"), "{text:?}");
        }
    }
}
