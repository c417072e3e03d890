//! Forms that ask for what a body of the API has: the form becomes such a body, so that every rule and every message is
//! the API's, and the messages go back beside the fields.

use salvo::http::StatusCode;
use serde_json::{Map, Value};

use super::posted::Posted;
use crate::http::problem::Problem;

/// The values of a form, and the messages beside them.
#[derive(Default)]
pub(super) struct FormState {
    values: Vec<(String, String)>,
    errors: Vec<(String, String)>,
    /// A refusal that concerns no single field.
    pub(super) problem: Option<String>,
}

impl FormState {
    /// Takes the values that a person has sent, to show them again.
    pub(super) fn of(posted: &Posted) -> Self {
        let hidden = ["token", "key"];
        let fields = posted.fields().iter();
        Self {
            values: fields
                .filter(|(name, _)| !hidden.contains(&name.as_str()))
                .cloned()
                .collect(),
            ..Self::default()
        }
    }

    /// Starts with these values.
    pub(super) fn with(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self {
            values: values
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            ..Self::default()
        }
    }

    /// Adds what the values were refused for.
    #[must_use]
    pub(super) fn refused(mut self, problem: &Problem) -> Self {
        let errors = problem.errors().iter();
        self.errors = errors
            .map(|(field, message)| (field.to_owned(), message.to_owned()))
            .collect();
        if self.errors.is_empty() {
            self.problem = Some(problem.detail().to_owned());
        }
        self
    }

    /// Returns the value of a field.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns whether a choice was made.
    pub(super) fn chose(&self, name: &str, value: &str) -> bool {
        self.values
            .iter()
            .any(|(given, chosen)| given == name && chosen == value)
    }

    /// Returns the messages of a field.
    pub(super) fn messages(&self, name: &str) -> Vec<&str> {
        let of_field = self.errors.iter().filter(|(field, _)| field == name);
        of_field.map(|(_, message)| message.as_str()).collect()
    }

    /// Returns whether a field was refused.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.errors.iter().any(|(field, _)| field == name)
    }

    /// Returns the messages of fields that the form does not show.
    pub(super) fn other_messages(&self, shown: &[&str]) -> Vec<(&str, &str)> {
        let others = self
            .errors
            .iter()
            .filter(|(field, _)| !shown.contains(&field.as_str()));
        others
            .map(|(field, message)| (field.as_str(), message.as_str()))
            .collect()
    }

    /// Returns the status of the page that shows the form.
    pub(super) fn status(&self) -> StatusCode {
        if self.is_refused() {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        }
    }

    /// Returns whether anything was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.problem.is_some() || !self.errors.is_empty()
    }
}

/// Adds the fields of a form to a JSON object under the same names. Empty ones are left out, as a person leaves them.
pub(super) fn texts(posted: &Posted, names: &[&str], object: &mut Map<String, Value>) {
    for name in names {
        let text = posted.field(name);
        if !text.is_empty() {
            object.insert((*name).to_owned(), text.into());
        }
    }
}
