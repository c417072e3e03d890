//! `/console/recipients/`: recipients that are stored for further payouts.

use askama::Template;
use payout_core::payout::ExternalId;
use payout_core::ports::Archived;
use payout_core::stored_recipient::{RecipientId, StoredRecipient};
use salvo::{Depot, Request, handler};

use super::format::When;
use super::html::Reply;
use super::posted::Posted;
use super::shell::{Place, Shell};
use crate::http::api::recipients::list::{decode, encode};
use crate::http::console::query::parameter;
use crate::http::extract::path::path;
use crate::http::middleware::context::Context;
use crate::http::problem::{Errors, Problem};

/// The number of recipients on a page.
const SIZE: u32 = 50;

/// A recipient in the list, masked.
struct Line {
    id: String,
    version: u64,
    name: String,
    account: String,
    kind: &'static str,
    external_id: String,
    created_at: When,
    archived_at: Option<When>,
}

#[derive(Template)]
#[template(path = "recipients/recipients.html")]
struct RecipientsPage {
    shell: Shell,
    recipients: Vec<Line>,
    is_archive: bool,
    next: Option<String>,
}

impl Line {
    fn of(stored: &StoredRecipient) -> Self {
        Self {
            id: stored.id.to_string(),
            version: stored.version,
            name: stored.recipient.name().masked(),
            account: stored.recipient.masked_account(),
            kind: stored.recipient.kind().as_str(),
            external_id: stored
                .external_id
                .as_ref()
                .map(ExternalId::as_str)
                .unwrap_or_default()
                .to_owned(),
            created_at: When(stored.created_at),
            archived_at: stored.archived_at.map(When),
        }
    }
}

/// Shows the list, the newest first.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let after = parameter(query, "cursor").as_deref().map(decode).transpose();
    let after = after.map_err(|message| Problem::invalid(Errors::of("cursor", message)))?;
    let is_archive = parameter(query, "archived").as_deref() == Some("only");
    let archived = if is_archive {
        Archived::Only
    } else {
        Archived::Without
    };
    let page = Context::of(depot)?
        .recipients()?
        .list(None, archived, after, SIZE)
        .await?;
    let kept = if is_archive { "archived=only&" } else { "" };
    let page = RecipientsPage {
        shell: Shell::of(request, depot, Place::Recipients, "Recipients")?,
        recipients: page.recipients.iter().map(Line::of).collect(),
        is_archive,
        next: page
            .next
            .map(|place| format!("/console/recipients/?{kept}cursor={}", encode(place))),
    };
    Reply::page(&page)
}

/// Archives a recipient.
#[handler]
pub(super) async fn archive(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    set_archived(request, depot, true).await
}

/// Takes a recipient back into use.
#[handler]
pub(super) async fn restore(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    set_archived(request, depot, false).await
}

async fn set_archived(request: &Request, depot: &Depot, archived: bool) -> Result<Reply, Problem> {
    let id = path::<RecipientId>(request)?;
    let version = Posted::of(depot)?.version()?;
    let context = Context::of(depot)?;
    context
        .recipients()?
        .archive(id, archived, Some(&[version]))
        .await?;
    let done = if archived { "archived" } else { "restored" };
    Ok(Reply::go(format!("/console/recipients/?done={done}")))
}
