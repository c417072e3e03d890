//! `GET /api/recipients/`

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use payout_core::access::Scope;
use payout_core::payout::ExternalId;
use payout_core::ports::{Archived, RecipientPlace};
use payout_core::stored_recipient::RecipientId;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::form_urlencoded;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoredRecipientBody;
use crate::http::answer::Answer;
use crate::http::extract::fields::Message;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy, QueryValue};
use crate::http::extract::query_values::{PageSize, one_of};
use crate::http::middleware::context::Context;
use crate::http::openapi::ValueSchema;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<ListQuery>()),
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// A page of recipients.
#[derive(Serialize, ToSchema)]
#[schema(as = RecipientPage)]
pub(crate) struct PageBody<'a> {
    /// The next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
    /// The recipients, newest first.
    results: Vec<StoredRecipientBody<'a>>,
    /// The ids of recipients on this page whose stored rows cannot be read, because they were altered or their
    /// encryption key is gone. Absent if all can be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unreadable: Vec<Uuid>,
}

impl QueryValue for Archived {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "only" => Ok(Self::Only),
            "with" => Ok(Self::With),
            _ => Err("Use only or with, or omit it.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["only", "with"]))
    }
}

/// The query: the filters, and the page.
struct ListQuery {
    external_id: Option<ExternalId>,
    archived: Archived,
    page_size: PageSize<20, 200>,
    after: Option<RecipientPlace>,
}

impl Query for ListQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let external_id =
            form.one::<ExternalId>("external_id", "Only the recipient with this reference of yours.");
        let archived = form.one::<Archived>(
            "archived",
            "`only` lists archived recipients, `with` those beside the others.",
        );
        let page_size = form.one("page_size", "The number of recipients on a page.");
        Self {
            external_id: external_id.value(),
            archived: archived.value().unwrap_or_default(),
            page_size: page_size.value().unwrap_or_default(),
            after: form.of_links("cursor", decode).value(),
        }
    }
}

/// List recipients
///
/// Newest first. Follow `next`, which carries an opaque `cursor`; it costs the same at any depth.
#[utoipa::path(
    get,
    path = "/api/recipients/",
    impl_for = list_recipients,
    operation_id = "list_recipients",
    tag = "Recipients",
    responses((status = 200, description = "A page.", body = PageBody)),
)]
#[handler]
pub(crate) async fn list_recipients(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let ListQuery {
        external_id,
        archived,
        page_size,
        after,
    } = ListQuery::parse(query)?;
    let context = Context::of(depot)?;
    let page = context
        .recipients()?
        .list(external_id, archived, after, page_size.0)
        .await?;
    let base = context.app_state.limits.base_address(request).unwrap_or_default();
    let next = page.next.map(|place| {
        let given = form_urlencoded::parse(query.as_bytes());
        let kept = given.filter(|(name, _)| name != "cursor");
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(kept).append_pair("cursor", &encode(place));
        format!("{base}/api/recipients/?{}", next.finish())
    });
    Answer::json(&PageBody {
        next,
        results: page
            .recipients
            .iter()
            .map(|stored| StoredRecipientBody::of(stored, &context.principal))
            .collect(),
        unreadable: page.unreadable.iter().map(|id| id.as_uuid()).collect(),
    })
}

const PLACE: usize = 8 + 16;

/// Returns a position and a part of its digest, so that a cursor that was edited by hand is detected.
fn bytes_of(place: RecipientPlace) -> [u8; PLACE + 8] {
    let mut bytes = [0; PLACE + 8];
    bytes[..8].copy_from_slice(&place.created_at.timestamp_micros().to_be_bytes());
    bytes[8..PLACE].copy_from_slice(place.id.as_uuid().as_bytes());
    let digest = Sha256::digest(&bytes[..PLACE]);
    bytes[PLACE..].copy_from_slice(&digest[..8]);
    bytes
}

pub(in crate::http) fn encode(place: RecipientPlace) -> String {
    URL_SAFE_NO_PAD.encode(bytes_of(place))
}

pub(in crate::http) fn decode(text: &str) -> Result<RecipientPlace, Message> {
    let refuse = || Message::from("This is not a cursor of this list: follow `next`, or start without one.");
    let mut bytes = [0; PLACE + 8];
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, &mut bytes)
        .map_err(|_| refuse())?;
    let mut micros = [0; 8];
    micros.copy_from_slice(&bytes[..8]);
    let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(micros)).ok_or_else(refuse)?;
    let id = Uuid::from_slice(&bytes[8..PLACE]).map_err(|_| refuse())?;
    let place = RecipientPlace {
        created_at,
        id: RecipientId::from(id),
    };
    if length != bytes.len() || bytes != bytes_of(place) {
        return Err(refuse());
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_an_edited_one_is_refused() {
        let place = RecipientPlace {
            created_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
            id: RecipientId::from(Uuid::from_u128(7)),
        };
        let cursor = encode(place);
        assert_eq!(decode(&cursor).unwrap(), place);
        let edited = cursor.replacen(&cursor[..1], "A", 1);
        let edited = if edited == cursor {
            cursor.replacen('A', "B", 1)
        } else {
            edited
        };
        for odd in [edited.as_str(), "", "x", &cursor[1..]] {
            assert!(decode(odd).is_err(), "{odd}");
        }
    }
}
