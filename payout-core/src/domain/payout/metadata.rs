//! Texts that a client keeps with a payout, by name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use super::fields::{Bounds, FieldError, parse};
use crate::text::nfc;

/// Texts that a client keeps with a payout, by name. No provider receives them.
///
/// At most 50 entries, in the order of their names. A name has 1–40 visible characters without square brackets, since
/// a filter is written `metadata[name]=value`. A value has at most 500 characters.
///
/// ```
/// use payout_core::payout::Metadata;
/// let metadata = Metadata::new([("team", "blue"), ("invoice", "7")])?;
/// assert_eq!(metadata.get("team"), Some("blue"));
/// # Ok::<(), payout_core::payout::InvalidMetadata>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Metadata(BTreeMap<String, String>);

/// A name and a value that a filter compares.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetadataEntry {
    name: String,
    value: String,
}

/// Changes of metadata by name: a new value, or none.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct MetadataPatch(BTreeMap<String, Option<String>>);

/// The reason why texts are not valid metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// There are more entries than may be.
    #[error("Ensure this field has no more than {} entries.", Metadata::MAX_ENTRIES)]
    TooMany,
    /// A name is not valid.
    #[error("The name of an entry: {0}")]
    Name(#[source] FieldError),
    /// A name has a square bracket.
    #[error("The name of an entry may not have square brackets.")]
    Bracket,
    /// Two names are equal once white space around them is removed and they are normalized.
    #[error("Two entries have the same name.")]
    Twice,
    /// The value of this entry is not valid.
    #[error("The value of `{name}`: {error}")]
    Value {
        /// The entry's name.
        name: String,
        /// The error.
        #[source]
        error: FieldError,
    },
}

const NAME: Bounds = Bounds {
    required: true,
    max_chars: Metadata::MAX_NAME_CHARS,
    line_breaks: false,
    odd_spaces: false,
};

impl Metadata {
    /// The maximum number of entries.
    pub const MAX_ENTRIES: usize = 50;
    /// The maximum number of characters of a name.
    pub const MAX_NAME_CHARS: usize = 40;
    /// The maximum number of characters of a value.
    pub const MAX_VALUE_CHARS: usize = 500;

    /// Takes a client's entries. Names are trimmed; names and values are in Normalization Form C.
    ///
    /// # Errors
    /// [`InvalidMetadata`].
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        entries: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidMetadata> {
        let mut metadata = Self::default();
        for (name, value) in entries {
            let name = parsed_name(name.as_ref())?;
            let value = parsed_value(&name, value.as_ref())?;
            match metadata.0.entry(name) {
                Entry::Occupied(_) => return Err(InvalidMetadata::Twice),
                Entry::Vacant(free) => drop(free.insert(value)),
            }
        }
        metadata.bounded()
    }

    /// Takes stored entries as they are.
    pub fn restore(entries: BTreeMap<String, String>) -> Self {
        Self(entries)
    }

    /// Returns the entries in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the value of an entry.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns whether an entry has exactly this name and value.
    pub fn has(&self, entry: &MetadataEntry) -> bool {
        self.get(&entry.name) == Some(entry.value.as_str())
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the metadata with these changes; the other entries stay.
    ///
    /// # Errors
    /// [`InvalidMetadata::TooMany`].
    pub fn patched(&self, patch: &MetadataPatch) -> Result<Self, InvalidMetadata> {
        let mut entries = self.0.clone();
        for (name, value) in &patch.0 {
            match value {
                Some(value) => drop(entries.insert(name.clone(), value.clone())),
                None => drop(entries.remove(name)),
            }
        }
        Self(entries).bounded()
    }

    fn bounded(self) -> Result<Self, InvalidMetadata> {
        if self.0.len() > Self::MAX_ENTRIES {
            return Err(InvalidMetadata::TooMany);
        }
        Ok(self)
    }
}

impl MetadataEntry {
    /// Takes a name and a value to compare.
    ///
    /// # Errors
    /// [`InvalidMetadata`], for what no metadata can have.
    pub fn new(name: &str, value: &str) -> Result<Self, InvalidMetadata> {
        let name = parsed_name(name)?;
        let value = parsed_value(&name, value)?;
        Ok(Self { name, value })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl MetadataPatch {
    /// Takes a client's changes: an entry without a value is removed.
    ///
    /// # Errors
    /// [`InvalidMetadata`].
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        entries: impl IntoIterator<Item = (N, Option<V>)>,
    ) -> Result<Self, InvalidMetadata> {
        let mut patch = Self::default();
        for (name, value) in entries {
            let name = parsed_name(name.as_ref())?;
            let value = value
                .map(|value| parsed_value(&name, value.as_ref()))
                .transpose()?;
            match patch.0.entry(name) {
                Entry::Occupied(_) => return Err(InvalidMetadata::Twice),
                Entry::Vacant(free) => drop(free.insert(value)),
            }
        }
        Ok(patch)
    }
}

fn parsed_name(name: &str) -> Result<String, InvalidMetadata> {
    let name = parse(name, &NAME).map_err(InvalidMetadata::Name)?;
    if name.contains(['[', ']']) {
        return Err(InvalidMetadata::Bracket);
    }
    Ok(name)
}

/// Takes a value as it is, without trimming it: a filter compares it exactly.
fn parsed_value(name: &str, value: &str) -> Result<String, InvalidMetadata> {
    let refused = |error| InvalidMetadata::Value {
        name: name.to_owned(),
        error,
    };
    let value = nfc(value);
    if value.chars().count() > Metadata::MAX_VALUE_CHARS {
        return Err(refused(FieldError::TooLong {
            max: Metadata::MAX_VALUE_CHARS,
        }));
    }
    if value
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(refused(FieldError::ControlCharacter));
    }
    Ok(value.into_owned())
}

/// Omits the entries, which may have personal data.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({} entries)", self.0.len())
    }
}

