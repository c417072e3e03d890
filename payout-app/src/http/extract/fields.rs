//! The parser of JSON objects: every name must be known and may occur once.
//!
//! All fields are read before anything is refused, so that a client learns of all its mistakes at once. Numbers are
//! parsed from their text, never through a float.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field::Field;
use crate::http::problem::{Errors, Kind, Problem};
use crate::near::nearest;

/// The fields of a payout that no request may set.
const READ_ONLY: [&str; 9] = [
    "id",
    "needs_review",
    "failure",
    "provider_reference",
    "attempts",
    "created_at",
    "updated_at",
    "created_by",
    "batch_id",
];

/// The reason why a value was refused.
pub(crate) type Message = std::borrow::Cow<'static, str>;

/// A JSON object as it was sent: names and raw values.
pub(crate) struct Fields<'a> {
    values: Vec<(String, &'a RawValue)>,
    /// The names that were read.
    known: Vec<&'static str>,
    errors: Errors,
    /// True if the object has more fields than any that is asked for; the further ones were not kept.
    is_crowded: bool,
}

/// The largest number of fields of an object. Those of requests have fewer than fifty.
pub(super) const MOST_FIELDS: usize = 200;
/// The message for an object with more.
pub(super) const TOO_MANY_FIELDS: &str = "An object may have 200 fields.";
/// The largest number of unknown fields that are named.
const NAMED: usize = 20;

/// Shows only the number of fields: names and values are the client's own.
impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fields({} of them)", self.values.len())
    }
}

impl<'a> Fields<'a> {
    /// Parses an object into names and raw values.
    ///
    /// # Errors
    /// 400 when the text is not a JSON object. [`finish`](Self::finish) reports repeated names.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        let refuse = |detail: String| Err(Problem::new(Kind::MalformedBody, detail));
        if body.iter().all(u8::is_ascii_whitespace) {
            return refuse("The body is empty; a JSON object is expected.".to_owned());
        }
        if let Err(error) = serde_json::from_slice::<&RawValue>(body) {
            return refuse(format!("The body is not JSON: {error}."));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        match deserializer.deserialize_map(ObjectVisitor) {
            Ok(fields) if fields.is_crowded => refuse(TOO_MANY_FIELDS.to_owned()),
            Ok(fields) => Ok(fields),
            Err(error) if error.is_data() => {
                refuse("The body is JSON, but not an object; an object is expected.".to_owned())
            }
            Err(error) => refuse(format!("The body is not JSON: {error}.")),
        }
    }

    /// Parses an optional body; `null` counts as an omitted body.
    ///
    /// # Errors
    /// 400 when it is anything but an object.
    pub(crate) fn of_optional(body: &'a [u8]) -> Result<Self, Problem> {
        if body.is_empty() || body.trim_ascii() == b"null" {
            return Ok(Self::none());
        }
        Self::parse(body)
    }

    /// Builds an object without fields.
    fn none() -> Self {
        Self {
            values: Vec::new(),
            known: Vec::new(),
            errors: Errors::default(),
            is_crowded: false,
        }
    }

