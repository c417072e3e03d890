//! A row of the list of payouts, with the recipient masked for everybody.

use payout_core::payout::{Actor, ExternalId, Payout};
use payout_core::provider::ProviderName;

use crate::http::console::format::{When, money};
use crate::http::console::words;
use crate::http::middleware::context::Context;

/// A row.
pub(in crate::http::console) struct Row {
    pub(in crate::http::console) id: String,
    pub(in crate::http::console) amount: String,
    pub(in crate::http::console) account: String,
    pub(in crate::http::console) name: String,
    pub(in crate::http::console) description: String,
    pub(in crate::http::console) external_id: String,
    pub(in crate::http::console) created_by: String,
    pub(in crate::http::console) provider: String,
    pub(in crate::http::console) batch: Option<String>,
    pub(in crate::http::console) status: &'static str,
    pub(in crate::http::console) tone: &'static str,
    /// The reason for a wait or a failure, in a few words.
    pub(in crate::http::console) note: String,
    pub(in crate::http::console) created_at: When,
    pub(in crate::http::console) updated_at: When,
    pub(in crate::http::console) scheduled_at: Option<When>,
    pub(in crate::http::console) version: u64,
}

impl Row {
    pub(in crate::http::console) fn of(payout: &Payout, context: &Context) -> Self {
        let (parts, details) = (payout.parts(), payout.details());
        let waiting = context.app_state.providers.waiting_for(payout);
        let failure = parts.failure.as_ref().map(|failure| failure.code().to_owned());
        let note = waiting.map(|reason| format!("waits: {}", reason.as_str().replace('_', " ")));
        Self {
            id: parts.id.to_string(),
            amount: money(payout.money()),
            account: details.recipient.masked_account(),
            name: details.recipient.name().masked(),
            description: details.description.as_str().to_owned(),
            external_id: details
                .external_id
                .as_ref()
                .map(ExternalId::as_str)
                .unwrap_or_default()
                .to_owned(),
            created_by: parts
                .created_by
                .as_ref()
                .map(Actor::as_str)
                .unwrap_or_default()
                .to_owned(),
            provider: parts
                .provider
                .as_ref()
                .map(ProviderName::as_str)
                .unwrap_or_default()
                .to_owned(),
            batch: parts.batch.map(|batch| batch.to_string()),
            status: words::status(payout.status(), payout.needs_review()),
            tone: words::tone(payout.status(), payout.needs_review()),
            note: note.or(failure).unwrap_or_default(),
            created_at: When(parts.created_at),
            updated_at: When(parts.updated_at),
            scheduled_at: details.scheduled_at.map(When),
            version: payout.version(),
        }
    }
}
