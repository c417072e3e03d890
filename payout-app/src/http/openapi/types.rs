//! The schemas that several bodies and queries share, made from what the core knows.

use std::borrow::Cow;

use payout_core::keys::Scope;
use payout_core::payout::{EventKind, Status};
use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{money, texts};
use crate::http::extract::conditions::TAGS;
use crate::http::extract::headers::KEY;

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
    StatusName as "Status" = text_of(Status::ALL.iter().map(|one| one.as_str()))
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
    EventName as "EventKind" = text_of(EventKind::ALL.iter().map(|one| one.as_str()))
        .description(Some("What may happen to a payout."))
        .examples([json!("created")])
        .build();
    /// Something that a key may open.
    ScopeName as "Scope" = text_of(Scope::ALL.iter().map(|one| one.as_str()))
        .description(Some("What a key opens: `read` shows payouts, their trails and the metrics; `write` creates, edits and \
            deletes; `operate` retries, cancels and resolves; `reveal` shows accounts and names in full; `admin` manages \
            keys, and includes every other scope."))
        .examples([json!("read")])
        .build();
    /// An amount as it is sent in.
    Amount as "Amount" = OneOfBuilder::new()
        .description(Some("Above zero, at most 18 digits with all of its currency's decimals, and no more decimals than the \
            currency has (2 for USD, 0 for JPY, 3 for BHD). A string is safest: some JSON writers round numbers."))
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^(?=.*[1-9])[0-9]{1,18}(\.[0-9]{1,3})?$"))
            .examples([json!("125.50")]))
        .item(ObjectBuilder::new()
            .schema_type(Type::Number)
            .exclusive_minimum(Some(0.0))
            .examples([json!(125.5)]))
        .build();
    /// A currency that somebody can be paid in.
    CurrencyCode as "Currency" = money::currency()
        .description(Some("A code of ISO 4217 in which somebody can be paid today. Taken in any case."))
        .build();
    /// A currency that payouts can be in.
    RecordedCurrencyCode as "RecordedCurrency" = money::recorded_currency().build();
    /// An account as it is sent in.
    AccountText as "RecipientAccount" = texts::account()
        .description(Some("Where the money goes. Kept in Unicode's Form C, without the white space around it; without invisible \
            characters, and without white space but the plain space."))
        .build();
    /// A name as it is sent in.
    NameText as "RecipientName" = texts::name()
        .description(Some("Who gets it. Kept in Unicode's Form C, without the white space around it; without invisible \
            characters."))
        .build();
    /// A description as it is sent in.
    DescriptionText as "Description" = texts::description()
        .description(Some("What for. May have line breaks, and no invisible characters. Kept in Unicode's Form C."))
        .build();
    /// A list of entity tags.
    EntityTags as "EntityTags" = ObjectBuilder::new().schema_type(Type::String).pattern(Some(TAGS)).build();
    /// An idempotency key.
    KeyText as "IdempotencyKey" = ObjectBuilder::new().schema_type(Type::String).pattern(Some(KEY)).build();
    /// A moment, or a day.
    Moment as "Moment" = AnyOfBuilder::new()
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))))
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
