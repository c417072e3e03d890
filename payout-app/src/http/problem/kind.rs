//! The kinds of problems: their statuses, stable names and titles.

use salvo::http::StatusCode;

/// What went wrong, for programs: a status and a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body or the query is refused, field by field.
    Invalid,
    /// The body is not a JSON object at all.
    MalformedBody,
    /// No key, or none that opens.
    Unauthorized,
    /// A key without the scope, or, without keys, a request from elsewhere.
    Forbidden,
    /// No such payout, or no such page.
    NotFound,
    /// No such path.
    UnknownPath,
    /// The path has no such method.
    MethodNotAllowed,
    /// The state machine has no such step from here.
    IllegalStep,
    /// A worker of the failed attempt may still be running.
    NotQuiet,
    /// Somebody else changed the payout at the same time.
    ChangedMeanwhile,
    /// The first request under the key is still running.
    KeyInFlight,
    /// A key has, or had, the name.
    NameTaken,
    /// The key is revoked or has expired.
    KeyDead,
    /// There are as many keys as there may be.
    TooManyKeys,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body is not JSON by its own account.
    UnsupportedMediaType,
    /// The key was used for another request.
    KeyReused,
    /// The body did not come in time.
    BodyTooSlow,
    /// More requests than the address or the API key may send.
    TooManyRequests,
    /// It is more money than a limit allows.
    OverLimit,
    /// A fault of this service.
    Internal,
    /// The database is away.
    Unavailable,
    /// Too many writes wait.
    Busy,
    /// A status that no handler here gives, from a layer below.
    Other(StatusCode),
}

impl Kind {
    /// The status, the name in the type's URN, and the title.
    pub(super) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid => (
                StatusCode::BAD_REQUEST,
                "invalid-request",
                "The request is not valid.",
            ),
            Self::MalformedBody => (
                StatusCode::BAD_REQUEST,
                "malformed-body",
                "The body is not a JSON object.",
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "An API key is needed."),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "This is not open to whoever asks.",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing here."),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "There is no such path."),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The path does not take this method.",
            ),
            Self::IllegalStep => (
                StatusCode::CONFLICT,
                "illegal-step",
                "The payout's status does not allow this.",
            ),
            Self::NotQuiet => (
                StatusCode::CONFLICT,
                "not-quiet",
                "An earlier attempt may still be running.",
            ),
            Self::ChangedMeanwhile => (
                StatusCode::CONFLICT,
                "changed-meanwhile",
                "The payout was changed at the same time.",
            ),
            Self::KeyInFlight => (
                StatusCode::CONFLICT,
                "key-in-flight",
                "The first request with this idempotency key is still running.",
            ),
            Self::NameTaken => (
                StatusCode::CONFLICT,
                "name-taken",
                "There is, or was, a key of this name.",
            ),
            Self::KeyDead => (
                StatusCode::CONFLICT,
                "key-dead",
                "The key is revoked or has expired.",
            ),
            Self::TooManyKeys => (
                StatusCode::CONFLICT,
                "too-many-keys",
                "There are as many keys as there may be.",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "The payout is at another version.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too large.",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body's media type is not supported.",
            ),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The idempotency key was used for another request.",
            ),
            Self::BodyTooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "body-too-slow",
                "The body did not come in time.",
            ),
            Self::TooManyRequests => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Too many requests came.",
            ),
            Self::OverLimit => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "over-limit",
                "The amount is beyond a limit.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong inside the service.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot do this right now.",
            ),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "The service is busy."),
            Self::Other(status) => (
                status,
                "",
                status.canonical_reason().unwrap_or("The request failed."),
            ),
        }
    }

    /// The status.
    pub(crate) fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The type: a URN that never changes; `about:blank` where the status says it all.
    pub(super) fn uri(self) -> String {
        match self.parts().1 {
            "" => "about:blank".to_owned(),
            name => format!("urn:payout:problem:{name}"),
        }
    }
}
