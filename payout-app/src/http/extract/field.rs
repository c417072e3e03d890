//! The value of one field of a body, or of one query parameter.

use crate::http::problem::Problem;

/// The value of one field in a request. A refused value is kept as such, so that parsing goes on and the answer names
/// every mistake at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Field<T> {
    /// The field is absent.
    #[default]
    Absent,
    /// The value was JSON's `null`, which was refused.
    Null,
    /// The value was refused.
    Refused,
    /// The value was accepted.
    Value(T),
}

impl<T> Field<T> {
    /// Returns the value, if there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Refused => None,
        }
    }

    /// Converts the value, if there is one.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Refused => Field::Refused,
            Self::Value(value) => Field::Value(convert(value)),
        }
    }

    /// Returns the value of a required field, after the whole request was parsed and nothing was refused.
    ///
    /// # Errors
    /// 500 when there is no value, which parsing rules out.
    pub(crate) fn required(self) -> Result<T, Problem> {
        self.value()
            .ok_or_else(|| Problem::internal("a required field went missing".into()))
    }

    /// Returns whether the request has the field, whatever its value.
    pub(crate) fn is_given(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Null | Self::Refused | Self::Value(_) => true,
        }
    }
}
