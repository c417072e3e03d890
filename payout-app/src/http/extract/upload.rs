//! Bodies that are JSON or a file: a file as it is, or in a form as a browser sends it (RFC 7578).
//!
//! The whole body is in memory already, within the limit of its route. The file is taken out of it in place, so nothing
//! is copied, and nothing is written to disk.

use std::ops::Range;

use mime::Mime;
use salvo::Request;

use super::body;
use crate::http::problem::{Errors, Kind, Problem};

/// The largest number of parts in a form.
const MOST_PARTS: usize = 16;
/// The largest number of bytes of a text field in a form.
const MOST_TEXT: usize = 4096;

/// A body.
pub(crate) enum Upload {
    /// JSON.
    Json(Vec<u8>),
    /// A file, with the text fields of its form.
    File {
        /// The file.
        bytes: Vec<u8>,
        /// The text fields by name, in their order.
        fields: Vec<(String, String)>,
    },
}

/// Returns the body of a request.
///
/// # Errors
/// 415 unless it is declared to be JSON, CSV or a form; 400 for a form that cannot be read, or has not one file.
pub(crate) fn read(request: &mut Request) -> Result<Upload, Problem> {
    let bytes = body::raw(request)?;
    if body::is_encoded(request) {
        let detail = "Send the body as it is, without a `Content-Encoding`.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail).accepting_no_encoding());
    }
    let Some(media_type) = body::media_type(request) else {
        return Err(unsupported());
    };
    if body::is_json(&media_type) {
        return Ok(Upload::Json(bytes));
    }
    match media_type.essence_str() {
        // The encoding is found out from the file: programs declare what they like.
        "text/csv" | "text/tab-separated-values" => Ok(Upload::File {
            bytes,
            fields: Vec::new(),
        }),
        "multipart/form-data" => form(bytes, &media_type),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Problem {
    let detail =
        "Send JSON (`application/json`), CSV (`text/csv`), or a form with one file (`multipart/form-data`).";
    Problem::new(Kind::UnsupportedMediaType, detail)
}

fn form(mut body: Vec<u8>, media_type: &Mime) -> Result<Upload, Problem> {
    let broken =
        |why: &'static str| Problem::new(Kind::MalformedBody, format!("The form cannot be read: {why}."));
    let boundary = media_type.get_param(mime::BOUNDARY);
    let boundary = boundary.ok_or_else(|| broken("its `Content-Type` has no boundary"))?;
    let parts = parts(&body, boundary.as_str()).map_err(broken)?;
    let (mut file, mut fields) = (None, Vec::new());
    for part in parts {
        if part.is_file {
            if file.replace(part.content).is_some() {
                return Err(Problem::invalid(Errors::of("file", "Send one file at a time.")));
            }
            continue;
        }
        let text = body.get(part.content).unwrap_or_default();
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= MOST_TEXT);
        fields.push((
            part.name,
            text.ok_or_else(|| broken("a field is no short text in UTF-8"))?
                .to_owned(),
        ));
    }
    let Some(file) = file else {
        return Err(Problem::invalid(Errors::of("file", "The form has no file.")));
    };
    body.truncate(file.end);
    body.drain(..file.start);
    Ok(Upload::File { bytes: body, fields })
}

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    is_file: bool,
    content: Range<usize>,
}

/// Finds the parts of a form.
fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>, &'static str> {
    const CUT: &str = "it breaks off before its end";
    if boundary.is_empty() || boundary.len() > 70 {
        return Err("its boundary has not 1 to 70 characters");
    }
    let first = format!("--{boundary}");
    let separator = format!("\r\n--{boundary}");
    let mut at = if body.starts_with(first.as_bytes()) {
        first.len()
    } else {
        find(body, 0, separator.as_bytes()).ok_or("it does not begin with its boundary")? + separator.len()
    };
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        // White space may follow a boundary.
        let line_end = find(body, at, b"\r\n").ok_or(CUT)?;
        let padding = body.get(at..line_end).unwrap_or_default();
        if padding.iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            return Err("there is text after a boundary");
        }
        // A part may have no headers; then an empty line follows at once.
        let head_end = find(body, line_end, b"\r\n\r\n").ok_or(CUT)?;
        let head = body.get(line_end..head_end).unwrap_or_default();
        let content = head_end + 4;
        let end = find(body, head_end + 2, separator.as_bytes()).ok_or(CUT)?;
        if parts.len() == MOST_PARTS {
            return Err("it has too many parts");
        }
        let (name, is_file) = disposition(head).ok_or("a part has no name")?;
        parts.push(Part {
            name,
            is_file,
            content: content..end.max(content),
        });
        at = end + separator.len();
    }
}

