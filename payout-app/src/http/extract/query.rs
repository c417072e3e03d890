//! Queries: one definition of a query's parameters both parses requests and describes the query in the document.

use url::form_urlencoded;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::{RefOr, Required};

use super::field::Field;
use super::fields::Message;
use crate::http::openapi::{About, Component, ValueSchema};
use crate::http::problem::{Errors, Problem};

/// A value in a query.
pub(crate) trait QueryValue: Sized {
    /// Parses the value.
    fn read(text: &str) -> Result<Self, Message>;

    /// Returns the schema of the value.
    fn schema() -> ValueSchema;
}

/// A form of a query: reads or describes one parameter after the other.
pub(crate) trait QueryForm {
    /// Reads or describes a parameter. An empty one counts as absent, since forms send fields that were left empty.
    fn one<T: QueryValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T>;

    /// Reads or describes a parameter of a request that changes something. An empty one is read as every other: if it
    /// counted as absent, `?dry_run=` would store.
    fn strict<T: QueryValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T>;

    /// Reads or describes a parameter that may be repeated, and may be a comma-separated list. Duplicates are dropped.
    fn many<T: QueryValue + PartialEq>(&mut self, name: &'static str, about: impl Into<About>) -> Vec<T>;

    /// Reads or describes a parameter of entries by name, each written `name[entry]=value`.
    fn entries<T>(
        &mut self,
        name: &'static str,
        about: impl Into<About>,
        schema: fn() -> ValueSchema,
        read: fn(&str, &str) -> Result<T, Message>,
    ) -> Vec<T>;

    /// Reads a parameter that only links contain; clients do not build it themselves.
    fn of_links<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, Message>) -> Field<T>;

    /// Refuses a parameter because of another one.
    fn refuse(&mut self, name: &'static str, message: &'static str);
}

/// The parameters of an operation.
pub(crate) trait Query: Sized {
    /// Lists the parameters to a form.
    fn of(form: &mut impl QueryForm) -> Self;

    /// Parses a query. Parameters that are unknown, repeated or wrongly encoded were refused before
    /// (`middleware::parameters`).
    ///
    /// # Errors
    /// 400 with the messages of all its parameters.
    fn parse(query: &str) -> Result<Self, Problem> {
        Self::parse_with(query, |query, _| query)
    }

    /// Parses a query, with further checks that depend on the operation.
    ///
    /// # Errors
    /// 400 with the messages of all its parameters.
    fn parse_with<R>(query: &str, then: impl FnOnce(Self, &mut Errors) -> R) -> Result<R, Problem> {
        let mut reader = Reader {
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            errors: Errors::default(),
        };
        let query = Self::of(&mut reader);
        let read = then(query, &mut reader.errors);
        if reader.errors.is_empty() {
            Ok(read)
        } else {
            Err(Problem::invalid(reader.errors))
        }
    }
}

/// Reads parameters from a query, and collects the errors.
struct Reader {
    pairs: Vec<(String, String)>,
    errors: Errors,
}

impl Reader {
    /// Reads a parameter that counts as absent if it is empty.
    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, Message>) -> Field<T> {
        let is_filled = self.text(name).is_some_and(|text| !text.is_empty());
        if is_filled {
            self.read_given(name, read)
        } else {
            Field::Absent
        }
    }

    /// Reads a parameter, even if it is empty.
    fn read_given<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, Message>,
    ) -> Field<T> {
        let Some(text) = self.text(name) else {
            return Field::Absent;
        };
        match read(text) {
            Ok(value) => Field::Value(value),
            Err(message) => {
                self.errors.add(name, message);
                Field::Refused
            }
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let last = self.pairs.iter().rev().find(|(given, _)| given == name);
        last.map(|(_, text)| text.as_str())
    }
}

impl QueryForm for Reader {
    fn one<T: QueryValue>(&mut self, name: &'static str, _: impl Into<About>) -> Field<T> {
        self.read(name, T::read)
    }

    fn strict<T: QueryValue>(&mut self, name: &'static str, _: impl Into<About>) -> Field<T> {
        self.read_given(name, T::read)
    }

    fn many<T: QueryValue + PartialEq>(&mut self, name: &'static str, _: impl Into<About>) -> Vec<T> {
        let (mut values, mut refused) = (Vec::new(), None);
        for (_, list) in self.pairs.iter().filter(|(given, _)| given == name) {
            for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                match T::read(text) {
                    Ok(value) if !values.contains(&value) => values.push(value),
                    Ok(_) => (),
                    Err(message) => refused = Some(message),
                }
            }
        }
        if let Some(message) = refused {
            self.errors.add(name, message);
        }
        values
    }

    fn entries<T>(
        &mut self,
        name: &'static str,
        _: impl Into<About>,
        _: fn() -> ValueSchema,
        read: fn(&str, &str) -> Result<T, Message>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (given, text) in &self.pairs {
            let Some(entry) = entry_of(name, given) else {
                continue;
            };
            match read(entry, text) {
                Ok(value) => values.push(value),
                Err(message) => self.errors.add(given.clone(), message),
            }
        }
        values
    }

    fn of_links<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, Message>) -> Field<T> {
        self.read(name, read)
    }

    fn refuse(&mut self, name: &'static str, message: &'static str) {
        self.errors.add(name, message);
    }
}

