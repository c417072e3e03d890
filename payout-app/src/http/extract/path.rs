//! Path parameters: parser and schema.

use payout_core::payout::PayoutId;
use salvo::Request;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Required, SchemaFormat, Type};

use super::values::{ExistingKey, key_name};
use crate::http::problem::{Kind, Problem};
use payout_core::access::KeyName;

/// A value in a path.
pub(crate) trait PathValue: Sized {
    /// The name of the parameter in the route.
    const NAME: &'static str;
    /// The detail of the 404: the kind of thing that was not found.
    const ABSENT: &'static str;

    /// Parses the value. Returns `None` when nothing can have such a name.
    fn read(text: &str) -> Option<Self>;

    /// Describes the parameter.
    fn describe(parameter: ParameterBuilder) -> ParameterBuilder;
}

/// Reads the parameter of a request's path.
///
/// # Errors
/// 404 when nothing can have such a name.
pub(crate) fn path<T: PathValue>(request: &Request) -> Result<T, Problem> {
    let text = request.params().get(T::NAME);
    text.and_then(|text| T::read(text))
        .ok_or_else(|| Problem::new(Kind::NotFound, T::ABSENT))
}

impl PathValue for PayoutId {
    const NAME: &'static str = "id";
    const ABSENT: &'static str = "There is no such payout.";

    fn read(text: &str) -> Option<Self> {
        // Only the canonical form of a UUID.
        Some(text).filter(|text| text.len() == 36)?.parse().ok()
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        let id = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        parameter.description(Some("The payout's id.")).schema(Some(id))
    }
}

impl PathValue for ExistingKey {
    const NAME: &'static str = "name";
    const ABSENT: &'static str = "There is no such key.";

    fn read(text: &str) -> Option<Self> {
        KeyName::stored(text).ok().map(Self)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The key's name."))
            .schema(Some(key_name()))
            .example(Some(json!("billing")))
    }
}

/// The path of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathPolicy(fn() -> Parameter);

impl PathPolicy {
    /// Builds the policy of a path with this parameter.
    pub(crate) const fn of<T: PathValue>() -> Self {
        Self(|| {
            let parameter = ParameterBuilder::new()
                .name(T::NAME)
                .parameter_in(ParameterIn::Path)
                .required(Required::True);
            T::describe(parameter).build()
        })
    }

    /// Returns the parameter of an operation.
    pub(crate) fn parameter(self) -> Parameter {
        (self.0)()
    }
}
