//! The encoding of a file: UTF-8 or something that a person can be told to save again.

use super::header::Layout;
use super::records::Records;

/// The kind of a file that is not text in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Encoding {
    /// UTF-16, which some spreadsheets call Unicode text.
    #[error("The file is in UTF-16: save it as CSV in UTF-8.")]
    Utf16,
    /// Text in another encoding.
    #[error(
        "The file is not in UTF-8, but probably in Windows-1252: the first byte of another encoding ({byte:#04X}) is in row {row}{}. Save it as CSV in UTF-8.",
        .column.as_ref().map(|name| format!(", column {name}")).unwrap_or_default()
    )]
    NotUtf8 {
        /// The first byte that is not UTF-8.
        byte: u8,
        /// Its row.
        row: u64,
        /// The name of its column.
        column: Option<String>,
    },
    /// No text.
    #[error("The file is not text, and so not CSV: in the spreadsheet, save the sheet as CSV in UTF-8.")]
    Binary,
    /// A text that breaks off within a character.
    #[error("The file breaks off within a character: it was cut.")]
    Cut,
    /// A workbook.
    #[error("The file is a workbook ({0}), not CSV: in the spreadsheet, save the sheet as CSV in UTF-8.")]
    Workbook(&'static str),
    /// A compressed file.
    #[error("The file is compressed ({0}): send the CSV file that is in it.")]
    Compressed(&'static str),
    /// A document of another kind.
    #[error("The file is {0}, not CSV.")]
    Other(&'static str),
}

/// Returns the text of a file, without its byte order mark.
///
/// # Errors
/// [`Encoding`] when it is not text in UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Encoding> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(kind) = by_signature(bytes) {
        return Err(kind);
    }
    if looks_like_utf16(bytes) {
        return Err(Encoding::Utf16);
    }
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    if looks_binary(bytes) {
        return Err(Encoding::Binary);
    }
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    let Some(byte) = rest.first().filter(|_| error.error_len().is_some()) else {
        return Err(Encoding::Cut);
    };
    let (row, column) = place(std::str::from_utf8(valid).unwrap_or_default());
    Err(Encoding::NotUtf8 {
        byte: *byte,
        row,
        column,
    })
}

/// Returns the row and the column in which a text ends.
fn place(text: &str) -> (u64, Option<String>) {
    let layout = Layout::of(text).unwrap_or_default();
    let mut records = Records::new(text, layout.delimiter);
    let (mut row, mut cell) = (1, 0);
    loop {
        match records.next() {
            Ok(Some(record)) => (row, cell) = (record.row, record.cells.len().saturating_sub(1)),
            Ok(None) => break,
            Err(tear) => {
                (row, cell) = (tear.row, tear.cell);
                break;
            }
        }
    }
    if text.ends_with('\n') && row < records.row() {
        (row, cell) = (records.row(), 0);
    }
    (row, layout.columns.name(cell).map(str::to_owned))
}

fn by_signature(bytes: &[u8]) -> Option<Encoding> {
    let has = |part: &[u8]| {
        let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
        head.windows(part.len()).any(|window| window == part)
    };
    Some(match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Encoding::Utf16,
        [b'P', b'K', 3, 4, ..] if has(b"xl/") || has(b"[Content_Types].xml") => Encoding::Workbook(".xlsx"),
        [b'P', b'K', 3, 4, ..] if has(b"opendocument.spreadsheet") => Encoding::Workbook(".ods"),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Encoding::Compressed("zip"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Encoding::Workbook(".xls"),
        [0x1f, 0x8b, ..] => Encoding::Compressed("gzip"),
        [b'%', b'P', b'D', b'F', ..] => Encoding::Other("a PDF document"),
        [b'{' | b'[', ..] => Encoding::Other("JSON"),
        [b'<', ..] => Encoding::Other("HTML or XML"),
        _ => return None,
    })
}

/// Returns whether every other byte is zero and no byte between them is, as in UTF-16 without a byte order mark.
fn looks_like_utf16(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(256)).unwrap_or_default();
    let zeros = |offset: usize| {
        let every_other = head.iter().skip(offset).step_by(2);
        every_other.filter(|byte| **byte == 0).count()
    };
    match (zeros(0), zeros(1)) {
        (0, zeros) | (zeros, 0) => zeros * 4 > head.len(),
        (_, _) => false,
    }
}

/// Returns whether bytes that are not UTF-8 are no text in another encoding either: text has no zeros, and hardly a
/// control character that is neither white space nor the end of a file.
fn looks_binary(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let controls = head
        .iter()
        .filter(|byte| matches!(byte, 0x00..=0x08 | 0x0e..=0x19 | 0x1b..=0x1f));
    head.contains(&0) || controls.count() * 20 > head.len()
}