/// Returns the entry that a parameter such as `metadata[team]` names.
pub(crate) fn entry_of<'a>(name: &str, given: &'a str) -> Option<&'a str> {
    given.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')
}

/// The OpenAPI attribute of a parameter that may be present without a value.
const EMPTY_IS_ABSENT: (&str, bool) = ("allowEmptyValue", true);

/// The parameters of a query, for the router and for the document.
#[derive(Default)]
pub(crate) struct QueryParameters {
    documented: Vec<Parameter>,
    components: Vec<Component>,
    repeatable: Vec<&'static str>,
    of_entries: Vec<&'static str>,
    of_links: Vec<&'static str>,
}

impl QueryParameters {
    /// Adds a parameter that counts as absent if it is empty.
    fn add(&mut self, name: &'static str, about: About, schema: ValueSchema) {
        let extensions = Extensions::from_iter([EMPTY_IS_ABSENT]);
        self.add_extended(name, about, schema, Some(extensions));
    }

    fn add_extended(
        &mut self,
        name: &'static str,
        about: About,
        schema: ValueSchema,
        extensions: Option<Extensions>,
    ) {
        let (schema, component) = schema.into_parts();
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(about.text()))
            .extensions(extensions)
            .schema(Some(schema));
        self.documented.push(parameter.build());
        self.components.extend(component);
    }

    /// Returns the names of all parameters, and whether each may be repeated.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let documented = self.documented.iter().map(|parameter| parameter.name.as_str());
        let documented = documented.filter(|name| !self.of_entries.contains(name));
        let all = documented.chain(self.of_links.iter().copied());
        all.map(|name| (name, self.repeatable.contains(&name)))
    }

    /// Returns the names of the parameters that have entries.
    pub(crate) fn of_entries(&self) -> &[&'static str] {
        &self.of_entries
    }

    /// Adds the parameters to their operation, and returns the components that they refer to.
    pub(crate) fn describe(self, operation: &mut Operation) -> Vec<Component> {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.extend(self.documented.into_iter().map(RefOr::T));
        if !self.of_links.is_empty() {
            let names = serde_json::json!(self.of_links);
            let extensions = operation.extensions.get_or_insert_default();
            extensions.insert("x-parameters-of-links".to_owned(), names);
        }
        self.components
    }
}

impl QueryForm for QueryParameters {
    fn one<T: QueryValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T> {
        self.add(name, about.into(), T::schema());
        Field::Absent
    }

    fn strict<T: QueryValue>(&mut self, name: &'static str, about: impl Into<About>) -> Field<T> {
        self.add_extended(name, about.into(), T::schema(), None);
        Field::Absent
    }

    fn many<T: QueryValue + PartialEq>(&mut self, name: &'static str, about: impl Into<About>) -> Vec<T> {
        self.add(name, about.into(), T::schema().array(None));
        self.repeatable.push(name);
        Vec::new()
    }

    fn entries<T>(
        &mut self,
        name: &'static str,
        about: impl Into<About>,
        schema: fn() -> ValueSchema,
        _: fn(&str, &str) -> Result<T, Message>,
    ) -> Vec<T> {
        let (schema, component) = schema().into_parts();
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(about.into().text()))
            .style(Some(ParameterStyle::DeepObject))
            .explode(Some(true))
            .schema(Some(schema));
        self.documented.push(parameter.build());
        self.components.extend(component);
        self.of_entries.push(name);
        Vec::new()
    }

    fn of_links<T>(&mut self, name: &'static str, _: impl FnOnce(&str) -> Result<T, Message>) -> Field<T> {
        self.of_links.push(name);
        Field::Absent
    }

    fn refuse(&mut self, _: &'static str, _: &'static str) {}
}

/// The query of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryPolicy(fn() -> QueryParameters);

impl QueryPolicy {
    /// The policy of a route without parameters: any parameter is refused.
    pub(crate) const NONE: Self = Self(QueryParameters::default);

    /// Builds the policy of a query with exactly these parameters.
    pub(crate) const fn of<Q: Query>() -> Self {
        Self(|| {
            let mut parameters = QueryParameters::default();
            let _ = Q::of(&mut parameters);
            parameters
        })
    }

    /// Returns the parameters.
    pub(crate) fn parameters(self) -> QueryParameters {
        (self.0)()
    }
}
