//! An error with its causes, for a line of the log or of a report.

use std::error::Error;
use std::fmt;

/// Writes an error and its causes in one line, each once.
///
/// A log in JSON has only an error's own text, and that says little: "the queue refuses", and not `READONLY`.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'e>(pub &'e dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = self.0.to_string();
        f.write_str(&before)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Some errors already include the text of their cause.
            if !before.ends_with(&said) {
                write!(f, ": {said}")?;
            }
            before = said;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{QueueError, RepositoryError};

    #[test]
    fn a_cause_follows_its_error_once() {
        let refused = QueueError::Refused("Redis refused: read-only (READONLY)".into());
        let line = Causes(&refused).to_string();
        assert_eq!(line, "the queue refuses: Redis refused: read-only (READONLY)");
        let alone: Box<dyn Error + Send + Sync> = RepositoryError::VersionConflict.to_string().into();
        assert_eq!(
            Causes(&*alone).to_string(),
            RepositoryError::VersionConflict.to_string()
        );
    }
}
