//! Forms: what a browser posts, as text fields and at most one file.

use payout_core::payout::Caller;
use salvo::{Depot, Request};
use url::form_urlencoded;

use crate::http::extract::{body, encoding, upload};
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Kind, Problem};

/// The largest number of fields. The form for mending the rows of a file has most: some three thousand.
const MOST_FIELDS: usize = 10_000;

/// A posted form.
#[derive(Default)]
pub(super) struct Posted {
    fields: Vec<(String, String)>,
    file: Option<Vec<u8>>,
}

impl Posted {
    /// Reads the body that was received.
    ///
    /// # Errors
    /// 400 and 415 for anything but a form.
    pub(super) fn read(request: &mut Request) -> Result<Self, Problem> {
        if body::is_of_type(request, "application/x-www-form-urlencoded") {
            let bytes = body::raw(request)?;
            return Ok(Self {
                fields: decoded(&bytes)?,
                file: None,
            });
        }
        if body::is_of_type(request, "multipart/form-data") {
            return match upload::read(request)? {
                upload::Upload::File { bytes, fields } => Ok(Self {
                    fields,
                    file: Some(bytes),
                }),
                upload::Upload::Json(_) => Err(unsupported()),
            };
        }
        Err(unsupported())
    }

    /// Returns the form that the guard has read.
    ///
    /// # Errors
    /// 500 on a route without a form.
    pub(super) fn of(depot: &Depot) -> Result<&Self, Problem> {
        depot
            .get_typed::<Self>()
            .map_err(|_| Problem::internal("no form was read".into()))
    }

    /// Takes the file.
    pub(super) fn take_file(depot: &mut Depot) -> Option<Vec<u8>> {
        depot.get_typed_mut::<Self>().ok()?.file.take()
    }

    /// Returns a field without the spaces around it; empty if it is absent.
    pub(super) fn field<'a>(&'a self, name: &str) -> &'a str {
        let found = self.fields.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// Returns every value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter();
        fields
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns every field, in its order.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Returns the reason that the person gave, if any.
    pub(super) fn reason(&self) -> Option<&str> {
        Some(self.field("reason")).filter(|reason| !reason.is_empty())
    }

    /// Returns the version of the row that the person saw.
    ///
    /// # Errors
    /// 400 for a form without it.
    pub(super) fn version(&self) -> Result<u64, Problem> {
        let version = self.field("version").parse();
        version.map_err(|_| malformed("The form does not say which version it was made from."))
    }
}

/// Decodes the fields of a form.
fn decoded(form: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    if form.iter().filter(|byte| **byte == b'&').count() >= MOST_FIELDS {
        return Err(malformed("The form has too many fields."));
    }
    let undecodable = encoding::mistakes(form);
    if !undecodable.is_empty() {
        return Err(Problem::invalid(undecodable));
    }
    Ok(form_urlencoded::parse(form).into_owned().collect())
}

/// Returns the caller of a step that needs a reason.
///
/// # Errors
/// 400 if there is no reason, or nothing of it can be kept.
pub(super) fn caller_with_reason(depot: &Depot) -> Result<Caller, Problem> {
    let caller = Context::of(depot)?.caller(Posted::of(depot)?.reason());
    if caller.reason.is_none() {
        let errors = Errors::of("reason", "Say why: the audit trail keeps it.");
        return Err(Problem::invalid(errors));
    }
    Ok(caller)
}

fn unsupported() -> Problem {
    Problem::new(
        Kind::UnsupportedMediaType,
        "Only forms of the console's own pages are taken here.",
    )
}

/// Builds the refusal of a form that no page of the console has made.
pub(super) fn malformed(message: &'static str) -> Problem {
    Problem::invalid(Errors::of("form", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_as_it_was_meant_or_refused() {
        let fields = decoded(b"reason=Gr%C3%BCn+%26+blau&token=").unwrap();
        assert_eq!(fields[0], ("reason".to_owned(), "Gr\u{fc}n & blau".to_owned()));
        for (form, field) in [(&b"reason=Gr%fcn"[..], "reason"), (&b"a=1&b=%zz"[..], "b")] {
            let problem = decoded(form).unwrap_err();
            assert_eq!(problem.errors().get(field).len(), 1, "{problem:?}");
        }
    }

    #[test]
    fn a_form_with_very_many_fields_is_refused() {
        assert_eq!(
            decoded("a=1&".repeat(MOST_FIELDS - 1).as_bytes()).unwrap().len(),
            MOST_FIELDS - 1
        );
        let problem = decoded("&".repeat(MOST_FIELDS).as_bytes()).unwrap_err();
        assert_eq!(problem.errors().get("form"), ["The form has too many fields."]);
    }
}
