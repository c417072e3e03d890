//! Values in bodies: each type's parser and schema.

use std::fmt::Display;
use std::str::FromStr;

use payout_core::Timestamp;
use payout_core::access::{KeyName, KeyOwner, Scope, Scopes};
use payout_core::money::{Amount, AmountError, Currency};
use payout_core::payout::{Description, FieldError, RecipientAccount, RecipientName, Status};
use payout_core::text::nfc;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::fields::Message;
use super::json::JsonValue;
use super::list::each;
use super::moment;
use crate::http::openapi::{ScopeName, StatusName, ValueSchema, money, texts};

const NULL: Message = Message::Borrowed("This field may not be null.");

/// Parses a JSON string.
pub(super) fn text(value: &RawValue) -> Result<String, Message> {
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get()).map_err(|_| "Not a valid string.".into()),
        Some(b'n') => Err(NULL),
        Some(_) | None => Err("Not a valid string.".into()),
    }
}

/// Parses a JSON string into a value.
fn parsed<T: FromStr<Err: Display>>(value: &RawValue) -> Result<T, Message> {
    text(value)?
        .parse()
        .map_err(|error: T::Err| error.to_string().into())
}

/// Parses a text field of a payout.
fn of_payout<T>(value: &RawValue, parse: fn(&str) -> Result<T, FieldError>) -> Result<T, Message> {
    parse(&text(value)?).map_err(|error| error.to_string().into())
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Parses a JSON string or number from its text.
impl JsonValue for Amount {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|error: AmountError| error.to_string().into())
        };
        match value.get().as_bytes().first() {
            Some(b'"') => parse(&text(value)?),
            // The writer of the JSON chooses the number of trailing zeros: some write a fraction for every number.
            Some(b'-' | b'0'..=b'9') => parse(value.get()).map(Self::by_value),
            Some(b'n') => Err(NULL),
            Some(_) | None => Err("A valid number is required.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("Amount", money::any_amount())
    }
}

impl JsonValue for Currency {
    fn read(value: &RawValue) -> Result<Self, Message> {
        parsed(value)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("Currency", money::currency())
    }
}

impl JsonValue for RecipientAccount {
    fn read(value: &RawValue) -> Result<Self, Message> {
        of_payout(value, Self::new)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("RecipientAccount", texts::account())
    }
}

impl JsonValue for RecipientName {
    fn read(value: &RawValue) -> Result<Self, Message> {
        of_payout(value, Self::new)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("RecipientName", texts::name())
    }
}

impl JsonValue for Description {
    fn read(value: &RawValue) -> Result<Self, Message> {
        of_payout(value, Self::new)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("Description", texts::description())
    }
}

impl JsonValue for Status {
    fn read(value: &RawValue) -> Result<Self, Message> {
        parsed(value)
    }

    fn schema() -> ValueSchema {
        ValueSchema::of::<StatusName>()
    }
}

impl JsonValue for bool {
    fn read(value: &RawValue) -> Result<Self, Message> {
        match value.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            "null" => Err(NULL),
            _ => Err("Use true or false.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(ObjectBuilder::new().schema_type(Type::Boolean))
    }
}

impl JsonValue for KeyOwner {
    fn read(value: &RawValue) -> Result<Self, Message> {
        parsed(value)
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(string().min_length(Some(1)).max_length(Some(Self::MAX_CHARS)))
    }
}

/// The only status that a new payout may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending;

impl JsonValue for Pending {
    fn read(value: &RawValue) -> Result<Self, Message> {
        match parsed(value)? {
            Status::Pending => Ok(Self),
            Status::AwaitingApproval
            | Status::Processing
            | Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::Cancelled => Err("A new payout is pending; no other status can be given.".into()),
        }
    }

    fn schema() -> ValueSchema {
        let pending = string()
            .enum_values(Some([Status::Pending.as_str()]))
            .description(Some("May be omitted: a new payout is always `pending`."));
        ValueSchema::inline(pending)
    }
}

/// A person's reason, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) String);

impl Reason {
    const MAX_CHARS: usize = 255;
}

impl JsonValue for Reason {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let reason = text(value)?;
        if nfc(&reason).chars().count() > Self::MAX_CHARS {
            return Err(format!(
                "Ensure this field has no more than {} characters.",
                Self::MAX_CHARS
            )
            .into());
        }
        Ok(Self(reason))
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(string().max_length(Some(Self::MAX_CHARS)))
    }
}

/// The name of a new key.
impl JsonValue for KeyName {
    fn read(value: &RawValue) -> Result<Self, Message> {
        parsed(value)
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(key_name())
    }
}

/// The name of an existing key, which may be one that a new key can no longer have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingKey(pub(crate) KeyName);

impl JsonValue for ExistingKey {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let name = KeyName::stored(&text(value)?);
        name.map(Self).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(key_name())
    }
}

/// The schema of a key's name.
pub(super) fn key_name() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(KeyName::MAX_CHARS))
        .pattern(Some(KeyName::PATTERN))
}

/// A list of at least one scope.
impl JsonValue for Scopes {
    fn read(value: &RawValue) -> Result<Self, Message> {
        const NO_LIST: &str = "Not a list of scopes.";
        let mut scopes: Vec<Scope> = Vec::new();
        each(value, NO_LIST, |element| {
            let name = text(element).map_err(|_| NO_LIST)?;
            let scope = name.parse::<Scope>().map_err(|error| error.to_string())?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
            Ok(())
        })?;
        if scopes.is_empty() {
            return Err("Give it at least one scope.".into());
        }
        Ok(scopes.into_iter().collect())
    }

    fn schema() -> ValueSchema {
        ValueSchema::of::<ScopeName>()
            .array(Some(1))
            .example(json!([Scope::Read.as_str(), Scope::Write.as_str()]))
    }
}

/// The time of expiry of a key. The use case checks that it is in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry(pub(crate) Timestamp);

impl JsonValue for Expiry {
    fn read(value: &RawValue) -> Result<Self, Message> {
        moment::parse(&text(value)?)
            .map(Self)
            .ok_or(Message::Borrowed(moment::EXPECTED))
    }

    fn schema() -> ValueSchema {
        let moment = string()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            // Years from that of this version on.
            .pattern(Some("^(202[6-9]|20[3-9][0-9]|2[1-9][0-9]{2}|[3-9][0-9]{3})-"));
        ValueSchema::inline(moment)
    }
}

/// The number of seconds for which the secret before a rotation is still accepted: up to a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlap(pub(crate) u64);

impl Overlap {
    const MAX_SECONDS: u64 = 7 * 24 * 60 * 60;
}

impl JsonValue for Overlap {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let seconds: Option<u64> = serde_json::from_str(value.get()).ok();
        seconds
            .filter(|seconds| *seconds <= Self::MAX_SECONDS)
            .map(Self)
            .ok_or_else(|| format!("A whole number from 0 to {} is required.", Self::MAX_SECONDS).into())
    }

    fn schema() -> ValueSchema {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(0))
            .maximum(Some(Self::MAX_SECONDS));
        ValueSchema::inline(seconds).example(json!(3600))
    }
}
