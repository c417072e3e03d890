//! Forms: what a browser posts, as text fields and at most one file.

use payout_core::payout::Caller;
use salvo::{Depot, Request};
use url::form_urlencoded;

use crate::http::extract::{body, upload};
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Kind, Problem};

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
                fields: form_urlencoded::parse(&bytes).into_owned().collect(),
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
