//! The file of providers, which `PAYOUT_PROVIDERS_FILE` names: the providers, and the routes that choose among them.
//!
//! The file is TOML, and is read once, at the start. The first mistake ends the start with one line that names the file,
//! the line in it, the key, and the remedy. Secrets are never in it: a key that ends with `_file` names the file of one.
//!
//! - [`kind`] has the kinds of providers, which the composition root and the embedding program list.
//! - [`table`] reads values with their places, and [`mistake`] is the error of all of them.
//! - [`routes`] reads the routes, and refuses one that can never match.
//! - [`configured`] has the result.

mod configured;
mod kind;
mod mistake;
mod routes;
mod secret_file;
mod table;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use payout_core::provider::{Capabilities, ProviderName, Routes};
use payout_core::worker::ProviderSettings as ProviderLimits;
use toml::de::DeTable;

pub(crate) use self::configured::ConfiguredProvider;
pub use self::kind::{ProviderKind, ProviderSettings};
pub use self::mistake::ProviderMistake;
use self::mistake::line_of_bytes;
use self::table::{Table, either};
use super::ConfigError;
use crate::near::nearest;

/// The setting that names the file.
pub(super) const VARIABLE: &str = "PAYOUT_PROVIDERS_FILE";

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The keys that every kind has.
const COMMON: [&str; 8] = [
    "adopt_unnamed",
    "call_timeout_ms",
    "calls_per_second",
    "concurrent_calls",
    "key_window_hours",
    "kind",
    "poll_interval_ms",
    "return_window_seconds",
];

/// The longest timeout of a call that may be written, in milliseconds; the lease allows less.
const LONGEST_CALL_TIMEOUT_MS: u64 = 86_400_000;
/// The longest time between two looks at one payment, in milliseconds.
const LONGEST_POLL_INTERVAL_MS: u64 = 86_400_000;
/// The longest time for which a provider may return a payment, in seconds.
const LONGEST_RETURN_WINDOW_SECONDS: u64 = 366 * 86_400;

/// The content of the file.
#[derive(Debug)]
pub(crate) struct ProvidersFile {
    /// The providers, in the order of the file.
    pub(crate) providers: Vec<ConfiguredProvider>,
    /// The routes.
    pub(crate) routes: Routes,
    /// Lines about what is probably a mistake.
    pub(crate) warnings: Vec<String>,
}

/// Reads the file. `kinds` are the kinds that it may name, and `longest_call` is the limit of every call's timeout.
///
/// # Errors
/// [`ConfigError`] with the first mistake.
pub(crate) fn read(
    file: &Path,
    kinds: &[ProviderKind],
    longest_call: Duration,
) -> Result<ProvidersFile, ConfigError> {
    let shown = file.display().to_string();
    let refuse = |message: String| ConfigError::new(VARIABLE, message);
    let unreadable = |error: std::io::Error| refuse(format!("cannot read {shown}: {}", error.kind()));
    if std::fs::metadata(file).map_err(unreadable)?.len() > LONGEST {
        return Err(refuse(format!(
            "{shown} is longer than a file of providers can be"
        )));
    }
    let text = String::from_utf8(std::fs::read(file).map_err(unreadable)?).map_err(|error| {
        let line = line_of_bytes(error.as_bytes(), error.utf8_error().valid_up_to());
        refuse(format!("{shown}:{line}: is not UTF-8 text"))
    })?;
    let reader = Reader {
        text: &text,
        folder: file.parent().unwrap_or(Path::new("")),
        kinds,
        longest_call,
    };
    reader
        .read()
        .map_err(|mistake| refuse(mistake.line(&shown, &text)))
}

struct Reader<'a> {
    text: &'a str,
    folder: &'a Path,
    kinds: &'a [ProviderKind],
    longest_call: Duration,
}

