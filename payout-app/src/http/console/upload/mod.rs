//! `/console/upload/`: a file of payouts. It is checked first: wrong rows can be mended in the page, and right ones are
//! stored together.
//!
//! The page carries the file along, so that no server keeps what nobody has stored.

mod report;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use payout_core::access::Scope;
use payout_core::batch::{Mistake, Mistakes};
use payout_core::payout::{Description, ExternalId};
use payout_core::usecase::Sight;
use payout_core::usecase::batches::{BatchAnswer, BatchError, BatchRequest};
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use self::report::Report;
use super::html::Reply;
use super::posted::Posted;
use super::shell::{Place, Shell};
use crate::batch_file::{BatchFile, DecimalSign};
use crate::http::api::batches::bodies::{FileRows, shared};
use crate::http::api::payouts::edit::sight;
use crate::http::api::payouts::guess;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The largest file that the page carries along. A larger one is chosen once more to be stored.
const CARRIED: usize = 1024 * 1024;
/// The number of wrong rows that can be mended at once, and of their cells.
const MENDED: usize = 100;
const MENDED_CELLS: usize = 3_000;

/// A wrong row, with its cells and what is wrong beside them.
struct WrongRow {
    row: u64,
    cells: Vec<Cell>,
    /// The mistakes that concern no single cell.
    others: Vec<String>,
}

/// A cell of a wrong row.
struct Cell {
    name: String,
    column: usize,
    text: String,
    mistakes: Vec<String>,
}

#[derive(Default)]
struct Fields {
    external_id: String,
    description: String,
    decimal: String,
    only_new: bool,
}

#[derive(Template)]
#[template(path = "upload/upload.html")]
struct UploadPage {
    shell: Shell,
    fields: Fields,
    /// The file, if the page carries it.
    text: Option<String>,
    problem: Option<String>,
    mistakes: Vec<(u64, String, String)>,
    rows: Vec<WrongRow>,
    wrong: u64,
    report: Option<Report>,
    is_checked: bool,
}

impl Fields {
    fn of(posted: &Posted) -> Self {
        Self {
            external_id: posted.field("external_id").to_owned(),
            description: posted.field("description").to_owned(),
            decimal: posted.field("decimal").to_owned(),
            only_new: posted.field("only_new") == "true",
        }
    }

    fn decimal(&self) -> DecimalSign {
        if self.decimal == "comma" {
            DecimalSign::Comma
        } else {
            DecimalSign::Point
        }
    }

