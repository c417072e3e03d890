//! The kinds of values, and how each is read from the text of a setting.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use payout_adapters::Secret;
use url::Url;

use super::ConfigError;
use super::table::Row;

/// Beyond this a duration is surely a mistake.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// The text of a setting.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    variable: &'static str,
    pub(super) text: &'a str,
    secret: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(row: &'static Row, text: &'a str) -> Self {
        Self {
            variable: row.variable,
            text,
            secret: row.secret,
        }
    }

    /// A part of the text, such as one entry of a list.
    pub(super) fn part(self, text: &'a str) -> Self {
        Self { text, ..self }
    }

    /// An error of the setting that does not show its value.
    pub(super) fn error(self, message: impl Display) -> ConfigError {
        ConfigError::new(self.variable, message)
    }

    /// Refuses the text, which is shown unless it is secret, and names the kind of value that is expected.
    pub(super) fn refuse<T>(self, expected: impl Display) -> Result<T, ConfigError> {
        if self.secret {
            return Err(self.error(format!("is not {expected}")));
        }
        let shown: String = self.text.chars().filter(|c| !c.is_control()).take(80).collect();
        Err(self.error(format!("{shown:?} is not {expected}")))
    }
}

/// Adds one comma-separated entry after the other to an empty value. An error names its entry.
pub(super) fn entries<T: Default, E: Display>(
    it: Reader<'_>,
    with: impl Fn(T, &str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    it.text.split(',').try_fold(T::default(), |value, entry| {
        with(value, entry).map_err(|problem| it.error(format!("{:?}: {problem}", entry.trim())))
    })
}

/// The text as a secret.
pub(super) fn secret(it: Reader<'_>) -> Result<Secret, ConfigError> {
    Ok(it.text.into())
}

/// A whole number within a range.
pub(super) fn number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(Reader<'_>) -> Result<T, ConfigError> {
    move |it| {
        let plain = it.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = it.text.parse().ok();
        let number = number.filter(|number| plain && range.contains(number));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => it.refuse(format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        }
    }
}

/// A time within a range of milliseconds.
pub(super) fn milliseconds_within(
    range: RangeInclusive<u64>,
) -> impl Fn(Reader<'_>) -> Result<Duration, ConfigError> {
    let number = number(range);
    move |it| number(it).map(Duration::from_millis)
}

/// A time above zero, in milliseconds.
pub(super) fn milliseconds(it: Reader<'_>) -> Result<Duration, ConfigError> {
    milliseconds_within(1..=LONGEST_MS)(it)
}

/// A time in milliseconds, or none.
pub(super) fn milliseconds_or_none(it: Reader<'_>) -> Result<Duration, ConfigError> {
    milliseconds_within(0..=LONGEST_MS)(it)
}

/// A share of all, from 0 to 1. NaN is in no range.
pub(super) fn share(it: Reader<'_>) -> Result<f64, ConfigError> {
    match it.text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => it.refuse("a number from 0 to 1"),
    }
}

/// An address to listen on. `localhost` is understood, other names are not: what they resolve to may change between two
/// starts.
pub(super) fn address(it: Reader<'_>) -> Result<SocketAddr, ConfigError> {
    let text = match it.text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => it.text.to_owned(),
    };
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => it.refuse("an address with a port, such as 127.0.0.1:8000 or [::1]:8000"),
    }
}

/// An address over HTTP that paths are added to. It is never shown: it may hold a password.
pub(super) fn base_url(it: Reader<'_>) -> Result<Url, ConfigError> {
    let url = Url::parse(it.text).ok().filter(is_base_url);
    url.ok_or_else(|| it.error("use http:// or https://, without user, query and fragment"))
}

/// Returns whether paths can be added to an address, and whether it holds no password.
pub(super) fn is_base_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// `on` or `off`.
pub(super) fn switch(it: Reader<'_>) -> Result<bool, ConfigError> {
    choice(&[("on", true), ("off", false)])(it)
}

/// One of several words.
pub(super) fn choice<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(Reader<'_>) -> Result<T, ConfigError> {
    move |it| match choices.iter().find(|(name, _)| *name == it.text) {
        Some((_, choice)) => Ok(*choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            it.refuse(names.join(" or "))
        }
    }
}