impl Reader<'_> {
    fn read(&self) -> Result<ProvidersFile, ProviderMistake> {
        let content = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            ProviderMistake::new(at, "", format!("is not TOML: {}", error.message()))
        })?;
        let root = Table::root(content.get_ref());
        root.refuse_unknown(["providers", "routes"])?;
        let providers = self.providers(&root)?;
        let names: Vec<ProviderName> = providers
            .iter()
            .filter_map(|provider| provider.name.clone())
            .collect();
        let capabilities: HashMap<ProviderName, Capabilities> = providers
            .iter()
            .filter_map(|provider| {
                let capabilities = Capabilities {
                    kind: provider.kind,
                    ..provider.processor.capabilities()
                };
                Some((provider.name.clone()?, capabilities))
            })
            .collect();
        let tables = match root.get("routes") {
            Some(routes) => routes.tables()?,
            None => {
                return Err(
                    root.mistake_of("routes", "there is none: no payout could be made; add [[routes]]")
                );
            }
        };
        let placed = tables.into_iter().map(|table| routes::read(table, &names));
        let placed: Vec<_> = placed.collect::<Result<_, _>>()?;
        routes::refuse_unreachable(&placed, |name| capabilities.get(name), self.text)?;
        let routes: Vec<_> = placed.into_iter().map(|placed| placed.route).collect();
        let is_used = |name: &&ProviderName| routes.iter().any(|route| route.providers.contains(name));
        let unused = names.iter().filter(|name| !is_used(name));
        let warnings =
            unused.map(|name| format!("no route uses the provider {name}: it gets no new payouts"));
        Ok(ProvidersFile {
            warnings: warnings.collect(),
            routes: Routes::new(routes, capabilities),
            providers,
        })
    }

    fn providers(&self, root: &Table<'_>) -> Result<Vec<ConfiguredProvider>, ProviderMistake> {
        let none = "there is none: add [providers.NAME]";
        let entries = match root.get("providers") {
            Some(providers) => providers.table()?.entries(),
            None => return Err(root.mistake_of("providers", none)),
        };
        if entries.is_empty() {
            return Err(root.mistake_of("providers", none));
        }
        let mut providers: Vec<ConfiguredProvider> = Vec::new();
        for (name, entry) in entries {
            let name = ProviderName::new(name).map_err(|error| entry.mistake(error))?;
            let settings = ProviderSettings {
                name,
                table: entry.table()?,
                folder: self.folder,
            };
            let provider = self.provider(&settings)?;
            let adopter = providers.iter().find(|other| other.settings.adopts_unnamed);
            if let Some(other) = adopter.filter(|_| provider.settings.adopts_unnamed) {
                return Err(settings.mistake(
                    "adopt_unnamed",
                    format!(
                        "{other} has it too: what was sent before this file was used belongs to one provider"
                    ),
                ));
            }
            providers.push(provider);
        }
        Ok(providers)
    }

    fn provider(&self, settings: &ProviderSettings<'_>) -> Result<ConfiguredProvider, ProviderMistake> {
        let kind = self.kind(settings)?;
        settings
            .table
            .refuse_unknown(COMMON.into_iter().chain(kind.keys().iter().copied()))?;
        let processor = kind.make(settings)?;
        let limits = ProviderLimits {
            concurrent_calls: settings
                .number("concurrent_calls", 1..=100_000)?
                .and_then(|calls| usize::try_from(calls).ok()),
            calls_per_second: settings
                .number("calls_per_second", 1..=100_000)?
                .and_then(|calls| u32::try_from(calls).ok()),
            call_timeout: self.call_timeout(settings)?,
            key_window: key_window(settings, &processor.capabilities())?,
            poll_interval: settings
                .number("poll_interval_ms", 0..=LONGEST_POLL_INTERVAL_MS)?
                .map(Duration::from_millis),
            return_window: return_window(settings)?,
            adopts_unnamed: settings.switch("adopt_unnamed")?,
        };
        Ok(ConfiguredProvider {
            name: Some(settings.name.clone()),
            kind: kind.name(),
            processor,
            url: if kind.keys().contains(&"url") {
                settings.url("url")?
            } else {
                None
            },
            settings: limits,
        })
    }

    fn call_timeout(&self, settings: &ProviderSettings<'_>) -> Result<Option<Duration>, ProviderMistake> {
        let longest = u64::try_from(self.longest_call.as_millis()).unwrap_or(u64::MAX);
        let timeout = settings.number("call_timeout_ms", 1..=LONGEST_CALL_TIMEOUT_MS)?;
        if timeout.is_some_and(|timeout| timeout > longest) {
            return Err(settings.mistake(
                "call_timeout_ms",
                format!(
                    "is more than a third of PAYOUT_LEASE_MS ({longest} ms): a call could outlive its lease"
                ),
            ));
        }
        Ok(timeout.map(Duration::from_millis))
    }

    fn kind(&self, settings: &ProviderSettings<'_>) -> Result<&ProviderKind, ProviderMistake> {
        let mut names: Vec<&str> = self.kinds.iter().map(ProviderKind::name).collect();
        names.sort_unstable();
        let names = || names.iter().copied();
        let Some(kind) = settings.text("kind")? else {
            return Err(settings.mistake("kind", format!("is missing: use {}", either(names()))));
        };
        // A later kind of the same name replaces an earlier one.
        let found = self.kinds.iter().rev().find(|known| known.name() == kind);
        found.ok_or_else(|| {
            let message = match nearest(&kind, names()) {
                Some(near) => format!(
                    "{kind:?} is not a kind; is {near:?} meant? There are {}",
                    either(names())
                ),
                None => format!("{kind:?} is not a kind: use {}", either(names())),
            };
            settings.mistake("kind", message)
        })
    }
}

/// Returns the time for which a payment may come back, if the file sets it. A kind may have a key of its own for that.
fn return_window(settings: &ProviderSettings<'_>) -> Result<Option<Duration>, ProviderMistake> {
    const KEY: &str = "return_window_seconds";
    const OF_A_KIND: &str = "return_days";
    let seconds = settings.number(KEY, 1..=LONGEST_RETURN_WINDOW_SECONDS)?;
    if seconds.is_some() && settings.table.get(OF_A_KIND).is_some() {
        let message =
            format!("{OF_A_KIND} is set too, and both say for how long a payment may come back: remove one");
        return Err(settings.mistake(KEY, message));
    }
    Ok(seconds.map(Duration::from_secs))
}

/// Returns the key window that the file sets. It may shorten the one that the adapter states, and not extend it: a key
/// that the provider has forgotten pays a second time.
fn key_window(
    settings: &ProviderSettings<'_>,
    stated: &Capabilities,
) -> Result<Option<Duration>, ProviderMistake> {
    let Some(hours) = settings.number("key_window_hours", 1..=87_600)? else {
        return Ok(None);
    };
    let window = Duration::from_secs(hours * 60 * 60);
    match stated.key_window {
        Some(longest) if window > longest => Err(settings.mistake(
            "key_window_hours",
            format!(
                "is more than the {} hours for which a provider of this kind remembers a key",
                longest.as_secs() / 3600
            ),
        )),
        Some(_) | None => Ok(Some(window)),
    }
}