    /// Reads an optional field; an error is kept for [`finish`](Self::finish).
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Message>,
    ) -> Field<T> {
        self.known.push(name);
        let Some(position) = self.values.iter().position(|(given, _)| given == name) else {
            return Field::Absent;
        };
        let (_, value) = self.values.swap_remove(position);
        match read(value) {
            Ok(value) => Field::Value(value),
            Err(message) => {
                self.errors.add(name, message);
                match value.get() {
                    "null" => Field::Null,
                    _ => Field::Refused,
                }
            }
        }
    }

    /// Reads a required field; an error is kept for [`finish`](Self::finish).
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Message>,
    ) -> Field<T> {
        if !self.values.iter().any(|(given, _)| given == name) {
            self.known.push(name);
            self.errors.add(name, "This field is required.");
            return Field::Absent;
        }
        self.optional(name, read)
    }

    /// Returns the errors so far, to add one that depends on several fields.
    pub(crate) fn errors(&mut self) -> &mut Errors {
        &mut self.errors
    }

    /// Refuses unknown and repeated names, and reports all errors.
    ///
    /// # Errors
    /// 400 with the messages by field.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        self.values.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (place, (name, _)) in self.values.into_iter().enumerate() {
            if place == NAMED {
                self.errors
                    .add(name, "Unknown field; the fields after it were not looked at.");
                break;
            }
            let message: Message = if READ_ONLY.contains(&name.as_str()) {
                "This field is read-only.".into()
            } else if let Some(known) = nearest(&name, self.known.iter().copied()) {
                format!("Unknown field; is {known} meant?").into()
            } else {
                "Unknown field.".into()
            };
            self.errors.add(name, message);
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.errors))
        }
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields {
            values: Vec::with_capacity(8),
            known: Vec::with_capacity(8),
            errors: Errors::default(),
            is_crowded: false,
        };
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.values.len() >= MOST_FIELDS {
                fields.is_crowded = true;
            } else if fields.values.iter().any(|(given, _)| *given == name) {
                // Said once, however often the field is given.
                if fields.errors.of_field(&name).is_none() {
                    fields.errors.add(name, "This field is given more than once.");
                }
            } else {
                fields.values.push((name, value));
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use payout_core::money::Amount;
    use payout_core::payout::RecipientName;

    use super::*;
    use crate::http::extract::json::JsonValue;

    fn refused(body: &str) -> Problem {
        let mut fields = match Fields::parse(body.as_bytes()) {
            Ok(fields) => fields,
            Err(problem) => return problem,
        };
        fields.required("amount", Amount::read);
        fields.required("name", <RecipientName as JsonValue>::read);
        fields.finish().unwrap_err()
    }

    fn of_field(name: &str, body: &str) -> Vec<String> {
        refused(body)
            .errors()
            .get(name)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn what_is_no_object_is_refused_and_says_where_it_breaks() {
        assert_eq!(
            refused("").detail(),
            "The body is empty; a JSON object is expected."
        );
        assert_eq!(
            refused(" \n").detail(),
            "The body is empty; a JSON object is expected."
        );
        assert_eq!(
            refused("{\"amount\": }").detail(),
            "The body is not JSON: expected value at line 1 column 12."
        );
        for other in ["[]", "1", "\"text\"", "null", "true"] {
            assert_eq!(
                refused(other).detail(),
                "The body is JSON, but not an object; an object is expected.",
                "{other}"
            );
        }
        for broken in ["{", "{}x", "{'a': 1}", "{\"a\": NaN}", "\u{feff}{}", "{\"a\":1,}"] {
            assert!(
                refused(broken).detail().starts_with("The body is not JSON: "),
                "{broken}"
            );
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(refused(&deep).status(), 400);
    }

    #[test]
    fn an_object_with_very_many_fields_is_refused_shortly() {
        let of = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("\"q{number}\":1")).collect();
            refused(&format!("{{{}}}", fields.join(",")))
        };
        assert_eq!(of(MOST_FIELDS + 1).detail(), TOO_MANY_FIELDS);
        let errors = of(MOST_FIELDS);
        // The two that are required, those that are named, and the last.
        assert_eq!(errors.errors().iter().count(), 2 + NAMED + 1);
    }

    #[test]
    fn a_field_that_is_given_very_often_is_named_once() {
        let body = format!("{{{}\"amount\":1}}", "\"amount\":1,".repeat(1_000));
        assert_eq!(of_field("amount", &body), ["This field is given more than once."]);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert!(Fields::parse(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let problem = refused(r#"{"amount": true, "extra": 1, "id": "x", "amount": 2}"#);
        let errors = problem.errors();
        assert_eq!(
            errors.get("amount"),
            [
                "This field is given more than once.",
                "A valid number is required."
            ]
        );
        assert_eq!(errors.get("name"), ["This field is required."]);
        assert_eq!(errors.get("extra"), ["Unknown field."]);
        let problem = refused(r#"{"amonut": 1, "name": "x"}"#);
        let meant = "Unknown field; is amount meant?";
        assert_eq!(problem.errors().get("amonut"), [meant]);
        assert_eq!(errors.get("id"), ["This field is read-only."]);
    }

    #[test]
    fn each_wrong_type_has_its_message() {
        for (value, message) in [
            ("null", "This field may not be null."),
            ("true", "A valid number is required."),
            ("[1]", "A valid number is required."),
            ("{}", "A valid number is required."),
            ("\"\"", "A valid number is required."),
            ("-1", "Ensure this value is greater than zero."),
            ("1e400", "Ensure that there are no more than 18 digits in total."),
            ("\"NaN\"", "A valid number is required."),
        ] {
            assert_eq!(
                of_field("amount", &format!("{{\"amount\": {value}}}")),
                [message],
                "{value}"
            );
        }
        for (value, message) in [
            ("null", "This field may not be null."),
            ("1", "Not a valid string."),
            ("false", "Not a valid string."),
            ("[]", "Not a valid string."),
            ("{}", "Not a valid string."),
            ("\"\\ud800\"", "Not a valid string."),
            ("\"  \"", "This field may not be blank."),
            ("\"a\\u0000b\"", "Control characters are not allowed."),
        ] {
            assert_eq!(
                of_field("name", &format!("{{\"name\": {value}}}")),
                [message],
                "{value}"
            );
        }
    }

    #[test]
    fn a_number_keeps_its_own_text() {
        let yen = Fields::parse(b"{\"amount\": 399.0}")
            .unwrap()
            .optional("amount", Amount::read);
        assert_eq!(
            yen,
            Field::Value("399".parse().unwrap()),
            "as Python writes a whole number"
        );
        let mut fields = Fields::parse(b"{\"amount\": 0.10, \"big\": 9999999999999999.99}").unwrap();
        assert_eq!(
            fields.optional("amount", Amount::read),
            Field::Value("0.10".parse().unwrap())
        );
        assert_eq!(
            fields.optional("big", Amount::read),
            Field::Value("9999999999999999.99".parse().unwrap())
        );
        fields.finish().unwrap();
    }
}