/// Omits the texts.
impl fmt::Debug for MetadataEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetadataEntry(…)")
    }
}

/// Omits the entries.
impl fmt::Debug for MetadataPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetadataPatch({} entries)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Result<Metadata, InvalidMetadata> {
        Metadata::new(entries.iter().copied())
    }

    #[test]
    fn there_are_at_most_50_entries() {
        let entries = |count: usize| (0..count).map(|number| (format!("k{number}"), "v"));
        assert!(Metadata::new(entries(50)).is_ok());
        assert_eq!(Metadata::new(entries(51)), Err(InvalidMetadata::TooMany));
        let full = Metadata::new(entries(50)).unwrap();
        let more = MetadataPatch::new([("more", Some("v"))]).unwrap();
        assert_eq!(full.patched(&more), Err(InvalidMetadata::TooMany));
        let instead = MetadataPatch::new([("k0", None), ("more", Some("v"))]).unwrap();
        assert!(full.patched(&instead).is_ok());
    }

    #[test]
    fn a_name_has_1_to_40_visible_characters_without_brackets() {
        assert!(of(&[(&"n".repeat(40), "")]).is_ok());
        for name in ["", " ", "a\nb", "a\u{200b}", &"n".repeat(41)] {
            assert!(
                matches!(of(&[(name, "")]), Err(InvalidMetadata::Name(_))),
                "{name:?}"
            );
        }
        assert_eq!(of(&[("a[b]", "")]), Err(InvalidMetadata::Bracket));
        assert_eq!(of(&[("a", "1"), (" a ", "2")]), Err(InvalidMetadata::Twice));
    }

    #[test]
    fn a_value_has_at_most_500_characters_and_no_control_characters() {
        assert!(of(&[("a", &"é".repeat(500))]).is_ok());
        assert!(of(&[("a", " two\nlines ")]).is_ok());
        for value in ["a\0b", "\u{7f}", &"v".repeat(501)] {
            assert!(
                matches!(of(&[("a", value)]), Err(InvalidMetadata::Value { .. })),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_value_is_compared_exactly() {
        let metadata = of(&[("team", " Blue ")]).unwrap();
        let has = |name, value| metadata.has(&MetadataEntry::new(name, value).unwrap());
        assert!(has("team", " Blue "));
        assert!(!has("team", "Blue") && !has("team", " blue ") && !has("Team", " Blue "));
    }

    #[test]
    fn a_patch_sets_some_entries_removes_others_and_keeps_the_rest() {
        let metadata = of(&[("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
        let patch = MetadataPatch::new([("a", Some("x")), ("b", None), ("d", None)]).unwrap();
        assert_eq!(metadata.patched(&patch), of(&[("a", "x"), ("c", "3")]));
    }

    #[test]
    fn debug_output_does_not_show_the_texts() {
        let metadata = of(&[("name", "Ada")]).unwrap();
        assert_eq!(format!("{metadata:?}"), "Metadata(1 entries)");
        let entry = MetadataEntry::new("name", "Ada").unwrap();
        assert_eq!(format!("{entry:?}"), "MetadataEntry(…)");
    }
}
