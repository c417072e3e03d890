//! Recipients in bodies: an object by type, with an address in it.
//!
//! The object is flattened into [`RecipientFields`], whose parser names every part that is wrong. So does the flattening
//! for values that are no texts.

use std::fmt;

use payout_core::payout::{MASK, Recipient, RecipientError, RecipientFields};
use payout_core::usecase::RecipientEdit;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{MOST_FIELDS, Message, TOO_MANY_FIELDS};
use super::json::JsonValue;
use super::values::text;
use crate::http::openapi::{ValueSchema, recipients};
use crate::http::problem::Errors;

/// A recipient as a body has it.
#[derive(Debug)]
pub(crate) enum RecipientInput {
    /// A whole recipient.
    Whole(Box<Recipient>),
    /// A recipient with masks, which is the stored one or none.
    Masked(RecipientFields),
    /// Parts that are wrong, missing or unknown.
    Wrong(Vec<RecipientError>),
}

impl RecipientInput {
    /// Names the wrong parts, each under `recipient.`.
    pub(crate) fn check(&self, errors: &mut Errors) {
        match self {
            Self::Whole(_) | Self::Masked(_) => (),
            Self::Wrong(wrong) => report(wrong, errors),
        }
    }

    /// Names the wrong parts where there is nothing that a mask could stand for.
    pub(crate) fn check_whole(&self, errors: &mut Errors) {
        match self {
            Self::Masked(fields) => report(&Recipient::parse(fields).err().unwrap_or_default(), errors),
            Self::Whole(_) | Self::Wrong(_) => self.check(errors),
        }
    }

    /// Returns the recipient, if it is whole.
    pub(crate) fn whole(self) -> Option<Recipient> {
        match self {
            Self::Whole(recipient) => Some(*recipient),
            Self::Masked(_) | Self::Wrong(_) => None,
        }
    }

    /// Returns the edit, if nothing is wrong.
    pub(crate) fn edit(self) -> Option<RecipientEdit> {
        match self {
            Self::Whole(recipient) => Some(RecipientEdit::Whole(recipient)),
            Self::Masked(fields) => Some(RecipientEdit::Masked(fields)),
            Self::Wrong(_) => None,
        }
    }
}

fn report(wrong: &[RecipientError], errors: &mut Errors) {
    for RecipientError { field, message } in wrong {
        errors.add(format!("recipient.{field}"), message.clone());
    }
}

impl JsonValue for RecipientInput {
    fn read(value: &RawValue) -> Result<Self, Message> {
        let flat = Flat::of(&members(value)?);
        if flat.errors.is_empty() && flat.fields.0.values().any(|text| text.contains(MASK)) {
            return Ok(Self::Masked(flat.fields));
        }
        let parsed = Recipient::parse(&flat.fields);
        Ok(match (flat.errors.is_empty(), parsed) {
            (true, Ok(recipient)) => Self::Whole(Box::new(recipient)),
            (_, parsed) => Self::Wrong(flat.with(parsed.err().unwrap_or_default())),
        })
    }

    fn schema() -> ValueSchema {
        recipients::requested()
    }
}

/// The parts of an object: the texts, and errors for everything else.
#[derive(Default)]
struct Flat {
    fields: RecipientFields,
    errors: Vec<RecipientError>,
}

impl Flat {
    fn of(members: &Members<'_>) -> Self {
        let mut flat = Self::default();
        for (name, value) in &members.0 {
            if flat.is_seen(name) {
                flat.refuse(name.clone(), "This field is given more than once.");
            } else if name == "address" {
                flat.add_address(value);
            } else {
                flat.add(name, name.clone(), value);
            }
        }
        flat
    }

    fn is_seen(&self, name: &str) -> bool {
        let below = format!("{name}.");
        let mut given = self
            .fields
            .0
            .keys()
            .chain(self.errors.iter().map(|error| &error.field));
        given.any(|given| given == name || given.starts_with(&below))
    }

    fn add_address(&mut self, value: &RawValue) {
        let parts = match members(value) {
            Ok(parts) => parts,
            Err(message) => return self.refuse("address".to_owned(), message),
        };
        if parts.0.is_empty() {
            let message = "An address has at least line1, city and country; omit it if there is none.";
            self.refuse("address".to_owned(), message);
        }
        for (name, value) in &parts.0 {
            let path = format!("address.{name}");
            if self.is_seen(&path) {
                self.refuse(path, "This field is given more than once.");
            } else {
                self.add(name, path, value);
            }
        }
    }

    fn add(&mut self, name: &str, path: String, value: &RawValue) {
        // A name with a dot would be taken for a part of an object that is not there.
        if name.contains('.') {
            return self.refuse(path, "Unknown field.");
        }
        match text(value) {
            Ok(text) => drop(self.fields.0.insert(path, text)),
            Err(message) => self.refuse(path, message),
        }
    }

