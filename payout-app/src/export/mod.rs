//! Exports: payouts as CSV or as lines of JSON. The API's endpoint and the command `payout export` write the same.

pub(crate) mod command;
pub(crate) mod csv;

use payout_core::access::Principal;
use payout_core::payout::Payout;
use payout_core::ports::{DeletedPayout, Listed};
use payout_core::provider::WaitReason;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use self::csv::Row;
use crate::http::answer::{PayoutBody, cells};

/// The format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A table, for spreadsheets.
    #[default]
    Csv,
    /// One JSON object a line, for programs.
    Ndjson,
}

impl ExportFormat {
    /// The media type of CSV.
    pub(crate) const CSV_TYPE: &str = "text/csv; charset=utf-8; header=present";
    /// The media type of lines of JSON.
    pub(crate) const NDJSON_TYPE: &str = "application/x-ndjson";

    /// Returns the beginning of a file: the header row of a table.
    pub(crate) fn beginning(self) -> Vec<u8> {
        match self {
            Self::Csv => {
                let mut row = Row::default();
                cells::COLUMNS.iter().for_each(|column| row.own(column));
                row.end();
                row.into_bytes()
            }
            Self::Ndjson => Vec::new(),
        }
    }

    /// Returns the lines of these rows, as this principal may see them.
    pub(crate) fn lines(
        self,
        rows: &[Listed],
        principal: &Principal,
        waiting_for: impl Fn(&Payout) -> Option<WaitReason>,
    ) -> Vec<u8> {
        let body = |payout, deleted_at| {
            PayoutBody::of(payout, principal)
                .waiting_for(waiting_for(payout))
                .deleted_at(deleted_at)
        };
        let mut lines = Lines::new(self);
        for row in rows {
            match row {
                Listed::Payout(payout) => lines.add(&body(payout, None)),
                Listed::Deleted(DeletedPayout { payout, deleted_at }) => {
                    lines.add(&body(payout, Some(*deleted_at)));
                }
                Listed::Unreadable(place) => lines.add_unreadable(&UnreadableBody {
                    id: place.id.as_uuid(),
                    unreadable: true,
                }),
            }
        }
        lines.into_bytes()
    }
}

/// A payout in lines of JSON whose stored row cannot be read, because it was altered or its encryption key is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = UnreadablePayout)]
pub(crate) struct UnreadableBody {
    /// The id of the payout.
    id: Uuid,
    /// Always true.
    unreadable: bool,
}

/// The lines so far.
enum Lines {
    Csv(Box<Row>),
    Ndjson(Vec<u8>),
}

impl Lines {
    fn new(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Self::Csv(Box::default()),
            ExportFormat::Ndjson => Self::Ndjson(Vec::new()),
        }
    }

    fn add(&mut self, body: &PayoutBody<'_>) {
        match self {
            Self::Csv(row) => {
                body.write_cells(row);
                row.end();
            }
            Self::Ndjson(bytes) => add_json(bytes, body),
        }
    }

    fn add_unreadable(&mut self, body: &UnreadableBody) {
        match self {
            Self::Csv(row) => {
                cells::write_unreadable(body.id, row);
                row.end();
            }
            Self::Ndjson(bytes) => add_json(bytes, body),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Csv(row) => row.into_bytes(),
            Self::Ndjson(bytes) => bytes,
        }
    }
}

fn add_json(bytes: &mut Vec<u8>, body: &impl Serialize) {
    // Into memory, and these bodies have no keys that are not texts: neither fails.
    let _ = serde_json::to_writer(&mut *bytes, body);
    bytes.push(b'\n');
}
