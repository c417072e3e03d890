//! The file `.env`, by rules of its own: a value is what the file says. The crate that puts it into the environment would
//! expand `$`, drop quotes and refuse spaces, in silence or without a reason; so it is handed what needs no reading.
//!
//! - `NAME=value`, with or without `export` before it; blank lines and those that begin with `#` say nothing.
//! - A bare value goes to the end of its line or to a `#` after white space; nothing in it means anything else.
//! - Between single quotes everything is literal, line breaks too.
//! - Between double quotes `\n`, `\r`, `\t`, `\\`, `\"` and `\$` are understood; other backslashes are refused, `$` is literal.

use std::fmt::{self, Write as _};
use std::io::{self, Cursor};
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::{ConfigError, names};

/// The name of the file, in the working folder and in messages.
const FILE: &str = ".env";

/// One variable of the file.
struct Entry<'a> {
    name: &'a str,
    value: Zeroizing<String>,
    /// Where it begins, from 1.
    line: usize,
}

/// An error with its line. Shows no value: it may be a secret.
#[derive(Debug, PartialEq, Eq)]
struct Malformed {
    line: usize,
    message: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads `.env` in the working folder, where there is one, into the environment. A variable that is set there already
/// stays, unless it is empty: such a one counts as unset.
pub(super) fn load() -> Result<(), ConfigError> {
    let refuse = |message: &dyn fmt::Display| ConfigError::new(FILE, message);
    let bytes = match std::fs::read(Path::new(FILE)) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refuse(&format!("cannot read it: {}", error.kind()))),
    };
    let text = str::from_utf8(&bytes).map_err(|_| refuse(&"is not UTF-8 text"))?;
    let entries = parse(text).map_err(|malformed| refuse(&malformed))?;
    for entry in &entries {
        if let Some(unknown) = names::unknown_in_file(entry.name, &entry.value) {
            return Err(refuse(&format!("line {}: {unknown}", entry.line)));
        }
    }
    let (of_empty, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_empty(entry.name));
    let (of_empty, others) = (quoted(&of_empty), quoted(&others));
    dotenvy::from_read_override(Cursor::new(of_empty.as_bytes()))
        .and_then(|()| dotenvy::from_read(Cursor::new(others.as_bytes())))
        .map_err(|_| refuse(&"cannot be taken over"))
}

/// Returns whether a variable is set in the environment, and blank.
fn is_empty(name: &str) -> bool {
    let value = std::env::var(name).map(Zeroizing::new);
    value.is_ok_and(|value| value.trim().is_empty())
}

fn parse(text: &str) -> Result<Vec<Entry<'_>>, Malformed> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let this = rest.split_once('\n').map_or(rest, |(this, _)| this);
        let statement = this.trim();
        if statement.is_empty() || statement.starts_with('#') {
            rest = rest.get(this.len() + 1..).unwrap_or_default();
            line += 1;
            continue;
        }
        let refuse = |message: &str| Malformed {
            line,
            message: message.to_owned(),
        };
        let (before, _) = this
            .split_once('=')
            .ok_or_else(|| refuse("this is not NAME=value"))?;
        let name = name(before).ok_or_else(|| refuse("this is not NAME=value"))?;
        let from = rest.get(before.len() + 1..).unwrap_or_default();
        let read = value(from).map_err(|message| refuse(&message))?;
        if read.text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
            return Err(refuse("the value has a control character in it"));
        }
        if let Some(first) = entries.iter().find(|entry| entry.name == name) {
            if *first.value != *read.text {
                return Err(refuse(&format!("{name} is set on line {} already", first.line)));
            }
        } else {
            entries.push(Entry {
                name,
                value: read.text,
                line,
            });
        }
        line += from.get(..read.length).unwrap_or_default().matches('\n').count();
        rest = from.get(read.length..).unwrap_or_default();
        // The line break that ends it.
        if let Some(next) = rest.strip_prefix('\n') {
            rest = next;
            line += 1;
        }
    }
    Ok(entries)
}

