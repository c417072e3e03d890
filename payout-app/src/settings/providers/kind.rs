//! Kinds of providers: the keys that each has in the file, and how its adapter is made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use payout_adapters::Secret;
use payout_core::ports::Processor;
use payout_core::provider::ProviderName;
use url::Url;

use super::mistake::ProviderMistake;
use super::secret_file;
use super::table::{Entry, Table};
use crate::settings::parse::is_base_url;

type Factory = dyn Fn(&ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> + Send + Sync;

/// A kind of provider that the file of providers may name.
///
/// ```
/// use std::sync::Arc;
/// use payout_app::payout_adapters::provider::simulated::SimulatedProcessor;
/// use payout_app::settings::ProviderKind;
/// use std::time::Duration;
///
/// let kind = ProviderKind::new("shop-bank", &["branch", "token_file"], |settings| {
///     let (_branch, _token) = (settings.text("branch")?, settings.secret("token_file")?);
///     let bank = SimulatedProcessor::new(Duration::ZERO, 0.0);
///     Ok(Arc::new(bank.map_err(|error| settings.mistake("kind", error))?))
/// });
/// assert_eq!(kind.name(), "shop-bank");
/// ```
#[derive(Clone)]
pub struct ProviderKind {
    name: &'static str,
    keys: &'static [&'static str],
    factory: Arc<Factory>,
}

impl ProviderKind {
    /// Makes a kind with its name, the keys that it has besides the common ones, and the factory of its adapter. A key
    /// with a secret ends with `_file`.
    pub fn new<F>(name: &'static str, keys: &'static [&'static str], factory: F) -> Self
    where
        F: Fn(&ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> + Send + Sync + 'static,
    {
        Self {
            name,
            keys,
            factory: Arc::new(factory),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the keys of this kind.
    pub(super) fn keys(&self) -> &'static [&'static str] {
        self.keys
    }

    pub(super) fn make(
        &self,
        settings: &ProviderSettings<'_>,
    ) -> Result<Arc<dyn Processor>, ProviderMistake> {
        (self.factory)(settings)
    }
}

impl fmt::Debug for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderKind")
            .field("name", &self.name)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// The settings of one provider in the file.
pub struct ProviderSettings<'a> {
    pub(super) name: ProviderName,
    pub(super) table: Table<'a>,
    /// The folder of the file, which relative names of files are relative to.
    pub(super) folder: &'a Path,
}

impl ProviderSettings<'_> {
    /// Returns the name of the provider.
    pub fn name(&self) -> &ProviderName {
        &self.name
    }

    /// Builds a mistake about a key. The message must not show a secret.
    pub fn mistake(&self, key: &str, message: impl fmt::Display) -> ProviderMistake {
        self.table.mistake_of(key, message)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`ProviderMistake`] if the value is not a text, or blank.
    pub fn text(&self, key: &str) -> Result<Option<String>, ProviderMistake> {
        let text = self.table.get(key).map(|entry| entry.text().map(str::to_owned));
        text.transpose()
    }

    /// Reads a text that must be given.
    ///
    /// # Errors
    /// [`ProviderMistake`] if it is missing, not a text, or blank.
    pub fn required_text(&self, key: &str) -> Result<String, ProviderMistake> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// Reads a secret from the file that a key names.
    ///
    /// # Errors
    /// [`ProviderMistake`] if the file is missing, empty, or other users can open it.
    pub fn secret(&self, key: &str) -> Result<Option<Secret>, ProviderMistake> {
        let Some(entry) = self.table.get(key) else {
            return Ok(None);
        };
        let path = self.folder.join(entry.text()?);
        secret_file::read(&path)
            .map(Some)
            .map_err(|message| entry.mistake(message))
    }

    /// Reads a secret that must be given.
    ///
    /// # Errors
    /// As [`secret`](Self::secret), and if the key is missing.
    pub fn required_secret(&self, key: &str) -> Result<Secret, ProviderMistake> {
        self.secret(key)?.ok_or_else(|| self.missing(key))
    }

    /// Reads the text of the file that a key names, such as certificates. Anybody may read the file.
    ///
    /// # Errors
    /// [`ProviderMistake`] if the file cannot be read, or is not text.
    pub fn file(&self, key: &str) -> Result<Option<String>, ProviderMistake> {
        let Some(entry) = self.table.get(key) else {
            return Ok(None);
        };
        std::fs::read_to_string(self.folder.join(entry.text()?))
            .map(Some)
            .map_err(|error| entry.mistake(format!("cannot read the file that it names: {}", error.kind())))
    }

    /// Reads the base address of the provider.
    ///
    /// # Errors
    /// [`ProviderMistake`] if it is not an address over HTTP without user, query and fragment.
    pub fn url(&self, key: &str) -> Result<Option<Url>, ProviderMistake> {
        let Some(entry) = self.table.get(key) else {
            return Ok(None);
        };
        let url = Url::parse(entry.text()?).ok().filter(is_base_url);
        url.map(Some)
            .ok_or_else(|| entry.mistake("use http:// or https://, without user, query and fragment"))
    }

    /// Reads a whole number in a range.
    ///
    /// # Errors
    /// [`ProviderMistake`] if it is not in the range.
    pub fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ProviderMistake> {
        let number = self.table.get(key).map(|entry| entry.number(range));
        number.transpose()
    }

    /// Reads a number, with or without a fraction, that a parser takes.
    ///
    /// # Errors
    /// [`ProviderMistake`] if it is not such a number.
    pub fn decimal(&self, key: &str) -> Result<Option<f64>, ProviderMistake> {
        let Some(entry) = self.table.get(key) else {
            return Ok(None);
        };
        let number = entry.decimal().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| entry.mistake("is not a number"))
    }

    /// Reads `true` or `false`; `false` where the key is missing.
    ///
    /// # Errors
    /// [`ProviderMistake`] if it is neither.
    pub fn switch(&self, key: &str) -> Result<bool, ProviderMistake> {
        self.table
            .get(key)
            .map_or(Ok(false), |entry| Entry::switch(&entry))
    }

    /// Builds the mistake of a key that is needed and missing.
    pub fn missing(&self, key: &str) -> ProviderMistake {
        self.mistake(key, "is missing")
    }
}
