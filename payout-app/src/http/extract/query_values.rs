//! Values in queries: each type's parser and schema, and the text that identifies a list.

use payout_core::Timestamp;
use payout_core::batch::BatchId;
use payout_core::money::Currency;
use payout_core::payout::{Actor, ExternalId, MetadataEntry, Status};
use payout_core::ports::{Deleted, Order, Search};
use payout_core::stored_recipient::RecipientId;
use payout_core::text::nfc;
use payout_core::usecase::CountMode;
use serde_json::json;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::fields::Message;
use super::ids::{canonical, uuid};
use super::moment;
use super::query::QueryValue;
use crate::http::openapi::{StatusName, ValueSchema, money, texts};

/// A value by which a list is filtered.
pub(crate) trait FilterValue: QueryValue {
    /// Returns the canonical text: equal for equal filters, however the client wrote them.
    fn canonical(&self) -> String;
}

/// Returns the schema of a text that is one of these.
pub(crate) fn one_of<const N: usize>(texts: [&'static str; N]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(texts))
}

impl QueryValue for Status {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse()
            .map_err(|error: <Self as std::str::FromStr>::Err| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::of::<StatusName>()
    }
}

impl FilterValue for Status {
    fn canonical(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Accepts currencies that are no longer payable too, since stored payouts may be in them.
impl QueryValue for Currency {
    fn read(text: &str) -> Result<Self, Message> {
        Self::recorded(text).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(money::recorded_currency())
    }
}

impl FilterValue for Currency {
    fn canonical(&self) -> String {
        self.code().to_owned()
    }
}

impl QueryValue for Timestamp {
    fn read(text: &str) -> Result<Self, Message> {
        moment::parse_bound(text)
            .ok_or_else(|| "Use RFC 3339, such as 2026-11-24T09:30:00Z, or a date.".into())
    }

    fn schema() -> ValueSchema {
        let of = |format| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(format)))
        };
        let moment = AnyOfBuilder::new()
            .item(of(KnownFormat::DateTime))
            .item(of(KnownFormat::Date));
        ValueSchema::inline(moment)
    }
}

impl FilterValue for Timestamp {
    fn canonical(&self) -> String {
        self.timestamp_micros().to_string()
    }
}

impl QueryValue for bool {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("Use true or false.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(ObjectBuilder::new().schema_type(Type::Boolean))
    }
}

impl FilterValue for bool {
    fn canonical(&self) -> String {
        self.to_string()
    }
}

/// The search text of a list; empty where the text is blank.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SearchText(pub(crate) Option<Search>);

impl SearchText {
    const MAX_CHARS: usize = 128;
}

impl QueryValue for SearchText {
    fn read(text: &str) -> Result<Self, Message> {
        if nfc(text).chars().count() > Self::MAX_CHARS {
            return Err(format!(
                "Ensure this value has no more than {} characters.",
                Self::MAX_CHARS
            )
            .into());
        }
        if text.chars().any(char::is_control) {
            return Err("Control characters are not allowed.".into());
        }
        Ok(Self(Search::new(text)))
    }

    fn schema() -> ValueSchema {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(Self::MAX_CHARS))
            .pattern(Some("^[^\\u0000-\\u001f\\u007f-\\u009f]*$"));
        ValueSchema::inline(text)
    }
}

impl FilterValue for SearchText {
    fn canonical(&self) -> String {
        let text = self.0.as_ref().map(Search::account);
        text.unwrap_or_default().to_owned()
    }
}

/// The filter for deleted payouts.
impl QueryValue for Deleted {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "only" => Ok(Self::Only),
            "with" => Ok(Self::With),
            _ => Err("Use only or with, or leave it away.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["only", "with"]))
    }
}

impl FilterValue for Deleted {
    fn canonical(&self) -> String {
        let text = match self {
            Self::Without => "without",
            Self::Only => "only",
            Self::With => "with",
        };
        text.to_owned()
    }
}