/// Returns the text before the `=`, if it is a variable's name.
fn name(before: &str) -> Option<&str> {
    let name = before.trim();
    let name = match name.strip_prefix("export") {
        Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
        Some(_) | None => name,
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (begins && goes_on).then_some(name)
}

/// A value, and how much of the text was read for it: up to the line break that ends it.
struct Value {
    text: Zeroizing<String>,
    length: usize,
}

fn value(from: &str) -> Result<Value, String> {
    let begun = from.trim_start_matches([' ', '\t']);
    let blank = from.len() - begun.len();
    let quote = begun.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        let this = from.split_once('\n').map_or(from, |(this, _)| this);
        let mut before = ' ';
        let comment = this.char_indices().find(|(at, c)| {
            let spaced = before.is_whitespace() && *at > 0;
            before = *c;
            *c == '#' && spaced
        });
        let text = comment.map_or(this, |(at, _)| &this[..at]);
        return Ok(Value {
            text: text.trim().to_owned().into(),
            length: this.len(),
        });
    };
    let mut text = Zeroizing::new(String::with_capacity(begun.len().min(4096)));
    let mut characters = begun.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == quote {
            let after = &begun[at + 1..];
            let after = after.split_once('\n').map_or(after, |(this, _)| this);
            let comment = after.trim();
            if !comment.is_empty() && !comment.starts_with('#') {
                return Err("there is more after the closing quote".to_owned());
            }
            return Ok(Value {
                text,
                length: blank + at + 1 + after.len(),
            });
        }
        if c != '\\' || quote == '\'' {
            text.push(c);
            continue;
        }
        text.push(match characters.next() {
            Some((_, 'n')) => '\n',
            Some((_, 'r')) => '\r',
            Some((_, 't')) => '\t',
            Some((_, literal @ ('\\' | '"' | '$'))) => literal,
            Some(_) | None => {
                let message =
                    "between double quotes a backslash is written twice; between single quotes once";
                return Err(message.to_owned());
            }
        });
    }
    Err("the quote is not closed".to_owned())
}

/// The variables in the one form that every reader of such files takes alike.
fn quoted(entries: &[Entry<'_>]) -> Zeroizing<String> {
    let room: usize = entries
        .iter()
        .map(|entry| entry.name.len() + entry.value.len() * 2 + 4)
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for Entry { name, value, .. } in entries {
        let _ = write!(text, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' | '"' | '$' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push_str("\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, String)> {
        let entries = parse(text).unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.name, entry.value.to_string()))
            .collect()
    }

    /// Reads variables with the crate that sets them.
    fn taken_over(text: &str) -> Vec<(String, String)> {
        let quoted = quoted(&parse(text).unwrap());
        dotenvy::from_read_iter(Cursor::new(quoted.as_bytes()))
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn a_value_is_what_the_file_says() {
        for (line, value) in [
            ("A=ab$cd", "ab$cd"),
            ("A=$HOME/${HOME}", "$HOME/${HOME}"),
            ("A=\"ab$cd\"", "ab$cd"),
            ("A=\"ab\\$cd\"", "ab$cd"),
            ("A='ab$cd\\'", "ab$cd\\"),
            ("A=ab\\cd\\", "ab\\cd\\"),
            ("A=ab\"cd\"ef'", "ab\"cd\"ef'"),
            ("A=two words", "two words"),
            ("A=x=y==", "x=y=="),
            ("A=p#ss", "p#ss"),
            ("A=#pass", "#pass"),
            ("A=pass # a comment", "pass"),
            ("A=\t# a comment", ""),
            ("A=", ""),
            ("A=\"\"", ""),
            ("A='# no comment' # a comment", "# no comment"),
            ("A=\"a\\n\\t\\\\\\\"b\"", "a\n\t\\\"b"),
            ("  export\tA = x  ", "x"),
            ("A='two\nlines'", "two\nlines"),
            ("A=ключ\u{a0}€", "ключ\u{a0}€"),
            ("\u{feff}A=x\r\n", "x"),
            ("A=\"it's\"", "it's"),
        ] {
            assert_eq!(read(line), [("A", value.to_owned())], "{line:?}");
            let both = format!("{line}\nB='after'\n");
            assert_eq!(
                taken_over(&both),
                [("A", value), ("B", "after")].map(|(name, value)| (name.to_owned(), value.to_owned())),
                "{line:?}"
            );
        }
        assert_eq!(read("\n# A=x\n   # B=y\n\n"), []);
        assert_eq!(
            read("A=x\nA=x\n"),
            [("A", "x".to_owned())],
            "the same twice is no harm"
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_without_the_value() {
        for (text, line) in [
            ("A=x\nB C=hunter2", "line 2: this is not NAME=value"),
            ("hunter2", "line 1: this is not NAME=value"),
            ("\n\n=hunter2", "line 3: this is not NAME=value"),
            ("1A=hunter2", "line 1: this is not NAME=value"),
            ("A='1\n2'\nB-C=hunter2", "line 3: this is not NAME=value"),
            ("A=x\nB='hunter2\nC=y", "line 2: the quote is not closed"),
            ("A=\"hunter2\\\"", "line 1: the quote is not closed"),
            ("A='x'hunter2", "line 1: there is more after the closing quote"),
            (
                "A=\"hunter\\2\"",
                "line 1: between double quotes a backslash is written twice; between single quotes once",
            ),
            ("A=x\n\nA=hunter2", "line 3: A is set on line 1 already"),
            ("A=hunter2\0", "line 1: the value has a control character in it"),
        ] {
            let refused = parse(text).map(drop).unwrap_err();
            assert_eq!(refused.to_string(), line, "{text:?}");
        }
    }
}
