//! Clients that send batches, and the people who approve what they contain.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Call};
use crate::chance::Chance;
use crate::clients::{Notes, PAYOUTS, evenly};
use crate::operators::{deadline, list, pause, text};
use crate::settings::Settings;
use crate::vendors::{Payee, payee};

const BATCHES: &str = "/api/batches/";

/// The currencies in which an amount of [`APPROVED_FROM`] or more needs an approval.
pub(crate) const APPROVED_CURRENCIES: [&str; 4] = ["EUR", "USD", "GBP", "BHD"];
/// The smallest amount that needs an approval.
pub(crate) const APPROVED_FROM: u64 = 1_000;

/// Returns the rule of approvals, as the service's setting.
pub(crate) fn approvals() -> String {
    APPROVED_CURRENCIES
        .map(|currency| format!("{currency}={APPROVED_FROM}:1"))
        .join(",")
}

/// The answers that a client received about one batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToldBatch {
    pub(crate) external_id: String,
    pub(crate) payouts: usize,
    /// Every id that it was answered with.
    pub(crate) ids: HashSet<String>,
    /// The reason why it was never acknowledged, if so.
    pub(crate) unanswered: Option<String>,
}

/// Sends batches, evenly over the time of the faults. Returns when every batch has been answered or has given up at
/// `until`.
pub(crate) async fn run(api: Arc<Api>, notes: Notes<ToldBatch>, settings: &Settings, until: Instant) {
    let during = settings.faults_for.saturating_sub(Duration::from_secs(2));
    evenly(settings.batches, during, |number| {
        let (api, notes, settings) = (api.clone(), notes.clone(), settings.clone());
        async move { notes.add(client(&api, &settings, number, until).await) }
    })
    .await;
}

/// A client's action after its batch.
#[derive(Clone, Copy)]
enum Whim {
    Nothing,
    /// Sends the identical batch again.
    Repeat,
    Cancel,
    Retry,
}

async fn client(api: &Api, settings: &Settings, number: u64, until: Instant) -> ToldBatch {
    let mut chance = Chance::of(settings.seed, &format!("batch/{number}"));
    let rows = chance.between(5, 60);
    let payouts: Vec<Value> = (0..rows)
        .map(|row| payout(settings, &mut chance, number, row))
        .collect();
    let mut told = ToldBatch {
        external_id: format!("drill-{}-{number}", settings.seed),
        payouts: payouts.len(),
        ..ToldBatch::default()
    };
    let send = Call::new(Method::POST, BATCHES).body(json!({
        "external_id": told.external_id, "description": format!("batch {number}"), "payouts": payouts,
    }));
    let Some(id) = send_until_answered(api, &send, &mut told, until).await else {
        return told;
    };
    let whim = chance.weighed(&[
        (600, Whim::Nothing),
        (150, Whim::Repeat),
        (150, Whim::Cancel),
        (100, Whim::Retry),
    ]);
    sleep(Duration::from_millis(chance.between(0, 3000))).await;
    match whim {
        Whim::Nothing => (),
        Whim::Repeat => {
            send_until_answered(api, &send, &mut told, until).await;
        }
        Whim::Cancel => {
            let _ = api
                .ask(&Call::new(Method::POST, format!("{BATCHES}{id}/cancel/")), until)
                .await;
        }
        Whim::Retry => {
            let _ = api
                .ask(&Call::new(Method::POST, format!("{BATCHES}{id}/retry/")), until)
                .await;
        }
    }
    told
}

fn payout(settings: &Settings, chance: &mut Chance, batch: u64, row: u64) -> Value {
    // The payees of batches are others than those of single payouts.
    let number = 1_000_000 + batch * 1_000 + row;
    let Payee { currency, recipient } = payee(settings.providers, chance, number);
    let units = if chance.permille(400) {
        chance.between(APPROVED_FROM, 3 * APPROVED_FROM)
    } else {
        chance.between(1, 900)
    };
    let amount = if currency == "JPY" {
        units.to_string()
    } else {
        format!("{units}.{:02}", chance.between(0, 99))
    };
    let recipient = recipient.unwrap_or_else(
        || json!({"type": "account", "name": format!("Recipient {number}"), "account": format!("DRILL{number:08}")}),
    );
    json!({"amount": amount, "currency": currency, "recipient": recipient,
        "description": format!("batch {batch} row {row}")})
}

async fn send_until_answered(api: &Api, send: &Call, told: &mut ToldBatch, until: Instant) -> Option<String> {
    match api.ask(send, until).await {
        Ok(answer) if matches!(answer.status, 200 | 201) => {
            let id = answer.body["batch"]["id"].as_str()?.to_owned();
            told.ids.insert(id.clone());
            Some(id)
        }
        Ok(answer) => {
            told.unanswered = Some(format!("refused with {}: {}", answer.status, answer.body));
            None
        }
        Err(why) => {
            told.unanswered = Some(why);
            None
        }
    }
}

/// Approves whatever awaits it until stopped: payouts of a batch together, or each by itself.
pub(crate) async fn approve(api: Arc<Api>, seed: u64, mut over: watch::Receiver<bool>) -> u64 {
    let mut approved = 0;
    while !*over.borrow_and_update() {
        let mut batches = HashSet::new();
        let mut steps = JoinSet::new();
        for payout in list(&api, "status=awaiting_approval").await {
            let batch = payout["batch_id"].as_str().unwrap_or_default().to_owned();
            // This name is the same in every run of a seed.
            let whole = Chance::of(seed, &format!("approve/{batch}")).permille(500);
            let path = if batch.is_empty() || !whole {
                format!("{PAYOUTS}{}/approve/", text(&payout, "id"))
            } else if batches.insert(batch.clone()) {
                format!("{BATCHES}{batch}/approve/")
            } else {
                continue;
            };
            let api = api.clone();
            steps.spawn(async move { api.ask(&Call::new(Method::POST, path), deadline()).await });
        }
        while let Some(step) = steps.join_next().await {
            approved += u64::from(matches!(step, Ok(Ok(answer)) if answer.status == 200));
        }
        pause(&mut over).await;
    }
    approved
}
