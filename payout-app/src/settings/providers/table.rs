//! Tables of the file of providers, with the place of every key.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::mistake::ProviderMistake;
use crate::near::nearest;

/// A table of the file.
#[derive(Clone)]
pub(super) struct Table<'a> {
    /// Its path, such as `providers.adyen-eu`; empty for the file itself.
    path: String,
    /// The place of its header.
    at: usize,
    entries: &'a DeTable<'a>,
}

/// A value of a table.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    path: String,
    at: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    /// Takes the whole file.
    pub(super) fn root(entries: &'a DeTable<'a>) -> Self {
        Self {
            path: String::new(),
            at: 0,
            entries,
        }
    }

    /// Builds a mistake about the table itself.
    pub(super) fn mistake(&self, message: impl std::fmt::Display) -> ProviderMistake {
        ProviderMistake::new(self.at, self.path.clone(), message)
    }

    /// Builds a mistake about a key, at its place or, where it is missing, at that of the table.
    pub(super) fn mistake_of(&self, key: &str, message: impl std::fmt::Display) -> ProviderMistake {
        let at = self.find(key).map_or(self.at, |(at, _)| at);
        ProviderMistake::new(at, self.path_of(key), message)
    }

    /// Returns the place of the table.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn find(&self, key: &str) -> Option<(usize, &'a DeValue<'a>)> {
        let (known, value) = self.entries.get_key_value(key)?;
        Some((known.span().start, value.get_ref()))
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let (at, value) = self.find(key)?;
        Some(Entry {
            path: self.path_of(key),
            at,
            value,
        })
    }

    /// Returns the names of the keys with their values, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'a str, Entry<'a>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| {
                let name: &'a str = key.get_ref();
                let entry = Entry {
                    path: self.path_of(name),
                    at: key.span().start,
                    value: value.get_ref(),
                };
                (name, entry)
            })
            .collect();
        entries.sort_by_key(|(_, entry)| entry.at);
        entries
    }

    /// Refuses keys that are not among these. The message shows no value: it may be a secret.
    pub(super) fn refuse_unknown<'k>(
        &self,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) -> Result<(), ProviderMistake> {
        for (name, entry) in self.entries() {
            if known.clone().into_iter().any(|known| known == name) {
                continue;
            }
            return Err(entry.mistake(match nearest(name, known.clone()) {
                Some(near) => format!("is not a key here; is {near} meant?"),
                None => format!("is not a key here: use {}", either(known)),
            }));
        }
        Ok(())
    }
}

impl<'a> Entry<'a> {
    pub(super) fn mistake(&self, message: impl std::fmt::Display) -> ProviderMistake {
        ProviderMistake::new(self.at, self.path.clone(), message)
    }

    /// Takes a text that is not blank.
    pub(super) fn text(&self) -> Result<&'a str, ProviderMistake> {
        match self.value {
            DeValue::String(text) if text.trim().is_empty() => Err(self.mistake("is empty")),
            DeValue::String(text) if text.chars().any(char::is_control) => {
                Err(self.mistake("has control characters"))
            }
            DeValue::String(text) => Ok(text.trim()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.mistake("is not a text between quotation marks")),
        }
    }

    /// Takes a whole number in a range.
    pub(super) fn number(&self, range: RangeInclusive<u64>) -> Result<u64, ProviderMistake> {
        let number = self.digits().and_then(|digits| digits.parse().ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = range.into_inner();
            self.mistake(format!("is not a whole number from {least} to {most}"))
        })
    }

    /// Returns the digits of a decimal integer.
    pub(super) fn digits(&self) -> Option<&'a str> {
        match self.value {
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str()),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        }
    }

    /// Returns the text of a number, with or without a fraction.
    pub(super) fn decimal(&self) -> Option<&'a str> {
        match self.value {
            DeValue::Float(float) => Some(float.as_str()),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.digits(),
        }
    }

    /// Takes `true` or `false`.
    pub(super) fn switch(&self) -> Result<bool, ProviderMistake> {
        self.value
            .as_bool()
            .ok_or_else(|| self.mistake("is not true or false"))
    }

    /// Takes a table.
    pub(super) fn table(&self) -> Result<Table<'a>, ProviderMistake> {
        match self.value.as_table() {
            Some(entries) => Ok(Table {
                path: self.path.clone(),
                at: self.at,
                entries,
            }),
            None => Err(self.mistake("is not a table")),
        }
    }

    /// Takes a list that is not empty, with the place of each of its values.
    pub(super) fn list(&self) -> Result<Vec<Entry<'a>>, ProviderMistake> {
        let list: &'a DeArray<'a> = self
            .value
            .as_array()
            .ok_or_else(|| self.mistake("is not a list: use […]"))?;
        if list.is_empty() {
            return Err(self.mistake("is an empty list"));
        }
        Ok(list.iter().map(|value| self.item(value)).collect())
    }

    fn item(&self, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        Entry {
            path: self.path.clone(),
            at: value.span().start,
            value: value.get_ref(),
        }
    }

    /// Takes a list of texts, each of them once, and parses each.
    pub(super) fn each<T: PartialEq>(
        &self,
        parse: impl Fn(&Entry<'a>, &'a str) -> Result<T, ProviderMistake>,
    ) -> Result<Vec<T>, ProviderMistake> {
        let mut values = Vec::new();
        for item in self.list()? {
            let text = item.text()?;
            let value = parse(&item, text)?;
            if values.contains(&value) {
                return Err(item.mistake(format!("{text:?} is listed twice")));
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Takes a list of tables, each of which has a number in its path: `routes[2]`.
    pub(super) fn tables(&self) -> Result<Vec<Table<'a>>, ProviderMistake> {
        let tables = self.list()?.into_iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{}]", self.path, index + 1);
            Entry { path, ..item }.table()
        });
        tables.collect()
    }
}

/// Lists words for a message: `a, b or c`.
pub(super) fn either<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
