//! Path parameters: parser and schema.

use payout_core::batch::BatchId;
use payout_core::bulk::BulkActionId;
use payout_core::payout::PayoutId;
use salvo::Request;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use super::ids::{canonical, uuid};
use super::values::{ExistingKey, key_name};
use crate::http::problem::{Kind, Problem};
use payout_core::access::KeyName;
use payout_core::provider::ProviderName;

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
        canonical(text)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The payout's id."))
            .schema(Some(uuid()))
    }
}

impl PathValue for BatchId {
    const NAME: &'static str = "id";
    const ABSENT: &'static str = "There is no such batch.";

    fn read(text: &str) -> Option<Self> {
        canonical(text)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The batch's id."))
            .schema(Some(uuid()))
    }
}

impl PathValue for BulkActionId {
    const NAME: &'static str = "id";
    const ABSENT: &'static str = "There is no such bulk action.";

    fn read(text: &str) -> Option<Self> {
        canonical(text)
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        parameter
            .description(Some("The bulk action's id."))
            .schema(Some(uuid()))
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

impl PathValue for ProviderName {
    const NAME: &'static str = "name";
    const ABSENT: &'static str = "There is no such provider.";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn describe(parameter: ParameterBuilder) -> ParameterBuilder {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(Self::MAX_BYTES))
            .pattern(Some("^[a-z0-9][a-z0-9-]*$"));
        parameter
            .description(Some("The provider's name."))
            .schema(Some(name))
            .example(Some(json!("adyen-eu")))
    }
}

/// The path of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathPolicy {
    first: fn() -> Parameter,
    second: Option<fn() -> Parameter>,
}

impl PathPolicy {
    /// Builds the policy of a path with this parameter.
    pub(crate) const fn of<T: PathValue>() -> Self {
        Self {
            first: parameter::<T>,
            second: None,
        }
    }

    /// Builds the policy of a path with these two parameters.
    pub(crate) const fn of_two<T: PathValue, U: PathValue>() -> Self {
        Self {
            first: parameter::<T>,
            second: Some(parameter::<U>),
        }
    }

    /// Returns the parameters of an operation.
    pub(crate) fn parameters(self) -> impl Iterator<Item = Parameter> {
        let makers = [Some(self.first), self.second].into_iter().flatten();
        makers.map(|make| make())
    }
}

fn parameter<T: PathValue>() -> Parameter {
    let parameter = ParameterBuilder::new()
        .name(T::NAME)
        .parameter_in(ParameterIn::Path)
        .required(Required::True);
    T::describe(parameter).build()
}
