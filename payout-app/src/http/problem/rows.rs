//! The wrong rows of a batch: in the problem document, or as CSV.

use payout_core::batch::{Mistake, Mistakes};
use salvo::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::negotiation::wants_media_type;

/// The wrong rows of a batch.
#[derive(Debug)]
pub(crate) struct WrongRows {
    listed: Vec<RowMistake>,
    count: u64,
    as_csv: bool,
}

/// A mistake in a row of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowMistake)]
pub(crate) struct RowMistake {
    /// The row: as a spreadsheet numbers it, with the header; in a list of JSON its place, from 1.
    #[schema(example = 3)]
    row: u64,
    /// The column or the field; null if the mistake concerns the whole row.
    #[schema(required = true, example = "amount")]
    column: Option<String>,
    /// The mistake.
    #[schema(example = "Ensure this value is greater than zero.")]
    message: String,
}

impl WrongRows {
    /// Takes the mistakes of a batch. The client may ask for CSV in its `Accept`.
    pub(crate) fn new(mistakes: &Mistakes, headers: &HeaderMap) -> Self {
        Self {
            listed: mistakes.listed().iter().map(RowMistake::of).collect(),
            count: mistakes.rows(),
            as_csv: wants_media_type(headers, &["text/csv"])
                > wants_media_type(headers, &["application/problem+json", "application/json"]),
        }
    }

    pub(super) fn listed(&self) -> &[RowMistake] {
        &self.listed
    }

    /// Returns the number of wrong rows, those that are not listed included.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the rows as CSV, if the client prefers that.
    pub(super) fn csv(&self) -> Option<String> {
        self.as_csv.then(|| {
            let mut text = String::from("row,column,message\r\n");
            for RowMistake { row, column, message } in &self.listed {
                let (column, message) = (cell(column.as_deref().unwrap_or_default()), cell(message));
                text.push_str(&format!("{row},{column},{message}\r\n"));
            }
            text
        })
    }
}

impl RowMistake {
    fn of(mistake: &Mistake) -> Self {
        let Mistake { row, column, message } = mistake;
        Self {
            row: *row,
            column: column.clone(),
            message: message.clone(),
        }
    }
}

/// Writes a cell that no spreadsheet runs as a formula.
fn cell(text: &str) -> String {
    let harmless = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{harmless}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(accept: &'static str) -> WrongRows {
        let mut mistakes = Mistakes::default();
        mistakes.add_row([
            Mistake::of(3, "=1+1", "Say \"amount\"."),
            Mistake::of_row(3, "Cut."),
        ]);
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().unwrap());
        WrongRows::new(&mistakes, &headers)
    }

    #[test]
    fn wrong_rows_are_csv_for_a_client_that_prefers_it() {
        let expected = "row,column,message\r\n3,\"'=1+1\",\"Say \"\"amount\"\".\"\r\n3,\"\",\"Cut.\"\r\n";
        assert_eq!(rows("text/csv").csv().as_deref(), Some(expected));
        for accept in ["*/*", "application/json", "application/json, text/csv;q=0.5"] {
            assert_eq!(rows(accept).csv(), None, "{accept}");
        }
    }
}
