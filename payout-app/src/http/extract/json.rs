//! Bodies: one definition of a body's fields both parses requests and describes the body in the document.
//!
//! A body lists its fields once ([`JsonBody::of`]) for any form: a [`Reader`] takes each field from a JSON object, and
//! a [`Describer`] records its name, its schema and whether it is required. The type of a field ([`JsonValue`]) has
//! both its parser and its schema.

use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder, Schema};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Required, Type};

use super::field::Field;
use super::fields::{Fields, Message};
use crate::http::openapi::{About, Component, ValueSchema};
use crate::http::problem::{Errors, Kind, Problem};

/// A value in a body.
pub(crate) trait JsonValue: Sized {
    /// Parses the value from its JSON text.
    fn read(value: &RawValue) -> Result<Self, Message>;

    /// Returns the schema of the value.
    fn schema() -> ValueSchema;
}

/// A form of a JSON object: reads or describes one field after the other.
pub(crate) trait JsonForm {
    /// Reads or describes a required field.
    fn required<T: JsonValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T>;

    /// Reads or describes an optional field.
    fn optional<T: JsonValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T>;

    /// Reads a field that the document does not name.
    fn undocumented<T: JsonValue>(&mut self, name: &'static str) -> Field<T>;
}

/// A body: its fields, the constraints between them, and its name in the document.
pub(crate) trait JsonBody: Sized {
    /// The name of its component in the document.
    const NAME: &'static str;
    /// The description in the document.
    const ABOUT: &'static str;

    /// Lists the fields to a form.
    fn of(form: &mut impl JsonForm) -> Self;

    /// Refuses fields that contradict each other.
    fn check(&self, errors: &mut Errors) {
        let _ = errors;
    }

    /// Adds the constraints between fields to the schema.
    fn related(schema: RefOr<Schema>) -> RefOr<Schema> {
        schema
    }

    /// Returns an example for the document.
    fn example() -> Option<Value> {
        None
    }

    /// Parses a body.
    ///
    /// # Errors
    /// 400 when it is not a JSON object, or with the messages of all its fields.
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        read(Fields::parse(body)?)
    }

    /// Parses an optional body; `null` counts as an omitted body.
    ///
    /// # Errors
    /// 400, as for a required body.
    fn parse_optional(body: &[u8]) -> Result<Self, Problem> {
        read(Fields::of_optional(body)?)
    }
}

fn read<B: JsonBody>(fields: Fields<'_>) -> Result<B, Problem> {
    let mut reader = Reader(fields);
    let body = B::of(&mut reader);
    body.check(reader.0.errors());
    reader.0.finish()?;
    Ok(body)
}

/// Reads the fields from a JSON object.
struct Reader<'a>(Fields<'a>);

impl JsonForm for Reader<'_> {
    fn required<T: JsonValue>(&mut self, name: &'static str, _: impl Into<About>) -> Field<T> {
        self.0.required(name, T::read)
    }

    fn optional<T: JsonValue>(&mut self, name: &'static str, _: impl Into<About>) -> Field<T> {
        self.0.optional(name, T::read)
    }

    fn undocumented<T: JsonValue>(&mut self, name: &'static str) -> Field<T> {
        self.0.optional(name, T::read)
    }
}

/// Collects the schema of a JSON object.
struct Describer {
    object: ObjectBuilder,
    components: Vec<Component>,
}

impl Describer {
    fn property<T: JsonValue>(&mut self, name: &'static str, about: About) {
        let (schema, components) = T::schema().described(about).into_parts();
        self.object = std::mem::take(&mut self.object).property(name, schema);
        self.components.extend(components);
    }
}

impl JsonForm for Describer {
    fn required<T: JsonValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T> {
        self.property::<T>(name, about.into());
        self.object = std::mem::take(&mut self.object).required(name);
        Field::Absent
    }

    fn optional<T: JsonValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T> {
        self.property::<T>(name, about.into());
        Field::Absent
    }

