//! The schemas that several bodies and queries share, made from what the core knows.

use std::borrow::Cow;

use payout_core::keys::Scope;
use payout_core::payout::{EventKind, Status};
use serde_json::json;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// A type that stands for what several bodies and queries have in common.
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
    /// A status of a payout.
    StatusName as "Status" = text_of(Status::ALL.map(Status::as_str))
        .description(Some("Where a payout stands: `pending` waits for a worker; `processing` is with one, and money may be \
            on its way; `completed` is paid, for good; `failed` was declined, and may be retried; `cancelled` was never \
            sent, for good."))
        .examples([json!("pending")])
        .build();
    /// The one status that a new payout may say it has.
    Pending as "Pending" = text_of(["pending"])
        .description(Some("May be left away: a new payout is always `pending`."))
        .build();
    /// What may happen to a payout.
    EventName as "EventKind" = text_of(EventKind::ALL.map(EventKind::as_str))
        .description(Some("What may happen to a payout."))
        .examples([json!("created")])
        .build();
    /// Something that a key may open.
    ScopeName as "Scope" = text_of(Scope::ALL.map(Scope::as_str))
        .description(Some("What a key opens: `read` shows payouts, their trails and the metrics; `write` creates, edits and \
            deletes; `operate` retries, cancels and resolves; `reveal` shows accounts and names in full; `admin` manages \
            keys, and includes every other scope."))
        .examples([json!("read")])
        .build();
    /// An amount as it is sent in.
    Amount as "Amount" = OneOfBuilder::new()
        .description(Some("Above zero, at most 18 digits, and no more decimals than the currency has (2 for USD, 0 for JPY, \
            3 for BHD). A string is safest: some JSON writers round numbers."))
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^\d+(\.\d+)?([eE][+-]?\d+)?$"))
            .examples([json!("125.50")]))
        .item(ObjectBuilder::new()
            .schema_type(Type::Number)
            .exclusive_minimum(Some(0.0))
            .examples([json!(125.5)]))
        .build();
    /// The orders of a list.
    Ordering as "Ordering" = text_of(["created_at", "-created_at"]).default(Some(json!("-created_at"))).build();
    /// How a list may be made to count.
    Counting as "Counting" = text_of(["exact"]).build();
    /// Whether deleted payouts are asked for.
    Deletion as "Deletion" = text_of(["only", "with"]).build();
    /// The forms of the document.
    Form as "Form" = text_of(["yaml", "json"]).build();
}

fn text_of(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
}