    fn request(&self, dry_run: bool, sight: Sight) -> Result<BatchRequest, Problem> {
        let mut errors = Errors::default();
        let external_id = if self.external_id.is_empty() {
            None
        } else {
            ExternalId::new(&self.external_id)
                .map_err(|error| errors.add("external_id", error.to_string()))
                .ok()
        };
        let description = Description::new(&self.description);
        let description = description
            .map_err(|error| errors.add("description", error.to_string()))
            .ok();
        if errors.is_empty() {
            Ok(BatchRequest {
                external_id,
                description: description.unwrap_or_default(),
                scheduled_at: None,
                dry_run,
                only_new: self.only_new,
                sight,
            })
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

fn empty_page(request: &Request, depot: &Depot, fields: Fields) -> Result<UploadPage, Problem> {
    Ok(UploadPage {
        shell: Shell::of(request, depot, Place::Upload, "Upload a file")?,
        fields,
        text: None,
        problem: None,
        mistakes: Vec::new(),
        rows: Vec::new(),
        wrong: 0,
        report: None,
        is_checked: false,
    })
}

/// Shows the form.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    Reply::page(&empty_page(request, depot, Fields::default())?)
}

/// Checks the file, or stores it.
#[handler]
pub(super) async fn take(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let file = Posted::take_file(depot);
    let (fields, stores, carried, edits) = {
        let posted = Posted::of(depot)?;
        let stores = posted.field("step") == "store";
        let carried = posted.all("text").next().map(|text| text.as_bytes().to_vec());
        (Fields::of(posted), stores, carried, edits(posted))
    };
    let mut page = empty_page(request, depot, fields)?;
    let asked = page
        .fields
        .request(!stores, sight(&Context::of(depot)?.principal));
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return refused(page, &problem),
    };
    let bytes = file.or(carried).unwrap_or_default();
    let mended = BatchFile::open(bytes, page.fields.decimal()).and_then(|file| {
        if edits.is_empty() {
            Ok(file)
        } else {
            BatchFile::open(file.with_cells(&edits), page.fields.decimal())
        }
    });
    let file = match mended {
        Ok(file) => file,
        Err(error) => {
            page.problem = Some(error.to_string());
            page.mistakes = error.mistakes().iter().map(of_mistake).collect();
            return Reply::with_status(StatusCode::BAD_REQUEST, &page);
        }
    };
    page.text = Some(file.text())
        .filter(|text| text.len() <= CARRIED)
        .map(str::to_owned);
    let names = file.column_names();
    let source = shared(FileRows(file));
    let context = Context::of(depot)?;
    let created = context
        .batches()?
        .create(Arc::clone(&source), asked.clone(), context.caller(None))
        .await;
    guess::compared(context, asked.compared(&created))?;
    page.is_checked = true;
    match created {
        Ok(BatchAnswer::Stored { batch, .. }) => {
            Ok(Reply::go(format!("/console/batches/{}/?done=batch", batch.id)))
        }
        Ok(BatchAnswer::Replayed(batch)) => Ok(Reply::go(format!(
            "/console/batches/{}/?done=batch-replayed",
            batch.id
        ))),
        Ok(BatchAnswer::NothingNew(report) | BatchAnswer::DryRun(report)) => {
            let balances = if context.principal.may(Scope::Read) {
                context.provider_watch()?.told_balances().await
            } else {
                Vec::new()
            };
            page.report = Some(Report::of(&report, &balances));
            Reply::page(&page)
        }
        Err(BatchError::Mistakes(mistakes)) => {
            page.wrong = mistakes.rows();
            match page
                .text
                .as_deref()
                .map(|text| BatchFile::open(text.as_bytes().to_vec(), page.fields.decimal()))
            {
                Some(Ok(file)) => page.rows = wrong_rows(&file, &names, &mistakes),
                Some(Err(_)) | None => page.mistakes = mistakes.listed().iter().map(of_mistake).collect(),
            }
            Reply::with_status(StatusCode::BAD_REQUEST, &page)
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status().is_server_error() {
                return Err(problem);
            }
            refused(page, &problem)
        }
    }
}

fn refused(mut page: UploadPage, problem: &Problem) -> Result<Reply, Problem> {
    let mut words = problem.detail().to_owned();
    for (field, message) in problem.errors().iter() {
        words.push_str(&format!(" {field}: {message}"));
    }
    page.problem = Some(words);
    Reply::with_status(problem.status(), &page)
}

/// Reads the cells that a person has mended: fields named by row and column.
fn edits(posted: &Posted) -> HashMap<(u64, usize), String> {
    let cells = posted.fields().iter().filter_map(|(name, text)| {
        let (row, column) = name.strip_prefix("cell-")?.split_once('-')?;
        Some(((row.parse().ok()?, column.parse().ok()?), text.clone()))
    });
    cells.collect()
}

fn of_mistake(mistake: &Mistake) -> (u64, String, String) {
    (
        mistake.row,
        mistake.column.clone().unwrap_or_default(),
        mistake.message.clone(),
    )
}

/// Puts each mistake beside its cell.
fn wrong_rows(file: &BatchFile, names: &[String], mistakes: &Mistakes) -> Vec<WrongRow> {
    let mut by_row: BTreeMap<u64, Vec<&Mistake>> = BTreeMap::new();
    for mistake in mistakes.listed() {
        by_row.entry(mistake.row).or_default().push(mistake);
    }
    let columns = names.iter().filter(|name| !name.is_empty()).count().max(1);
    let mended = MENDED.min(MENDED_CELLS / columns).max(1);
    let rows: Vec<u64> = by_row.keys().copied().take(mended).collect();
    let mut cells = file.cells_of(&rows);
    let wrong = rows.into_iter().map(|row| {
        let texts = cells.remove(&row).unwrap_or_default();
        let of_row = by_row.remove(&row).unwrap_or_default();
        let is_of = |mistake: &Mistake, name: &str| mistake.column.as_deref() == Some(name);
        // A column without a name has no cell to mend.
        let named = names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let cells = named.map(|(column, name)| Cell {
            name: name.clone(),
            column,
            text: texts.get(column).cloned().unwrap_or_default(),
            mistakes: of_row
                .iter()
                .filter(|mistake| is_of(mistake, name))
                .map(|mistake| mistake.message.clone())
                .collect(),
        });
        WrongRow {
            row,
            cells: cells.collect(),
            others: of_row
                .iter()
                .filter(|mistake| !names.iter().any(|name| is_of(mistake, name)))
                .map(|mistake| match &mistake.column {
                    Some(column) => format!("{column}: {}", mistake.message),
                    None => mistake.message.clone(),
                })
                .collect(),
        }
    });
    wrong.collect()
}
