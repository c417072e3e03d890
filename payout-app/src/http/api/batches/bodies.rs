//! The body of a new batch: JSON, or a file.

use std::sync::Arc;

use payout_core::Timestamp;
use payout_core::batch::Mistake;
use payout_core::payout::{Description, ExternalId};
use payout_core::usecase::batches::{BatchSource, RowPayment, SourceRow};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type};

use crate::batch_file::BatchFile;
use crate::http::api::payouts::bodies::NewPayout;
use crate::http::extract::field::Field;
use crate::http::extract::fields::Message;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm, JsonValue, describe_required};
use crate::http::extract::list::each;
use crate::http::extract::payout_values::Nullable;
use crate::http::openapi::{About, Component, ValueSchema};
use crate::http::problem::Kind;

/// The largest body: the largest file, and the rest of its form.
const MOST_BYTES: usize = crate::batch_file::MOST_BYTES + 64 * 1024;
/// The largest number of payouts in a JSON body.
const MOST_IN_JSON: usize = 10_000;

/// The policy of the body.
pub(super) const BODY: BodyPolicy = BodyPolicy::described(
    describe,
    MOST_BYTES,
    &[
        Kind::Invalid,
        Kind::MalformedBody,
        Kind::WrongRows,
        Kind::UnreadableFile,
        Kind::BodyTooSlow,
        Kind::BodyTooLarge,
        Kind::UnsupportedMediaType,
    ],
);

/// A batch in JSON.
pub(super) struct NewBatch {
    pub(super) external_id: Option<ExternalId>,
    pub(super) description: Description,
    pub(super) scheduled_at: Option<Timestamp>,
    pub(super) payouts: Rows,
}

impl JsonBody for NewBatch {
    const NAME: &'static str = "NewBatch";
    const ABOUT: &'static str = "A batch: its payouts are stored together, or none of them is.";

    fn of(form: &mut impl JsonForm) -> Self {
        let external_id: Field<Nullable<ExternalId>> = form.optional(
            "external_id",
            "The client's own reference of the batch, by which it is recognized when it is sent again.",
        );
        let description = About::new("The purpose of the batch.").default("");
        let description: Field<Description> = form.optional("description", description);
        let scheduled_at: Field<Nullable<Timestamp>> = form.optional(
            "scheduled_at",
            "The time at which payouts without a schedule of their own become due; at once if it is omitted.",
        );
        let payouts = form.required("payouts", "The payouts, at most 10,000. A file may have more.");
        Self {
            external_id: external_id.value().and_then(|id| id.0),
            description: description.value().unwrap_or_default(),
            scheduled_at: scheduled_at.value().and_then(|at| at.0),
            payouts: payouts.value().unwrap_or_default(),
        }
    }

    fn example() -> Option<Value> {
        Some(json!({
            "external_id": "salaries-2026-11",
            "payouts": [NewPayout::example().unwrap_or_else(|| json!({
                "amount": "125.50", "currency": "EUR", "recipient_account": "DE89370400440532013000",
                "recipient_name": "Ada Lovelace",
            }))],
        }))
    }
}

/// Payouts in JSON, each parsed when it is read.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<Box<RawValue>>);

impl JsonValue for Rows {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let mut rows: Vec<Box<RawValue>> = Vec::new();
        each(value, "A list of payouts is expected.", |row| {
            if rows.len() == MOST_IN_JSON {
                return Err("JSON may have 10,000 payouts; a file may have 100,000.".into());
            }
            rows.push(row.to_owned());
            Ok(())
        })?;
        if rows.is_empty() {
            return Err("A batch has at least one payout.".into());
        }
        Ok(Self(rows))
    }

    fn schema() -> ValueSchema {
        ValueSchema::components(NewPayout::NAME, Vec::new()).array(Some(1))
    }
}

