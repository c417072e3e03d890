//! Schemas of single values, and how a property or a parameter refers to one.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{Ref, RefOr};

/// A schema of the document with its name.
pub(crate) type Component = (String, RefOr<Schema>);

/// The schema of a value: written where it stands, or a component that has a name.
pub(crate) struct ValueSchema {
    schema: RefOr<Schema>,
    component: Option<Component>,
}

/// What the document says of a property or a parameter beside its schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    text: &'static str,
    example: Option<&'static str>,
    default: Option<&'static str>,
}

impl About {
    /// A description.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            example: None,
            default: None,
        }
    }

    /// The description.
    pub(crate) const fn text(self) -> &'static str {
        self.text
    }

    /// A value to show.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    /// The value that it has when it is omitted.
    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}

impl From<&'static str> for About {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl ValueSchema {
    /// Written where it stands.
    pub(crate) fn inline(schema: impl Into<Schema>) -> Self {
        Self {
            schema: RefOr::T(schema.into()),
            component: None,
        }
    }

    /// A component with this name.
    pub(crate) fn component(name: &str, schema: impl Into<Schema>) -> Self {
        Self {
            schema: Ref::from_schema_name(name).into(),
            component: Some((name.to_owned(), RefOr::T(schema.into()))),
        }
    }

    /// The component of a type that answers have too.
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            schema: Ref::from_schema_name(T::name()).into(),
            component: Some((T::name().into_owned(), T::schema())),
        }
    }

    /// An array of these.
    pub(crate) fn array(self, at_least: Option<usize>) -> Self {
        let array = utoipa::openapi::ArrayBuilder::new()
            .items(ArrayItems::RefOrSchema(Box::new(self.schema)))
            .min_items(at_least);
        Self {
            schema: RefOr::T(array.build().into()),
            component: self.component,
        }
    }

    /// The schema as a parameter has it, and the component that it refers to.
    pub(crate) fn into_parts(self) -> (RefOr<Schema>, Option<Component>) {
        (self.schema, self.component)
    }

    /// The same as a property that is described in these words.
    pub(crate) fn described(mut self, about: About) -> Self {
        let example = || about.example.map(|text| json!(text));
        let default = || about.default.map(|text| json!(text));
        match &mut self.schema {
            RefOr::Ref(reference) => {
                about.text.clone_into(&mut reference.description);
                reference.default = default();
            }
            RefOr::T(Schema::Object(object)) => {
                describe(&mut object.description, about.text);
                object.example = example().or(object.example.take());
                object.default = default().or(object.default.take());
            }
            RefOr::T(Schema::Array(array)) => describe(&mut array.description, about.text),
            RefOr::T(_) => (),
        }
        self
    }

    /// With a value to show, which is no text.
    pub(crate) fn example(mut self, example: Value) -> Self {
        match &mut self.schema {
            RefOr::T(Schema::Object(object)) => object.example = Some(example),
            RefOr::T(Schema::Array(array)) => array.example = Some(example),
            RefOr::T(_) | RefOr::Ref(_) => (),
        }
        self
    }
}

/// An empty text leaves the description that the schema has.
fn describe(description: &mut Option<String>, text: &str) {
    if !text.is_empty() {
        *description = Some(text.to_owned());
    }
}