    fn undocumented<T: JsonValue>(&mut self, _: &'static str) -> Field<T> {
        Field::Absent
    }
}

/// The body of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyPolicy {
    describe: fn(&mut Operation) -> Vec<Component>,
    /// The maximum number of bytes; absent for the configured limit.
    pub(crate) most_bytes: Option<usize>,
    /// The kinds of problems with the body.
    pub(crate) refusals: &'static [Kind],
}

/// The kinds of problems with a JSON body.
const OF_JSON: &[Kind] = &[
    Kind::Invalid,
    Kind::MalformedBody,
    Kind::BodyTooSlow,
    Kind::BodyTooLarge,
    Kind::UnsupportedMediaType,
];

impl BodyPolicy {
    /// Builds the policy of a required body.
    pub(crate) const fn required<B: JsonBody>() -> Self {
        Self {
            describe: describe_required::<B>,
            most_bytes: None,
            refusals: OF_JSON,
        }
    }

    /// Builds the policy of an optional body.
    pub(crate) const fn optional<B: JsonBody>() -> Self {
        Self {
            describe: describe_optional::<B>,
            most_bytes: None,
            refusals: OF_JSON,
        }
    }

    /// Builds the policy of a body in another program's format, which the handler reads as it is.
    pub(crate) const fn raw(most_bytes: usize) -> Self {
        Self {
            describe: describe_raw,
            most_bytes: Some(most_bytes),
            refusals: &[Kind::MalformedBody, Kind::BodyTooSlow, Kind::BodyTooLarge],
        }
    }

    /// Builds the policy of a body that the handler reads by itself, described by this function.
    pub(crate) const fn described(
        describe: fn(&mut Operation) -> Vec<Component>,
        most_bytes: usize,
        refusals: &'static [Kind],
    ) -> Self {
        Self {
            describe,
            most_bytes: Some(most_bytes),
            refusals,
        }
    }

    /// Adds the body to its operation, and returns the components that it refers to.
    pub(crate) fn describe(self, operation: &mut Operation) -> Vec<Component> {
        (self.describe)(operation)
    }
}

/// Describes a required JSON body.
pub(crate) fn describe_required<B: JsonBody>(operation: &mut Operation) -> Vec<Component> {
    let reference = Ref::from_schema_name(B::NAME).into();
    operation.request_body = Some(
        request_body::<B>(reference)
            .required(Some(Required::True))
            .build()
            .into(),
    );
    components::<B>()
}

fn describe_optional<B: JsonBody>(operation: &mut Operation) -> Vec<Component> {
    let or_null = OneOfBuilder::new()
        .item(Ref::from_schema_name(B::NAME))
        .item(ObjectBuilder::new().schema_type(Type::Null));
    operation.request_body = Some(request_body::<B>(RefOr::T(or_null.into())).build().into());
    components::<B>()
}

fn describe_raw(operation: &mut Operation) -> Vec<Component> {
    let any = ObjectBuilder::new().description(Some("A body in the provider's format."));
    let content = ContentBuilder::new().schema(Some(any)).build();
    let body = RequestBodyBuilder::from(RequestBody::new()).content("application/json", content);
    operation.request_body = Some(body.required(Some(Required::True)).build().into());
    Vec::new()
}

fn request_body<B: JsonBody>(schema: RefOr<Schema>) -> RequestBodyBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).example(B::example());
    RequestBodyBuilder::from(RequestBody::new()).content("application/json", content.build())
}

/// Returns the component of the body, and those that it refers to.
fn components<B: JsonBody>() -> Vec<Component> {
    let mut describer = Describer {
        object: ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(B::ABOUT))
            .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        components: Vec::new(),
    };
    let _ = B::of(&mut describer);
    let Describer {
        object,
        mut components,
    } = describer;
    let schema = B::related(RefOr::T(object.into()));
    components.push((B::NAME.to_owned(), schema));
    components
}
