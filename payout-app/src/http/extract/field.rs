//! The value of one field of a body, or of one parameter of a query.

use crate::http::problem::Problem;

/// What a request says in one field. A refused one is kept as such, so that reading goes on and every mistake of a request is
/// named at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Field<T> {
    /// The field is not there.
    #[default]
    Absent,
    /// It is JSON's `null`, which was refused.
    Null,
    /// Its value was refused.
    Refused,
    /// It has this value.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Refused => None,
        }
    }

    /// The value of a field that must be there, once a whole request was read and nothing refused.
    ///
    /// # Errors
    /// 500 when there is none all the same.
    pub(crate) fn required(self) -> Result<T, Problem> {
        self.value()
            .ok_or_else(|| Problem::internal("a required field went missing".into()))
    }

    /// Tells whether the request has the field, whatever its value.
    pub(crate) fn is_given(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Null | Self::Refused | Self::Value(_) => true,
        }
    }
}
