//! Values of a payout's fields beside its payment: each may be null, for none.

use payout_core::Timestamp;
use payout_core::payout::{ExternalId, Metadata, MetadataPatch, StatementText};
use payout_core::stored_recipient::RecipientId;
use serde_json::value::RawValue;

use super::fields::Message;
use super::ids::{canonical, uuid};
use super::json::JsonValue;
use super::moment;
use super::recipient::members;
use super::values::text;
use crate::http::openapi::{ValueSchema, texts};

/// A value that may be null, for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

/// Reads a text, or null.
fn nullable<T, E: ToString>(
    value: &RawValue,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Nullable<T>, Message> {
    if value.get() == "null" {
        return Ok(Nullable(None));
    }
    let parsed = parse(&text(value)?);
    parsed
        .map(|value| Nullable(Some(value)))
        .map_err(|error| error.to_string().into())
}

impl JsonValue for Nullable<ExternalId> {
    fn read(value: &RawValue) -> Result<Self, Message> {
        nullable(value, ExternalId::new)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("ExternalId", texts::external_id())
    }
}

impl JsonValue for Nullable<StatementText> {
    fn read(value: &RawValue) -> Result<Self, Message> {
        nullable(value, StatementText::new)
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("StatementText", texts::statement_text())
    }
}

impl JsonValue for ExternalId {
    fn read(value: &RawValue) -> Result<Self, Message> {
        Self::new(&text(value)?).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("RecipientExternalId", texts::recipient_external_id())
    }
}

impl JsonValue for RecipientId {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let text = text(value)?;
        canonical(&text).ok_or_else(|| "Use the id of a stored recipient, a UUID.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(uuid())
    }
}

impl JsonValue for Timestamp {
    fn read(value: &RawValue) -> Result<Self, Message> {
        moment::parse(&text(value)?).ok_or(Message::Borrowed(moment::EXPECTED))
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(texts::moment())
    }
}

/// The use case checks that the time is not too far ahead.
impl JsonValue for Nullable<Timestamp> {
    fn read(value: &RawValue) -> Result<Self, Message> {
        nullable(value, |text| moment::parse(text).ok_or(moment::EXPECTED))
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("Schedule", texts::schedule())
    }
}

/// Reads the members of an object of texts. A null is passed on.
fn entries(value: &RawValue) -> Result<Vec<(String, Option<String>)>, Message> {
    let members = members(value)?.0.into_iter();
    let entries = members.map(|(name, value)| match value.get() {
        "null" => Ok((name, None)),
        _ => {
            let text = text(value).map_err(|_| format!("The value of `{name}` is not a string."))?;
            Ok((name, Some(text)))
        }
    });
    entries.collect()
}

/// All entries of the metadata; null counts as none.
impl JsonValue for Nullable<Metadata> {
    fn read(value: &RawValue) -> Result<Self, Message> {
        if value.get() == "null" {
            return Ok(Self(None));
        }
        let entries = entries(value)?;
        if let Some((name, _)) = entries.iter().find(|(_, text)| text.is_none()) {
            return Err(format!("The value of `{name}` is not a string.").into());
        }
        let texts = entries.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let metadata = Metadata::new(texts).map_err(|error| error.to_string())?;
        Ok(Self(Some(metadata)))
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("Metadata", texts::metadata(false))
    }
}

/// New values of some entries of the metadata. A null removes an entry; null for the whole removes all.
impl JsonValue for Nullable<MetadataPatch> {
    fn read(value: &RawValue) -> Result<Self, Message> {
        if value.get() == "null" {
            return Ok(Self(None));
        }
        let patch = MetadataPatch::new(entries(value)?).map_err(|error| error.to_string())?;
        Ok(Self(Some(patch)))
    }

    fn schema() -> ValueSchema {
        ValueSchema::component("MetadataChanges", texts::metadata(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str) -> Result<Option<T>, String>
    where
        Nullable<T>: JsonValue,
    {
        let value: Box<RawValue> = serde_json::from_str(json).unwrap();
        let read = Nullable::<T>::read(&value);
        read.map(|value| value.0).map_err(Message::into_owned)
    }

    #[test]
    fn null_is_no_value() {
        assert_eq!(read::<ExternalId>("null"), Ok(None));
        assert_eq!(read::<StatementText>("null"), Ok(None));
        assert_eq!(read::<Timestamp>("null"), Ok(None));
        assert_eq!(read::<Metadata>("null"), Ok(None));
        assert_eq!(read::<MetadataPatch>("null"), Ok(None));
    }

    #[test]
    fn metadata_are_an_object_of_texts() {
        let metadata = read::<Metadata>(r#"{"team": "blue", "n": ""}"#).unwrap().unwrap();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("n", ""), ("team", "blue")]);
        for (json, message) in [
            ("[]", "An object is expected."),
            ("\"x\"", "An object is expected."),
            (r#"{"a": 1}"#, "The value of `a` is not a string."),
            (r#"{"a": null}"#, "The value of `a` is not a string."),
            (r#"{"a": {"b": "c"}}"#, "The value of `a` is not a string."),
            (r#"{"a": "1", "a": "2"}"#, "Two entries have the same name."),
            (
                r#"{"": "1"}"#,
                "The name of an entry: This field may not be blank.",
            ),
            (
                r#"{"a": "\u0000"}"#,
                "The value of `a`: Control characters are not allowed.",
            ),
        ] {
            assert_eq!(read::<Metadata>(json), Err(message.to_owned()), "{json}");
        }
    }

    #[test]
    fn a_change_of_metadata_names_what_it_removes() {
        let patch = read::<MetadataPatch>(r#"{"a": "1", "b": null}"#)
            .unwrap()
            .unwrap();
        let before = Metadata::new([("b", "2"), ("c", "3")]).unwrap();
        let after = before.patched(&patch).unwrap();
        assert_eq!(after.iter().collect::<Vec<_>>(), [("a", "1"), ("c", "3")]);
    }

    #[test]
    fn a_schedule_is_a_moment() {
        assert!(
            read::<Timestamp>(r#""2026-12-01T09:00:00+01:00""#)
                .unwrap()
                .is_some()
        );
        for json in [r#""2026-12-01""#, r#""tomorrow""#, "5"] {
            assert!(read::<Timestamp>(json).is_err(), "{json}");
        }
    }
}
