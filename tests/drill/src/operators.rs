//! Operators: one retries failed and returned payouts, one resolves reviews after asking the provider.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Call};
use crate::chance::Chance;
use crate::clients::PAYOUTS;
use crate::clock;
use crate::database;
use crate::ledger::Ledger;
use crate::ledger_state::Standing;
use crate::vendors::StandIn;

/// The time for which an operator keeps asking.
const PATIENCE: Duration = Duration::from_secs(90);

/// Retries half of the failed and of the returned payouts until stopped.
pub(crate) async fn retry_unpaid(api: Arc<Api>, seed: u64, mut over: watch::Receiver<bool>) {
    let mut seen = HashSet::new();
    let mut retries = JoinSet::new();
    while !*over.borrow_and_update() {
        let mut unpaid = list(&api, "status=failed").await;
        unpaid.extend(list(&api, "status=returned").await);
        for payout in unpaid {
            let (id, updated_at) = (text(&payout, "id"), text(&payout, "updated_at"));
            if !seen.insert(format!("{id}/{updated_at}")) {
                continue;
            }
            // This name is the same in every run of a seed.
            let name = format!(
                "retry/{}/{}",
                text(&payout, "description"),
                text(&payout, "attempts")
            );
            let mut chance = Chance::of(seed, &name);
            if chance.permille(500) {
                continue;
            }
            let path = format!("{PAYOUTS}{id}/");
            let call = if chance.permille(700) {
                Call::new(Method::POST, format!("{path}retry/"))
                    .header("Idempotency-Key", format!("retry-{id}-{updated_at}"))
                    .body(json!({"reason": "the drill retries"}))
            } else {
                Call::new(Method::PATCH, path).body(json!({"status": "pending"}))
            };
            let api = api.clone();
            retries.spawn(async move { api.ask(&call, deadline()).await.is_ok() });
        }
        pause(&mut over).await;
    }
    while retries.join_next().await.is_some() {}
}

/// The providers that an operator asks.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) ledger: Ledger,
    pub(crate) stand_ins: Vec<StandIn>,
    /// The database, which says whose payout it is.
    pub(crate) pool: PgPool,
}

/// Resolves reviews according to the ledgers until stopped. Before an operator resolves an unpaid payout as failed, its
/// key is closed at the provider of the HTTP contract, so that it stays unpaid. At a real provider, a review without a
/// payment stays open.
pub(crate) async fn resolve_reviews(api: Arc<Api>, asked: Asked, mut over: watch::Receiver<bool>) -> u64 {
    let mut resolved = 0;
    while !*over.borrow_and_update() {
        let mut reviews = JoinSet::new();
        for payout in list(&api, "needs_review=true").await {
            let (api, asked) = (api.clone(), asked.clone());
            reviews.spawn(async move { resolve(&api, &asked, &payout).await });
        }
        while let Some(done) = reviews.join_next().await {
            resolved += u64::from(done.unwrap_or_default());
        }
        pause(&mut over).await;
    }
    resolved
}

async fn resolve(api: &Api, asked: &Asked, payout: &Value) -> bool {
    let id = &text(payout, "id");
    let events = Call::new(Method::GET, format!("{PAYOUTS}{id}/events/"));
    let Ok(events) = api.ask(&events, deadline()).await else {
        return false;
    };
    let last = events.body["results"]
        .as_array()
        .and_then(|events| events.last())
        .cloned();
    // The review's detail ends with the key to ask the provider about.
    let detail = last.as_ref().and_then(|event| event["detail"].as_str());
    let Some((_, key)) = detail.and_then(|detail| detail.rsplit_once(' ')) else {
        return false;
    };
    let Ok(provider) = database::provider_of(&asked.pool, id).await else {
        return false;
    };
    let Some(status) = asked.ending(provider.as_deref(), key).await else {
        return false;
    };
    let body = json!({"status": status, "reason": "the provider's ledger says so"});
    let resolve = Call::new(Method::PATCH, format!("{PAYOUTS}{id}/")).body(body);
    api.ask(&resolve, deadline())
        .await
        .is_ok_and(|answer| answer.status == 200)
}

impl Asked {
    /// Returns how the payment of a key ended, if it has.
    async fn ending(&self, provider: Option<&str>, key: &str) -> Option<&'static str> {
        let mut stand_ins = self.stand_ins.iter();
        if let Some(stand_in) = stand_ins.find(|stand_in| Some(stand_in.vendor.name()) == provider) {
            return ending_at(stand_in, key).await;
        }
        match self.ledger.close(key).await {
            Standing::Paid { .. } => Some("completed"),
            Standing::Declined { .. } => Some("failed"),
            Standing::Accepted { .. } => None,
        }
    }
}

/// The counts of a key in a stand-in's ledger.
#[derive(Deserialize)]
struct OfKey {
    paid: u32,
    returned: u32,
    open: u32,
    unpaid: u32,
}

#[derive(Deserialize)]
struct LedgerPage {
    keys: HashMap<String, OfKey>,
}

async fn ending_at(stand_in: &StandIn, key: &str) -> Option<&'static str> {
    let page = stand_in.ask_ledger().await.ok()?;
    let page: LedgerPage = serde_json::from_str(&page).ok()?;
    match page.keys.get(key)? {
        OfKey { open: 1.., .. } => None,
        OfKey { paid: 1.., .. } | OfKey { returned: 1.., .. } => Some("completed"),
        OfKey { unpaid: 1.., .. } => Some("failed"),
        OfKey { .. } => None,
    }
}

pub(crate) async fn list(api: &Api, filter: &str) -> Vec<Value> {
    let list = Call::new(Method::GET, format!("{PAYOUTS}?page_size=200&{filter}"));
    let answer = api.ask(&list, clock::instant() + Duration::from_secs(10)).await;
    let results = answer
        .ok()
        .and_then(|answer| answer.body["results"].as_array().cloned());
    results.unwrap_or_default()
}

pub(crate) fn text(payout: &Value, field: &str) -> String {
    payout[field]
        .as_str()
        .map_or_else(|| payout[field].to_string(), str::to_owned)
}

pub(crate) fn deadline() -> Instant {
    clock::instant() + PATIENCE
}

pub(crate) async fn pause(over: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(Duration::from_secs(1)) => (),
        _ = over.wait_for(|over| *over) => (),
    }
}
