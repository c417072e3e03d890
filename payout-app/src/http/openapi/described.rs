//! Schemas of single values, and references to them from properties and parameters.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{Ref, RefOr};

/// A named schema of the document.
pub(crate) type Component = (String, RefOr<Schema>);

/// The schema of a value: inline, or a reference to a named component, with the components that it refers to.
pub(crate) struct ValueSchema {
    schema: RefOr<Schema>,
    components: Vec<Component>,
}

/// The description of a property or a parameter besides its schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    text: &'static str,
    example: Option<&'static str>,
    default: Option<&'static str>,
}

impl About {
    /// Builds a description.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            example: None,
            default: None,
        }
    }

    /// Returns the description.
    pub(crate) const fn text(self) -> &'static str {
        self.text
    }

    /// Adds an example.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    /// Adds the default: the value if the field is omitted.
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
    /// Builds an inline schema.
    pub(crate) fn inline(schema: impl Into<Schema>) -> Self {
        Self {
            schema: RefOr::T(schema.into()),
            components: Vec::new(),
        }
    }

    /// Builds a component with this name.
    pub(crate) fn component(name: &str, schema: impl Into<Schema>) -> Self {
        Self {
            schema: Ref::from_schema_name(name).into(),
            components: vec![(name.to_owned(), RefOr::T(schema.into()))],
        }
    }

    /// Refers to the component with this name, which is one of these.
    pub(crate) fn components(name: &str, components: Vec<Component>) -> Self {
        Self {
            schema: Ref::from_schema_name(name).into(),
            components,
        }
    }

    /// Refers to the component of a type that answers use too.
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            schema: Ref::from_schema_name(T::name()).into(),
            components: vec![(T::name().into_owned(), T::schema())],
        }
    }

    /// Builds an array of this schema.
    pub(crate) fn array(self, at_least: Option<usize>) -> Self {
        let array = utoipa::openapi::ArrayBuilder::new()
            .items(ArrayItems::RefOrSchema(Box::new(self.schema)))
            .min_items(at_least);
        Self {
            schema: RefOr::T(array.build().into()),
            components: self.components,
        }
    }

    /// Returns the schema as a parameter has it, and the components that it refers to.
    pub(crate) fn into_parts(self) -> (RefOr<Schema>, Vec<Component>) {
        (self.schema, self.components)
    }

    /// Returns the schema of a property with this description.
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

    /// Adds an example that is not a text.
    pub(crate) fn example(mut self, example: Value) -> Self {
        match &mut self.schema {
            RefOr::T(Schema::Object(object)) => object.example = Some(example),
            RefOr::T(Schema::Array(array)) => array.example = Some(example),
            RefOr::T(_) | RefOr::Ref(_) => (),
        }
        self
    }
}

/// Sets a description; an empty text keeps the schema's own.
fn describe(description: &mut Option<String>, text: &str) {
    if !text.is_empty() {
        *description = Some(text.to_owned());
    }
}
