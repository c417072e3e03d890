//! The filter of a bulk action, as it is kept.

use std::fmt;

/// The text of a filter, such as the query of a list. It is parsed again whenever the action goes on, so that only a
/// filter that is valid then selects payouts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BulkFilter(String);

/// The text of the filter is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A filter for many payouts has at most {} bytes.", BulkFilter::MAX_BYTES)]
pub struct InvalidBulkFilter;

impl BulkFilter {
    /// The maximum length.
    pub const MAX_BYTES: usize = 4096;

    /// Takes the text of a filter. An empty one matches every payout.
    ///
    /// # Errors
    /// [`InvalidBulkFilter`] if the text is too long.
    pub fn new(text: &str) -> Result<Self, InvalidBulkFilter> {
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidBulkFilter);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Without the text, which a person wrote.
impl fmt::Debug for BulkFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BulkFilter({} bytes)", self.0.len())
    }
}
