//! The frame of every page: its title, its place in the menu, the person, and what that person may do.

use payout_core::access::{Principal, Scope};
use salvo::{Depot, Request};

use super::assets::{ASSETS, Assets};
use super::cookies::Theme;
use super::guard::Visit;
use super::query::parameter;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// A place in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    NeedsYou,
    Payouts,
    NewPayout,
    Upload,
    Batches,
    Recipients,
    Providers,
    Webhooks,
    Keys,
    Overview,
    /// None of the menu.
    Elsewhere,
}

/// An entry of the menu.
pub(super) struct Entry {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// The key that leads there after `g`.
    pub(super) key: &'static str,
    pub(super) is_here: bool,
}

/// The steps that a person may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct May {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) operate: bool,
    pub(super) approve: bool,
    pub(super) reveal: bool,
    pub(super) admin: bool,
}

impl May {
    fn of(principal: &Principal) -> Self {
        Self {
            read: principal.may(Scope::Read),
            write: principal.may(Scope::Write),
            operate: principal.may(Scope::Operate),
            approve: principal.may(Scope::Approve),
            reveal: principal.may(Scope::Reveal),
            admin: principal.may(Scope::Admin),
        }
    }
}

/// The frame of a page.
pub(super) struct Shell {
    pub(super) assets: &'static Assets,
    pub(super) title: String,
    pub(super) menu: Vec<Entry>,
    /// The person, and the key that was signed in with.
    pub(super) who: String,
    pub(super) key: String,
    pub(super) is_open: bool,
    pub(super) may: May,
    /// The token that every change carries.
    pub(super) token: String,
    pub(super) theme: &'static str,
    /// The path of the page, to come back to.
    pub(super) here: String,
    /// The step that was just taken, in words.
    pub(super) done: Option<&'static str>,
}

/// Words for what was just done, by the name in the address after a redirect. Nothing else of the address is shown.
const DONE: &[(&str, &str)] = &[
    ("created", "The payout is stored."),
    (
        "replayed",
        "This payout was stored already, by the same form. Nothing was stored twice.",
    ),
    ("approved", "You approved this payout."),
    ("rejected", "You rejected this payout: it is cancelled."),
    ("cancelled", "The payout is cancelled. It will not be sent."),
    (
        "retried",
        "A new attempt begins, under a new key at the provider.",
    ),
    ("resolved", "You decided how this payout ended."),
    ("returned", "The payout is marked as returned."),
    ("deleted", "The payout is deleted."),
    ("batch", "The batch is stored, with all its payouts."),
    (
        "batch-replayed",
        "This file was stored before as this batch. Nothing was stored twice.",
    ),
    ("batch-cancelled", "What could still be cancelled is cancelled."),
    ("batch-retried", "What had failed is tried again."),
    (
        "batch-approved",
        "You approved the payouts of this batch that you may approve.",
    ),
    (
        "batch-rejected",
        "You rejected the payouts of this batch that awaited approval.",
    ),
    (
        "bulk",
        "The bulk action is started. It goes on in the background.",
    ),
    ("bulk-stopped", "The bulk action has ended."),
    ("paused", "The provider is paused: no worker calls it any more."),
    ("resumed", "The provider is resumed."),
    ("added", "Added."),
    ("saved", "Saved."),
    (
        "archived",
        "The recipient is archived: no further payout can be made from it.",
    ),
    ("restored", "The recipient can be paid again."),
    (
        "revoked",
        "The key is revoked, and every session that it opened has ended.",
    ),
    ("disabled", "The endpoint is disabled: nothing is sent to it."),
    ("enabled", "The endpoint is enabled. It gets what waited for it."),
    ("removed", "The endpoint and its deliveries are deleted."),
    ("tested", "A test event is on its way to the endpoint."),
    ("replayed-range", "The events of the range are being sent again."),
    ("redelivered", "The delivery is being sent again."),
];

/// Returns the words for what was just done.
fn done(query: &str) -> Option<&'static str> {
    let name = parameter(query, "done")?;
    DONE.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, words)| *words)
}

impl Shell {
    /// Builds the frame of a page.
    ///
    /// # Errors
    /// 500 on a route without the guard.
    pub(super) fn of(
        request: &Request,
        depot: &Depot,
        place: Place,
        title: impl Into<String>,
    ) -> Result<Self, Problem> {
        let (context, visit) = (Context::of(depot)?, Visit::of(depot)?);
        let principal = &context.principal;
        let may = May::of(principal);
        let owner = principal.owner().map(|owner| owner.as_str().to_owned());
        Ok(Self {
            assets: &ASSETS,
            title: title.into(),
            menu: menu(may, place, context),
            who: owner.unwrap_or_else(|| "this host".to_owned()),
            key: principal.name().to_owned(),
            is_open: visit.is_open,
            may,
            token: visit.change_token.clone(),
            theme: Theme::of(request).as_str(),
            here: request.uri().path().to_owned(),
            done: done(request.uri().query().unwrap_or_default()),
        })
    }
}

/// Returns the entries that the person may open.
fn menu(may: May, place: Place, context: &Context) -> Vec<Entry> {
    let has_webhooks = context.app_state.webhooks.is_some();
    let has_batches = context.app_state.batches.is_some();
    [
        (Place::NeedsYou, "/console/", "Needs you", "n", may.read),
        (Place::Payouts, "/console/payouts/", "Payouts", "p", may.read),
        (Place::NewPayout, "/console/new/", "New payout", "c", may.write),
        (
            Place::Upload,
            "/console/upload/",
            "Upload",
            "u",
            may.write && has_batches,
        ),
        (
            Place::Batches,
            "/console/batches/",
            "Batches",
            "b",
            may.read && has_batches,
        ),
        (
            Place::Recipients,
            "/console/recipients/",
            "Recipients",
            "r",
            may.read,
        ),
        (
            Place::Providers,
            "/console/providers/",
            "Providers",
            "v",
            may.read,
        ),
        (
            Place::Webhooks,
            "/console/webhooks/",
            "Webhooks",
            "w",
            may.admin && has_webhooks,
        ),
        (Place::Keys, "/console/keys/", "API keys", "k", may.admin),
        (Place::Overview, "/console/overview/", "Overview", "o", may.read),
    ]
    .into_iter()
    .filter(|(.., shown)| *shown)
    .map(|(entry, path, name, key, _)| Entry {
        path,
        name,
        key,
        is_here: entry == place,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_address_are_never_shown() {
        assert_eq!(done("a=1&done=approved"), Some("You approved this payout."));
        assert_eq!(done("done=%3Cscript%3E"), None);
        assert_eq!(done(""), None);
    }
}
