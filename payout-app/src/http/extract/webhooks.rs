//! Values in requests about webhooks: each type's parser and schema.

use payout_core::feed::{EventType, FeedPosition};
use payout_core::webhook::{DeliveryStatus, EndpointUrl, WebhookId};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::openapi::path::ParameterBuilder;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::fields::Message;
use super::ids::{canonical, uuid};
use super::json::JsonValue;
use super::list::each;
use super::path::PathValue;
use super::query::QueryValue;
use super::query_values::one_of;
use super::values::text;
use crate::http::openapi::{EventTypeName, ValueSchema};

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl JsonValue for EndpointUrl {
    fn read(value: &RawValue) -> Result<Self, Message> {
        Self::new(&text(value)?).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        let url = string()
            .format(Some(SchemaFormat::Custom("uri".to_owned())))
            .pattern(Some("^https?://[^/?#@\\\\]+"))
            .max_length(Some(Self::MAX_CHARS));
        ValueSchema::inline(url)
    }
}

/// A list of types of events, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventTypes(pub(crate) Vec<EventType>);

impl JsonValue for EventTypes {
    fn read(value: &RawValue) -> Result<Self, Message> {
        const NO_LIST: &str = "Not a list of types of events.";
        let mut types: Vec<EventType> = Vec::new();
        each(value, NO_LIST, |element| {
            let name = text(element).map_err(|_| NO_LIST)?;
            let event_type = name.parse::<EventType>().map_err(|_| {
                let known: Vec<&str> = EventType::ALL.iter().map(|one| one.as_str()).collect();
                format!("Use types among: {}.", known.join(", "))
            })?;
            if !types.contains(&event_type) {
                types.push(event_type);
            }
            Ok(())
        })?;
        Ok(Self(types))
    }

    fn schema() -> ValueSchema {
        ValueSchema::of::<EventTypeName>()
            .array(None)
            .example(json!(["payout.completed"]))
    }
}

/// True or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl JsonValue for Flag {
    fn read(value: &RawValue) -> Result<Self, Message> {
        serde_json::from_str(value.get())
            .map(Self)
            .map_err(|_| "Use true or false.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(ObjectBuilder::new().schema_type(Type::Boolean))
    }
}

impl JsonValue for FeedPosition {
    fn read(value: &RawValue) -> Result<Self, Message> {
        text(value)?
            .parse()
            .map_err(|_| "Not a position in the event feed.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(string().pattern(Some("^([0-7][0-9a-f]{15}){2}([0-9a-f]{32})?(-2)?$")))
    }
}

impl PathValue for WebhookId {
    const NAME: &'static str = "id";
    const ABSENT: &'static str = "There is no such endpoint or delivery.";

    fn read(text: &str) -> Option<Self> {
        canonical(text)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The endpoint's id."))
            .schema(Some(uuid()))
    }
}

/// The number of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryNumber(pub(crate) u64);

impl PathValue for DeliveryNumber {
    const NAME: &'static str = "number";
    const ABSENT: &'static str = "There is no such endpoint or delivery.";

    fn read(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = text.parse().ok().filter(|_| is_plain);
        // Numbers of a store are signed.
        number.filter(|number| i64::try_from(*number).is_ok()).map(Self)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1));
        parameter
            .description(Some("The delivery's number."))
            .schema(Some(number))
    }
}

impl QueryValue for DeliveryStatus {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse()
            .map_err(|_| "Use pending, delivered or failed.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["pending", "delivered", "failed"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(json: &str) -> Result<Vec<EventType>, String> {
        let value: Box<RawValue> = serde_json::from_str(json).unwrap();
        let read = EventTypes::read(&value);
        read.map(|types| types.0).map_err(Message::into_owned)
    }

    #[test]
    fn each_type_of_event_is_kept_once() {
        let many = format!("[{}\"payout.failed\"]", "\"payout.completed\",".repeat(1_000));
        let kept = types(&many).unwrap();
        assert_eq!(
            kept.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
            ["payout.completed", "payout.failed"]
        );
        assert_eq!(types("[]"), Ok(Vec::new()));
        for (json, message) in [
            ("[1]", "Not a list of types of events."),
            ("\"payout.failed\"", "Not a list of types of events."),
            ("[\"payout.gone\"]", "Use types among: "),
        ] {
            let refused = types(json).unwrap_err();
            assert!(refused.starts_with(message), "{json}: {refused}");
        }
    }
}
