//! Reads the text of one setting: from the command line, the environment, a file, or the table's default.

use std::collections::HashMap;

use payout_adapters::Secret;

use super::parse::Reader;
use super::table::Row;
use super::{ConfigError, secrets};

/// The texts that the command line and the environment give; none by default.
#[derive(Debug, Default)]
pub(super) struct Values {
    options: HashMap<&'static str, Secret>,
    environment: bool,
}

impl Values {
    /// These options, by their names, and the environment for the others.
    pub(super) fn of_process(options: HashMap<&'static str, Secret>) -> Self {
        Self {
            options,
            environment: true,
        }
    }

    /// Returns the text that is given for a setting, without the white space around it; blank counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`] when the environment has no text for it, or a secret's file cannot be read.
    pub(super) fn text(&self, row: &Row) -> Result<Option<Secret>, ConfigError> {
        if let Some(option) = self.options.get(row.option) {
            return Ok(secrets::given(option.expose()));
        }
        if !self.environment {
            return Ok(None);
        }
        secrets::from_environment(row)
    }

    /// The text that is given for a setting, or its default.
    ///
    /// # Errors
    /// Those of [`text`](Self::text).
    pub(super) fn text_or_default(&self, row: &Row) -> Result<Secret, ConfigError> {
        Ok(self.text(row)?.unwrap_or_else(|| row.default.into()))
    }

    /// A setting, to be read as one kind of value.
    pub(super) fn given(&self, row: &'static Row) -> Given<'_> {
        Given { values: self, row }
    }

    /// The name of this host, as the environment has it.
    pub(super) fn host_name(&self) -> Option<String> {
        self.environment.then(|| std::env::var("HOSTNAME").ok()).flatten()
    }
}

/// One setting of the table with the place where its text is.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    values: &'a Values,
    row: &'static Row,
}

impl Given<'_> {
    /// A value that is always there, for its text or its default.
    ///
    /// # Errors
    /// [`ConfigError`] when the text is not such a value.
    pub(super) fn required<T>(
        self,
        parse: impl FnOnce(Reader<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let text = self.values.text_or_default(self.row)?;
        parse(Reader::new(self.row, text.expose()))
    }

    /// A value where one is given.
    ///
    /// # Errors
    /// [`ConfigError`] when the text is not such a value.
    pub(super) fn optional<T>(
        self,
        parse: impl FnOnce(Reader<'_>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let text = self.values.text(self.row)?;
        let parsed = text.map(|text| parse(Reader::new(self.row, text.expose())));
        parsed.transpose()
    }
}
