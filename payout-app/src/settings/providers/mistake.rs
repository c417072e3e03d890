//! A mistake in the file of providers.

use std::fmt::Display;

/// A mistake in the file of providers: the key, its place in the file, and what is wrong with it. A message never shows
/// a secret or the name of a secret's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMistake {
    /// The place in the text, in bytes.
    at: usize,
    /// The path of the key: `providers.adyen-eu.kind`.
    path: String,
    message: String,
}

impl ProviderMistake {
    pub(super) fn new(at: usize, path: impl Into<String>, message: impl Display) -> Self {
        Self {
            at,
            path: path.into(),
            message: message.to_string(),
        }
    }

    /// Returns the one line that is shown for the mistake in this text of this file.
    pub(super) fn line(&self, file: &str, text: &str) -> String {
        let Self { at, path, message } = self;
        let line = line_of(text, *at);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        if path.is_empty() {
            format!("{file}:{line}: {message}")
        } else {
            format!("{file}:{line}: {path}: {message}")
        }
    }
}

/// Returns the number of the line of a place in the text; the first line is 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    line_of_bytes(text.as_bytes(), at)
}

/// Returns the number of the line of a place in bytes that may be no text.
pub(super) fn line_of_bytes(bytes: &[u8], at: usize) -> usize {
    let before = bytes.iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}