impl BatchSource for Rows {
    fn rows(&self) -> Box<dyn Iterator<Item = SourceRow> + Send + '_> {
        let numbered = self.0.iter().zip(1..);
        Box::new(numbered.map(|(value, number)| SourceRow {
            number,
            payment: payment(value, number),
        }))
    }

    fn may_name_recipients(&self) -> bool {
        // A name in another spelling, with escapes, is found too.
        self.0.iter().any(|value| {
            let text = value.get();
            text.contains("recipient_id") || text.contains("\\u")
        })
    }
}

fn payment(value: &RawValue, number: u64) -> Result<RowPayment, Vec<Mistake>> {
    let read = NewPayout::parse(value.get().as_bytes()).and_then(NewPayout::into_row);
    read.map_err(|problem| {
        if problem.errors().is_empty() {
            return vec![Mistake::of_row(number, problem.detail())];
        }
        let errors = problem.errors().iter();
        errors
            .map(|(field, message)| Mistake::of(number, field, message))
            .collect()
    })
}

/// Payouts in a file.
pub(in crate::http) struct FileRows(pub(in crate::http) BatchFile);

impl BatchSource for FileRows {
    fn rows(&self) -> Box<dyn Iterator<Item = SourceRow> + Send + '_> {
        Box::new(self.0.rows())
    }

    fn may_name_recipients(&self) -> bool {
        self.0.may_name_recipients()
    }
}

/// Returns rows for the use case.
pub(in crate::http) fn shared(source: impl BatchSource) -> Arc<dyn BatchSource> {
    Arc::new(source)
}

fn describe(operation: &mut Operation) -> Vec<Component> {
    let components = describe_required::<NewBatch>(operation);
    // Generators of clients send what is binary as it is.
    let binary = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
    };
    let csv = binary().description(Some(
        "A CSV file in UTF-8, with or without a byte order mark: at most 100,000 rows and 32 MiB. The cells are separated by \
         `,`, `;` or tabs, with quotation marks by RFC 4180. The first row names the columns, in any order and in any case: \
         `amount`, `currency`, `recipient_account` and `recipient_name`, or `recipient.type`, `recipient.name`, \
         `recipient.iban` and the other parts, or `recipient_id`; `description`, `external_id`, `statement_text`, \
         `scheduled_at`, `allow_duplicate`, and `metadata.NAME`.",
    ));
    let example =
        "amount,currency,recipient_account,recipient_name\n125.50,EUR,DE89370400440532013000,Ada Lovelace\n";
    let csv = ContentBuilder::new()
        .schema(Some(csv))
        .example(Some(json!(example)))
        .build();
    let text = |about: &str| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(about.to_owned()))
    };
    let file = binary()
        .content_media_type("text/csv")
        .description(Some("The file, as for `text/csv`."));
    let form = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("file", file)
        .property("external_id", text("The client's own reference of the batch."))
        .property("description", text("The purpose of the batch."))
        .property(
            "scheduled_at",
            text("The time at which payouts without a schedule of their own become due."),
        )
        .required("file");
    let form = ContentBuilder::new().schema(Some(form)).build();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.insert("text/csv".to_owned(), RefOr::T(csv));
        body.content
            .insert("multipart/form-data".to_owned(), RefOr::T(form));
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payouts: usize) -> Result<usize, Message> {
        let json = format!("[{}]", vec!["1"; payouts].join(","));
        let value: Box<RawValue> = serde_json::from_str(&json).unwrap();
        Rows::read(&value).map(|rows| rows.0.len())
    }

    #[test]
    fn json_may_have_ten_thousand_payouts() {
        assert_eq!(read(MOST_IN_JSON), Ok(MOST_IN_JSON));
        for too_many in [MOST_IN_JSON + 1, 5 * MOST_IN_JSON] {
            let message = read(too_many).unwrap_err();
            assert!(message.starts_with("JSON may have 10,000 payouts"), "{message}");
        }
        assert_eq!(read(0), Err("A batch has at least one payout.".into()));
    }
}