fn find(body: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    loop {
        let rest = body.get(at..)?;
        at += rest.iter().position(|byte| *byte == first)?;
        if body.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

/// Returns the name of a part, and whether it is a file.
fn disposition(head: &[u8]) -> Option<(String, bool)> {
    let head = String::from_utf8_lossy(head);
    let line = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let (mut name, mut is_file) = (None, false);
    for (key, value) in parameters(line) {
        match key.as_str() {
            "name" => name = Some(value),
            "filename" | "filename*" => is_file = true,
            _ => (),
        }
    }
    Some((name?, is_file))
}

/// Reads the parameters of a header field: their names in lower case, and their values without quotation marks.
fn parameters(line: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    // What is before the first semicolon is the disposition itself.
    let mut rest = line.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        // A parameter without a value is skipped.
        let name = name.rsplit(';').next().unwrap_or_default();
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (token, after) = after.split_once(';').unwrap_or((after, ""));
                (token.trim().to_owned(), after)
            }
        };
        parameters.push((name.trim().to_ascii_lowercase(), value));
        rest = after;
    }
    parameters
}

/// Reads a quoted string after its first quotation mark, and returns the text behind it. A backslash quotes the
/// character that follows (RFC 9110 §5.6.4). Without a second mark the string ends with the line: browsers send the
/// backslashes of a file's name as they are.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut value = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next() {
            Some('"') | None => return (value, chars.as_str()),
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b0\r\nContent-Disposition: form-data; name=\"external_id\"\r\n\r\nsalaries\r\n--b0\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a;b.csv\"\r\nContent-Type: application/vnd.ms-excel\r\n\
        \r\namount,currency\r\n1,EUR\r\n\r\n--b0--\r\n";

    fn read_form(body: &str) -> Result<(String, Vec<(String, String)>), Problem> {
        let media_type: Mime = "multipart/form-data; boundary=b0".parse().unwrap();
        match form(body.as_bytes().to_vec(), &media_type)? {
            Upload::File { bytes, fields } => Ok((String::from_utf8(bytes).unwrap(), fields)),
            Upload::Json(_) => panic!("a form is no JSON"),
        }
    }

    fn refused(body: &str) -> String {
        let Err(problem) = read_form(body) else {
            panic!("{body} is taken")
        };
        assert_eq!(problem.status(), 400);
        problem.detail().to_owned()
    }

    #[test]
    fn a_form_of_a_browser_has_a_file_and_fields() {
        let (file, fields) = read_form(FORM).unwrap();
        assert_eq!(
            file, "amount,currency\r\n1,EUR\r\n",
            "without the line break of the boundary"
        );
        assert_eq!(fields, [("external_id".to_owned(), "salaries".to_owned())]);
    }

    #[test]
    fn the_name_of_a_file_is_a_quoted_string() {
        for name in [
            r#"a\"b;c.csv"#,
            r#"a\"; name=\"other.csv"#,
            r"C:\Users\ada\salaries.csv",
            r"ends with a backslash\",
            r"\\",
            "",
            "a=b;c=d.csv",
            "Gehälter; November.csv",
        ] {
            let body = FORM.replace("a;b.csv", name);
            let (file, fields) = read_form(&body).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
            assert_eq!(file, "amount,currency\r\n1,EUR\r\n", "{name}");
            assert_eq!(fields.len(), 1, "{name}");
        }
    }

    #[test]
    fn parameters_are_tokens_or_quoted_strings() {
        let of = |line: &str| -> Vec<String> {
            let parameters = parameters(line).into_iter();
            parameters
                .map(|(name, value)| format!("{name}:{value}"))
                .collect()
        };
        assert_eq!(of("form-data"), Vec::<String>::new());
        assert_eq!(
            of(r#" form-data ;Name=a ; filename = "b\\c\"d;e" "#),
            ["name:a", "filename:b\\c\"d;e"]
        );
        assert_eq!(of("form-data; flag; name=\"a\";"), ["name:a"]);
        assert_eq!(of("form-data; name=\"a"), ["name:a"]);
    }

    #[test]
    fn a_preamble_and_an_epilogue_are_ignored() {
        let body = format!("preamble\r\n{FORM}epilogue");
        assert_eq!(read_form(&body).unwrap().0, "amount,currency\r\n1,EUR\r\n");
    }

    #[test]
    fn a_form_that_is_cut_is_refused_wherever_it_is_cut() {
        let last = FORM.rfind("--").unwrap();
        for length in 0..last {
            refused(&FORM[..length]);
        }
    }

    #[test]
    fn a_form_has_one_file() {
        let twice = FORM.replace("name=\"external_id\"", "name=\"other\"; filename=\"x.csv\"");
        let Err(problem) = read_form(&twice) else {
            panic!("two files")
        };
        assert_eq!(problem.errors().get("file"), ["Send one file at a time."]);
        let none = FORM.replace("; filename=\"a;b.csv\"", "");
        let Err(problem) = read_form(&none) else {
            panic!("no file")
        };
        assert_eq!(problem.errors().get("file"), ["The form has no file."]);
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let body = FORM.replace("amount,currency\r\n1,EUR\r\n", "");
        assert_eq!(read_form(&body).unwrap().0, "");
    }

    #[test]
    fn a_form_with_very_many_parts_is_refused() {
        let part = "--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n";
        assert!(refused(&(part.repeat(40) + "--b0--\r\n")).contains("too many parts"));
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "(--b0|\r\n|Content-Disposition: form-data; name=\"|\"|;|x|--){0,24}") {
            let _ = parts(body.as_bytes(), "b0");
        }
    }
}
