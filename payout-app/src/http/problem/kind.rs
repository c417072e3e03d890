//! The kinds of problems, in one table: status, stable name, title and text.

use salvo::http::StatusCode;

/// A kind's row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KindRow {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The name in the type's URN; empty if the status is enough.
    pub(crate) name: &'static str,
    /// The title, for people.
    pub(crate) title: &'static str,
    /// The default detail, which is also the example in the document.
    pub(crate) text: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $status:ident, $name:literal, $title:literal, $text:literal;)*) => {
        /// A kind of problem, for programs: a status and a stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[$doc])* $kind,)*
            /// A status from a lower layer, which no handler here uses.
            Other(StatusCode),
        }

        impl Kind {
            /// Every kind that has a name.
            #[cfg(test)]
            pub(crate) const NAMED: &[Self] = &[$(Self::$kind),*];

            /// Returns the row of the kind.
            pub(crate) fn row(self) -> KindRow {
                match self {
                    $(Self::$kind => KindRow {
                        status: StatusCode::$status,
                        name: $name,
                        title: $title,
                        text: $text,
                    },)*
                    Self::Other(status) => KindRow {
                        status,
                        name: "",
                        title: status.canonical_reason().unwrap_or("The request failed."),
                        text: "The request was refused.",
                    },
                }
            }
        }
    };
}

