//! Settings in the environment: each comes from its variable; a secret may come from a file that the variable `…_FILE` names.
//!
//! What is read is kept in memory that is wiped. The process's environment is not, which is why a file is better.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

use payout_adapters::Secret;
use secrecy::zeroize::Zeroizing;

use super::ConfigError;
use super::table::Row;

/// No secret is longer: a file that is must be another one.
const LONGEST: u64 = 64 * 1024;

/// The text that the environment gives for a setting, in its variable or, for a secret, in a file.
///
/// # Errors
/// [`ConfigError`] when both the variable and the file are given, or either cannot be read. For a secret it shows neither the
/// content nor the file's name, which may be a secret that went astray.
pub(super) fn from_environment(row: &Row) -> Result<Option<Secret>, ConfigError> {
    let variable = match std::env::var(row.variable) {
        Ok(text) => Zeroizing::new(text),
        Err(std::env::VarError::NotPresent) => Zeroizing::default(),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(ConfigError::new(row.variable, "is not UTF-8 text"));
        }
    };
    if row.secret {
        choose(row, &variable, std::env::var_os(row.file_variable))
    } else {
        Ok(given(&variable))
    }
}

fn choose(row: &Row, variable: &str, file: Option<OsString>) -> Result<Option<Secret>, ConfigError> {
    match (given(variable), file.filter(|name| !name.is_empty())) {
        (secret, None) => Ok(secret),
        (None, Some(name)) => read_file(row, name).map(Some),
        (Some(_), Some(_)) => Err(ConfigError::new(
            row.file_variable,
            format!("{} is set as well: set one of the two", row.variable),
        )),
    }
}

fn read_file(row: &Row, name: OsString) -> Result<Secret, ConfigError> {
    let refuse = |message: String| ConfigError::new(row.file_variable, message);
    // The kind alone: in no message of a system is there a part of the file.
    let file = File::open(name).map_err(|error| refuse(format!("cannot read the file: {}", error.kind())))?;
    content(file).map_err(refuse)
}

/// Reads a secret from its file.
///
/// # Errors
/// A message that shows neither the content nor the file's name.
pub(super) fn content(file: File) -> Result<Secret, String> {
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    match file.take(LONGEST + 1).read_to_end(&mut content) {
        Err(error) => return Err(format!("cannot read the file: {}", error.kind())),
        Ok(length) if length as u64 > LONGEST => return Err("the file is too long for a secret".to_owned()),
        Ok(_) => (),
    }
    let text = std::str::from_utf8(&content).map_err(|_| "the file is not UTF-8 text".to_owned())?;
    given(text).ok_or_else(|| "the file is empty".to_owned())
}

/// Without the white space around it, above all a file's last newline; blank counts as unset.
pub(super) fn given(text: &str) -> Option<Secret> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn token() -> &'static Row {
        let mut rows = crate::settings::table::rows();
        rows.find(|row| row.variable == "PAYOUT_PROCESSOR_TOKEN").unwrap()
    }

    /// A file of the test's own.
    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("payout-secret-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    fn read(path: &Path) -> Result<Option<Secret>, ConfigError> {
        choose(token(), "", Some(path.into()))
    }

    #[test]
    fn a_secret_comes_from_its_variable_or_from_a_file_without_its_last_newline() {
        let exposed = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
        assert_eq!(
            exposed(choose(token(), " hunter2 ", None).unwrap()).as_deref(),
            Some("hunter2")
        );
        for (name, content) in [("lf", "hunter2\n"), ("crlf", "hunter2\r\n"), ("none", "hunter2")] {
            let path = file(name, content.as_bytes());
            assert_eq!(
                exposed(read(&path).unwrap()).as_deref(),
                Some("hunter2"),
                "{name}"
            );
            std::fs::remove_file(path).unwrap();
        }
        assert!(choose(token(), "", Some(OsString::new())).unwrap().is_none());
    }

    #[test]
    fn both_at_once_are_refused() {
        let error = choose(token(), "hunter2", Some("/run/hunter2".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PAYOUT_PROCESSOR_TOKEN_FILE: PAYOUT_PROCESSOR_TOKEN is set as well: set one of the two"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_by_its_variable_and_never_shown() {
        let odd = file("odd", b"hunter2\xff");
        let blank = file("blank", b" \n");
        let long = file("long", &[b'x'; 64 * 1024 + 1]);
        for (path, message) in [
            (
                Path::new("/nowhere/hunter2"),
                "cannot read the file: entity not found",
            ),
            (Path::new("/"), "cannot read the file: is a directory"),
            (&odd, "the file is not UTF-8 text"),
            (&blank, "the file is empty"),
            (&long, "the file is too long for a secret"),
        ] {
            let line = read(path).unwrap_err().to_string();
            assert_eq!(line, format!("PAYOUT_PROCESSOR_TOKEN_FILE: {message}"));
        }
        for path in [odd, blank, long] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