    fn refuse(&mut self, field: String, message: impl Into<Message>) {
        let message = message.into().into_owned();
        self.errors.push(RecipientError { field, message });
    }

    /// Adds the errors of the parser, except those about parts that are refused already.
    fn with(self, parsed: Vec<RecipientError>) -> Vec<RecipientError> {
        let mut errors = self.errors;
        let refused: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
        errors.extend(parsed.into_iter().filter(|error| !refused.contains(&error.field)));
        errors
    }
}

/// The members of a JSON object, repeated ones included.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

/// Reads the members of an object.
pub(super) fn members(value: &RawValue) -> Result<Members<'_>, Message> {
    match value.get().as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> =
                serde_json::from_str(value.get()).map_err(|_| "Not a valid object.")?;
            if members.0.len() > MOST_FIELDS {
                return Err(TOO_MANY_FIELDS.into());
            }
            Ok(members)
        }
        Some(b'n') => Err("This field may not be null.".into()),
        Some(_) | None => Err("An object is expected.".into()),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::with_capacity(6);
        while let Some(member) = map.next_entry()? {
            // One more than may be there shows that there are too many.
            if members.len() <= MOST_FIELDS {
                members.push(member);
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RecipientInput, Message> {
        let value: Box<RawValue> = serde_json::from_str(json).unwrap();
        RecipientInput::read(&value)
    }

    fn wrong(json: &str) -> Vec<(String, String)> {
        let Ok(RecipientInput::Wrong(errors)) = read(json) else {
            panic!("{json} is taken")
        };
        let errors = errors.into_iter().map(|error| (error.field, error.message));
        errors.collect()
    }

    fn names(json: &str) -> Vec<String> {
        let mut names: Vec<String> = wrong(json).into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn an_object_is_a_recipient_with_its_address() {
        let json = r#"{"type": "iban", "iban": "de89 3704 0044 0532 0130 00", "name": "Ada",
            "address": {"line1": "1 High Street", "city": "London", "country": "gb"}}"#;
        let recipient = read(json).unwrap().whole().unwrap();
        assert_eq!(recipient.account().as_str(), "DE89370400440532013000");
        assert_eq!(recipient.address().unwrap().country, "GB");
    }

    #[test]
    fn only_an_object_is_a_recipient() {
        for (json, message) in [
            ("null", "This field may not be null."),
            ("1", "An object is expected."),
            ("\"DE89370400440532013000\"", "An object is expected."),
            ("[]", "An object is expected."),
            ("true", "An object is expected."),
        ] {
            assert_eq!(read(json).unwrap_err(), message, "{json}");
        }
    }

    #[test]
    fn each_part_of_a_wrong_type_is_named_once() {
        assert_eq!(
            names(
                r#"{"type": "us_bank", "routing_number": 21000021, "account_number": ["1234"], "account_type": null,
                "name": {}, "address": "London", "email": false}"#
            ),
            [
                "account_number",
                "account_type",
                "address",
                "email",
                "name",
                "routing_number"
            ]
        );
        assert_eq!(names("{}"), ["name", "type"]);
        let address =
            r#"{"type": "account", "account": "A", "name": "N", "address": {"line1": 1, "street": "x"}}"#;
        assert_eq!(
            names(address),
            [
                "address.city",
                "address.country",
                "address.line1",
                "address.street"
            ]
        );
        for address in ["{}", "[]", "null", "1"] {
            let json = format!(r#"{{"type": "account", "account": "A", "name": "N", "address": {address}}}"#);
            assert_eq!(names(&json), ["address"], "{address}");
        }
    }

    #[test]
    fn repeated_and_dotted_names_are_refused() {
        for (json, name) in [
            (
                r#"{"type": "account", "account": "A", "account": "B", "name": "N"}"#,
                "account",
            ),
            (
                r#"{"type": "account", "account": 1, "account": "B", "name": "N"}"#,
                "account",
            ),
            (
                r#"{"type": "account", "account": "A", "name": "N", "address": {"line1": "a", "line1": "b", "city": "c",
                    "country": "DE"}}"#,
                "address.line1",
            ),
        ] {
            assert!(names(json).contains(&name.to_owned()), "{json}");
        }
        let dotted = r#"{"type": "account", "account": "A", "name": "N", "address.line1": "x", "address.city": "c",
            "address.country": "DE"}"#;
        assert_eq!(
            names(dotted),
            ["address.city", "address.country", "address.line1"]
        );
    }

    #[test]
    fn a_mask_is_kept_for_an_edit_and_refused_otherwise() {
        let masked = read(r#"{"type": "iban", "iban": "••••3000", "name": "A•••"}"#).unwrap();
        let mut errors = Errors::default();
        masked.check(&mut errors);
        assert!(errors.is_empty());
        masked.check_whole(&mut errors);
        assert_eq!(
            errors.get("recipient.iban"),
            ["This is a mask: send the whole value."]
        );
        assert!(masked.whole().is_none());
    }
}
