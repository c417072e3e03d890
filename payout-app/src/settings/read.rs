//! Reads one setting's text.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::ConfigError;

/// Beyond this a duration is surely a mistake.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// A variable and its text.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) variable: &'static str,
    pub(super) text: &'a str,
}

/// The text of a setting, or its default where it is empty.
pub(super) fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    let text = text.trim();
    if text.is_empty() { default } else { text }
}

impl<'a> Reader<'a> {
    /// With its default where the text is empty.
    pub(super) fn or(variable: &'static str, text: &'a str, default: &'a str) -> Self {
        let text = or(text, default);
        Self { variable, text }
    }

    pub(super) fn refuse<T>(&self, expected: impl std::fmt::Display) -> Result<T, ConfigError> {
        let shown: String = self.text.chars().filter(|c| !c.is_control()).take(80).collect();
        Err(ConfigError::new(
            self.variable,
            format!("{shown:?} is not {expected}"),
        ))
    }

    pub(super) fn number(self, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let plain = self.text.bytes().all(|byte| byte.is_ascii_digit());
        match self.text.parse() {
            Ok(number) if plain && range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => self.refuse(format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        }
    }

    /// Above zero.
    pub(super) fn milliseconds(self) -> Result<Duration, ConfigError> {
        self.number(1..=LONGEST_MS).map(Duration::from_millis)
    }

    /// Or zero.
    pub(super) fn milliseconds_or_none(self) -> Result<Duration, ConfigError> {
        self.number(0..=LONGEST_MS).map(Duration::from_millis)
    }

    /// From 0 to 1. NaN is in no range.
    pub(super) fn rate(self) -> Result<f64, ConfigError> {
        match self.text.parse() {
            Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
            Ok(_) | Err(_) => self.refuse("a number from 0 to 1"),
        }
    }

    /// `localhost` is understood, other names are not: what they resolve to may change between two starts.
    pub(super) fn address(self) -> Result<SocketAddr, ConfigError> {
        let text = match self.text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => self.text.to_owned(),
        };
        match text.parse() {
            Ok(address) => Ok(address),
            Err(_) => self.refuse("an address with a port, such as 127.0.0.1:8000 or [::1]:8000"),
        }
    }

    pub(super) fn choice<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        match choices.iter().find(|(name, _)| *name == self.text) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                self.refuse(names.join(" or "))
            }
        }
    }
}

/// A filter that tracing-subscriber understands. It would also take a bare word for the name of a module, so that a
/// level with a typing error were no error and a log without a line.
pub(super) fn log_filter(text: &str) -> Result<String, ConfigError> {
    let mut directives = text
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty());
    let bare_words_are_levels =
        directives.all(|directive| directive.contains('=') || directive.parse::<LevelFilter>().is_ok());
    match EnvFilter::builder().parse(text) {
        Ok(_) if bare_words_are_levels => Ok(text.to_owned()),
        Ok(_) | Err(_) => Reader { variable: "PAYOUT_LOG", text }
            .refuse("a log filter: use error, warn, info, debug or trace, or by module such as info,payout_core=debug"),
    }
}
