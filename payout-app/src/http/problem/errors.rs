//! Errors of a request, by field, parameter or header.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Messages by field, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Errors(Vec<(Cow<'static, str>, Vec<Cow<'static, str>>)>);

impl Errors {
    /// Adds a message to a field.
    pub(crate) fn add(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) {
        let (field, message) = (field.into(), message.into());
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, messages)) => messages.push(message),
            None => self.0.push((field, vec![message])),
        }
    }

    /// Builds errors with one message.
    pub(crate) fn of(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Returns the messages of a field, if there are any.
    pub(crate) fn of_field(&self, field: &str) -> Option<&[Cow<'static, str>]> {
        let found = self.0.iter().find(|(name, _)| name == field);
        found.map(|(_, messages)| messages.as_slice())
    }

    /// Returns every message with its field.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        fields.flat_map(|(name, messages)| messages.iter().map(move |message| (&**name, &**message)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the messages of a field.
    #[cfg(test)]
    pub(crate) fn get(&self, field: &str) -> Vec<&str> {
        let found = self.0.iter().find(|(name, _)| name == field);
        found
            .map(|(_, messages)| messages.iter().map(|text| &**text).collect())
            .unwrap_or_default()
    }
}

impl Serialize for Errors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, messages) in &self.0 {
            map.serialize_entry(field, messages)?;
        }
        map.end()
    }
}
