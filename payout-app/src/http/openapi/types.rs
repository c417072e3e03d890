//! Schemas of words in answers, generated from the core's enums.

use std::borrow::Cow;

use payout_core::access::Scope;
use payout_core::feed::EventType;
use payout_core::payout::{EventKind, Status};
use payout_core::provider::{DeclineCode, WaitReason};
use serde_json::json;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares types that stand for a word in several answers.
macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident as $shown:literal = $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::from($schema))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $shown.into()
            }
        }
    )*};
}

documented! {
    /// The status of a payout.
    StatusName as "Status" = text_of(Status::ALL.iter().map(|one| one.as_str()))
        .description(Some("Where a payout stands: `awaiting_approval` waits for other people; `pending` waits for a worker; `processing` is with one, and money may be \
            on its way; `completed` is paid, for good; `failed` was declined, and may be retried; `cancelled` was never \
            sent, for good."))
        .examples([json!("pending")])
        .build();
    /// The reason why a payout waits.
    WaitReasonName as "WaitReason" = text_of(WaitReason::ALL.iter().map(|one| one.as_str()))
        .description(Some("What a payout waits for: `funds`: the balance at the provider is too low; `provider_limit`: a \
            limit of the provider is reached for now; `provider`: it does not answer, or refuses calls for now; \
            `provider_paused`: an operator paused it; `provider_missing`: it is not configured."))
        .examples([json!("funds")])
        .build();
    /// The service's own code of a declined or returned payment.
    DeclineCodeName as "DeclineCode" = text_of(DeclineCode::ALL.iter().map(|one| one.as_str()))
        .description(Some("Why a provider declined or returned a payment, in the same words for every provider."))
        .examples([json!("account_closed")])
        .build();
    /// The kind of an event.
    EventName as "EventKind" = text_of(EventKind::ALL.iter().map(|one| one.as_str()))
        .description(Some("A kind of event."))
        .examples([json!("created")])
        .build();
    /// The type of a public event.
    EventTypeName as "EventType" = text_of(EventType::ALL.iter().map(|one| one.as_str()))
        .description(Some("The type of a public event. `payout.pending`: nothing was paid, and it will be sent later; \
            `payout.resolved`: a person decided how it ended, see the status. `payout.awaiting_approval` and \
            `payout.scheduled` come right after the change after which the payout waits for that."))
        .examples([json!("payout.completed")])
        .build();
    /// A scope of an API key.
    ScopeName as "Scope" = text_of(Scope::ALL.iter().map(|one| one.as_str()))
        .description(Some("A right that a key grants: `read` shows payouts, their trails and the metrics; `write` \
            creates, edits and deletes; `operate` retries, cancels and resolves; `reveal` shows accounts and names in \
            full; `admin` manages keys, and includes every other scope."))
        .examples([json!("read")])
        .build();
}

fn text_of(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
}
