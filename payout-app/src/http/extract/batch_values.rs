//! Values in the queries of batches.

use payout_core::Timestamp;
use payout_core::payout::{Description, PayoutId};
use serde_json::json;

use super::fields::Message;
use super::ids::{canonical, uuid};
use super::moment;
use super::query::QueryValue;
use super::query_values::one_of;
use crate::batch_file::DecimalSign;
use crate::http::openapi::{ValueSchema, texts};

impl QueryValue for DecimalSign {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "point" => Ok(Self::Point),
            "comma" => Ok(Self::Comma),
            _ => Err("Use point or comma.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["point", "comma"]).default(Some(json!("point"))))
    }
}

impl QueryValue for Description {
    fn read(text: &str) -> Result<Self, Message> {
        Self::new(text).map_err(|error| error.to_string().into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(texts::description())
    }
}

/// The time at which the payouts of a batch become due. A date alone is refused, as in a body and in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due(pub(crate) Timestamp);

impl QueryValue for Due {
    fn read(text: &str) -> Result<Self, Message> {
        let at = moment::parse_in_query(text);
        at.map(Self).ok_or(Message::Borrowed(moment::EXPECTED))
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(texts::moment())
    }
}

impl QueryValue for PayoutId {
    fn read(text: &str) -> Result<Self, Message> {
        canonical(text).ok_or_else(|| "Use the id of a payout.".into())
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(uuid())
    }
}