impl QueryValue for Order {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "created_at" => Ok(Self::OldestFirst),
            "-created_at" => Ok(Self::NewestFirst),
            "scheduled_at" => Ok(Self::SoonestFirst),
            "-scheduled_at" => Ok(Self::LatestFirst),
            _ => Err("Use created_at, -created_at, scheduled_at or -scheduled_at.".into()),
        }
    }

    fn schema() -> ValueSchema {
        let orders = ["created_at", "-created_at", "scheduled_at", "-scheduled_at"];
        ValueSchema::inline(one_of(orders).default(Some(json!("-created_at"))))
    }
}

impl FilterValue for Order {
    fn canonical(&self) -> String {
        let text = match self {
            Self::OldestFirst => "created_at",
            Self::NewestFirst => "-created_at",
            Self::SoonestFirst => "scheduled_at",
            Self::LatestFirst => "-scheduled_at",
        };
        text.to_owned()
    }
}

impl QueryValue for ExternalId {
    fn read(text: &str) -> Result<Self, Message> {
        Self::new(text).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(texts::external_id().schema_type(Type::String))
    }
}

impl FilterValue for ExternalId {
    fn canonical(&self) -> String {
        self.as_str().to_owned()
    }
}

/// The name of an API key, or of another actor.
impl QueryValue for Actor {
    fn read(text: &str) -> Result<Self, Message> {
        let actor = Self::new(text);
        if actor.as_str() != text {
            return Err("Use the name of an API key.".into());
        }
        Ok(actor)
    }

    fn schema() -> ValueSchema {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(128))
            .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
        ValueSchema::inline(name)
    }
}

impl FilterValue for Actor {
    fn canonical(&self) -> String {
        self.as_str().to_owned()
    }
}

impl QueryValue for RecipientId {
    fn read(text: &str) -> Result<Self, Message> {
        canonical(text).ok_or_else(|| "Use the id of a stored recipient, a UUID.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(uuid())
    }
}

impl FilterValue for RecipientId {
    fn canonical(&self) -> String {
        self.to_string()
    }
}

impl QueryValue for BatchId {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse().map_err(|_| "Use the id of a batch.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(uuid())
    }
}

impl FilterValue for BatchId {
    fn canonical(&self) -> String {
        self.to_string()
    }
}

/// Reads an entry of the metadata that a list is filtered by.
pub(crate) fn metadata_entry(name: &str, value: &str) -> Result<MetadataEntry, Message> {
    MetadataEntry::new(name, value).map_err(|error| error.to_string().into())
}

/// Returns the schema of the entries that a list is filtered by.
pub(crate) fn metadata_entries() -> ValueSchema {
    ValueSchema::inline(texts::metadata(false).schema_type(Type::Object))
}

impl QueryValue for CountMode {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "exact" => Ok(Self::Exact),
            _ => Err("Use exact, or leave it away.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["exact"]))
    }
}

fn integer(format: KnownFormat) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(format)))
}

/// Parses a number without a sign.
fn digits(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageSize<const DEFAULT: u32, const MAX: u32>(pub(crate) u32);

impl<const DEFAULT: u32, const MAX: u32> Default for PageSize<DEFAULT, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: u32, const MAX: u32> QueryValue for PageSize<DEFAULT, MAX> {
    fn read(text: &str) -> Result<Self, Message> {
        digits(text)
            .and_then(|size| u32::try_from(size).ok())
            .filter(|size| (1..=MAX).contains(size))
            .map(Self)
            .ok_or_else(|| format!("Use a number from 1 to {MAX}.").into())
    }

    fn schema() -> ValueSchema {
        let size = integer(KnownFormat::Int32)
            .minimum(Some(1))
            .maximum(Some(MAX))
            .default(Some(json!(DEFAULT)));
        ValueSchema::inline(size)
    }
}

/// The number of a page, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageNumber(pub(crate) u64);

impl QueryValue for PageNumber {
    fn read(text: &str) -> Result<Self, Message> {
        digits(text)
            .filter(|page| *page > 0)
            .map(Self)
            .ok_or_else(|| "Use a number from 1 on.".into())
    }

    fn schema() -> ValueSchema {
        // The largest whole number that every JSON parser represents exactly. No page is beyond it.
        let number = integer(KnownFormat::Int64)
            .minimum(Some(1))
            .maximum(Some(9_007_199_254_740_991_u64));
        ValueSchema::inline(number)
    }
}