kinds! {
    /// The body, the query or a header is refused, field by field.
    Invalid: BAD_REQUEST, "invalid-request", "The request is not valid.",
        "Some values were refused; `errors` names each.";
    /// The body is not of its media type, is no JSON object where one is expected, or broke off.
    MalformedBody: BAD_REQUEST, "malformed-body", "The body cannot be read.",
        "The body broke off before its end.";
    /// Rows of a batch are wrong.
    WrongRows: BAD_REQUEST, "wrong-rows", "Some rows of the batch are wrong.",
        "Nothing was stored: 2 rows are wrong.";
    /// The file of a batch cannot be read.
    UnreadableFile: BAD_REQUEST, "unreadable-file", "The file cannot be read.",
        "The file is a workbook (.xlsx), not CSV: in the spreadsheet, save the sheet as CSV in UTF-8.";
    /// Another batch has the external id.
    BatchExists: CONFLICT, "batch-exists", "Another batch has this external id.",
        "The external id belongs to a batch that asked for something else.";
    /// The request has no API key, or an unknown one.
    Unauthorized: UNAUTHORIZED, "unauthorized", "An API key is needed.",
        "Show an API key: `Authorization: Bearer payout_…`.";
    /// The signature of a provider's notification is missing or wrong.
    InvalidSignature: UNAUTHORIZED, "invalid-signature", "The signature is not valid.",
        "The notification has no valid signature of the provider.";
    /// The API key lacks the scope; or, without API keys, the request came from elsewhere.
    Forbidden: FORBIDDEN, "forbidden", "Access denied.",
        "This key lacks the scope write.";
    /// The caller may not approve the payout: it created or edited it, or has approved it already.
    NotAnApprover: FORBIDDEN, "not-an-approver", "You may not approve this payout.",
        "You created this payout: another person must approve it.";
    /// There is no such payout, page or API key.
    NotFound: NOT_FOUND, "not-found", "Not found.",
        "There is no such payout.";
    /// Nothing is served at the path.
    UnknownPath: NOT_FOUND, "unknown-path", "There is no such path.",
        "Nothing is served at this path.";
    /// The path has no such method.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not take this method.",
        "The path does not take this method; `Allow` names what it takes.";
    /// The payout's status does not allow the step.
    IllegalStep: CONFLICT, "illegal-step", "The payout's status does not allow this.",
        "A payout that is completed cannot be cancelled.";
    /// A worker of an earlier attempt may still be running.
    AttemptInProgress: CONFLICT, "attempt-in-progress", "An earlier attempt may still be running.",
        "A worker of an earlier attempt may still be running.";
    /// Another client or a worker changed the payout at the same time.
    ChangedMeanwhile: CONFLICT, "changed-meanwhile", "The payout was changed at the same time.",
        "The payout was changed at the same time.";
    /// Another payout has the external id.
    ExternalIdTaken: CONFLICT, "external-id-taken", "Another payout has this external id.",
        "The payout 019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17 has this external id.";
    /// Another stored recipient has the external id.
    RecipientExternalIdTaken: CONFLICT, "recipient-external-id-taken", "Another recipient has this external id.",
        "The recipient 019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17 has this external_id.";
    /// The payout has another external id already.
    ExternalIdSet: CONFLICT, "external-id-set", "The external id is set already.",
        "The external id of a payout cannot be changed once it is set.";
    /// The first request under the idempotency key is still running.
    KeyInFlight: CONFLICT, "key-in-flight", "The first request with this idempotency key is still running.",
        "The first request with this idempotency key is still running.";
    /// An API key has, or had, the name.
    NameTaken: CONFLICT, "name-taken", "There is, or was, a key of this name.",
        "There is, or was, a key of this name; names are used once.";
    /// The API key is revoked or has expired.
    KeyDead: CONFLICT, "key-dead", "The key is revoked or has expired.",
        "The key is revoked or has expired; make another.";
    /// The maximum number of API keys is reached.
    TooManyKeys: CONFLICT, "too-many-keys", "There are as many keys as there may be.",
        "There are as many keys as there may be; revoke one.";
    /// The maximum number of webhook endpoints is reached.
    TooManyWebhooks: CONFLICT, "too-many-webhooks", "There are as many endpoints as there may be.",
        "There are as many endpoints as there may be; delete one.";
    /// A range is being replayed to the endpoint.
    ReplayRunning: CONFLICT, "replay-running", "A range is being replayed to this endpoint.",
        "A range is being replayed to this endpoint; wait for its end.";
    /// As many deliveries of the endpoint wait as may.
    DeliveriesWaiting: CONFLICT, "deliveries-waiting", "Too many deliveries of this endpoint wait.",
        "As many deliveries of this endpoint wait as may; its address must accept some first.";
    /// The conditions of the request do not hold.
    PreconditionFailed: PRECONDITION_FAILED, "precondition-failed", "The condition of the request does not hold.",
        "The payout is no longer at the version that the request names.";
    /// The body is over the limit.
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large.",
        "A body may have 65536 bytes.";
    /// The body is not declared to be JSON.
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body's media type is not supported.",
        "Send JSON, with `Content-Type: application/json`.";
    /// The idempotency key was used for another request.
    KeyReused: UNPROCESSABLE_ENTITY, "key-reused", "The idempotency key was used for another request.",
        "This idempotency key was used for another request.";
    /// The body did not arrive in time.
    BodyTooSlow: REQUEST_TIMEOUT, "body-too-slow", "The body did not come in time.",
        "A body must be there within 20000 ms.";
    /// The address or the API key has used up its quota.
    TooManyRequests: TOO_MANY_REQUESTS, "too-many-requests", "Too many requests came.",
        "More requests of this key than 1000 a second came.";
    /// The amount exceeds a limit.
    OverLimit: UNPROCESSABLE_ENTITY, "over-limit", "The amount is beyond a limit.",
        "The amount is beyond a limit.";
    /// No provider can make the payment.
    NoRoute: UNPROCESSABLE_ENTITY, "no-route", "No provider can make this payment.",
        "No provider can make this payment: no route is configured for 10.00 EUR to a recipient of type account.";
    /// An error inside this service.
    Internal: INTERNAL_SERVER_ERROR, "internal", "Something went wrong inside the service.",
        "The request could not be done. Quote the request id when you report this.";
    /// The database is down, or not ready.
    Unavailable: SERVICE_UNAVAILABLE, "unavailable", "The service cannot do this right now.",
        "The database is not ready.";
    /// Too many requests are waiting or in flight.
    Busy: SERVICE_UNAVAILABLE, "busy", "The service is busy.",
        "Too many requests are in flight.";
}

impl Kind {
    /// Returns the status.
    pub(crate) fn status(self) -> StatusCode {
        self.row().status
    }

    /// Returns the problem's type, a URI.
    pub(crate) fn uri(self) -> String {
        match self.row().name {
            "" => "about:blank".to_owned(),
            name => format!("urn:payout:problem:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_kinds_have_one_name_and_each_says_what_happened() {
        let mut names = HashSet::new();
        for kind in Kind::NAMED {
            let row = kind.row();
            assert!(names.insert(row.name), "{}", row.name);
            assert!(
                row.title.ends_with('.') && row.text.ends_with('.'),
                "{}",
                row.name
            );
        }
    }
}
