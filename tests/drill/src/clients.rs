//! Clients: each creates a payout under its own key, repeats the call while the outcome is unknown, and may then change
//! its mind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::{Answer, Api, Call};
use crate::chance::Chance;
use crate::judge::Told;
use crate::settings::Settings;
use crate::vendors::{Payee, Providers, payee};

pub(crate) const PAYOUTS: &str = "/api/payouts/";

/// Every answer that clients received.
#[derive(Clone)]
pub(crate) struct Notes<T = Told>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Notes<T> {
    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn add(&self, told: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

/// Starts clients evenly over a time, and returns when each has ended.
pub(crate) async fn evenly<F>(count: u64, during: Duration, mut client: impl FnMut(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = crate::clock::instant();
    let mut clients = JoinSet::new();
    for number in 0..count {
        let part = f64::from(u32::try_from(number).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        sleep_until(start + during.mul_f64(part)).await;
        clients.spawn(client(number));
        while clients.try_join_next().is_some() {}
    }
    while clients.join_next().await.is_some() {}
}

/// A client's action after its create.
#[derive(Clone, Copy)]
enum Whim {
    Nothing,
    /// Sends the identical create again.
    Repeat,
    Cancel,
    Edit,
    Delete,
    /// Asks for the status `pending`, which is illegal or harmless in every state.
    Retry,
}

/// Creates payouts, evenly over the time of the faults. Returns when every create has been answered or has given up at
/// `until`.
pub(crate) async fn run(api: Arc<Api>, notes: Notes, settings: &Settings, until: Instant) {
    let (seed, count, providers) = (settings.seed, settings.payouts, settings.providers);
    // The last payouts are created while the faults last.
    let during = settings.faults_for.saturating_sub(Duration::from_secs(1));
    evenly(count, during, |number| {
        let (api, notes) = (api.clone(), notes.clone());
        async move { notes.add(client(&api, seed, providers, number, until).await) }
    })
    .await;
}

async fn client(api: &Api, seed: u64, providers: Providers, number: u64, until: Instant) -> Told {
    let mut chance = Chance::of(seed, &format!("client/{number}"));
    let Payee { currency, recipient } = payee(providers, &mut chance, number);
    let amount = match currency {
        "JPY" => chance.between(1, 90_000).to_string(),
        "BHD" => format!("{}.{:03}", chance.between(1, 900), chance.between(0, 999)),
        _ => format!("{}.{:02}", chance.between(1, 900), chance.between(0, 99)),
    };
    let description = format!("drill {number}");
    let mut body = json!({"amount": amount, "currency": currency, "description": description});
    match &recipient {
        Some(recipient) => body["recipient"] = recipient.clone(),
        None => {
            body["recipient_account"] = json!(format!("DRILL{number:08}"));
            body["recipient_name"] = json!(format!("Recipient {number}"));
        }
    }
    let create = Call::new(Method::POST, PAYOUTS)
        .header("Idempotency-Key", format!("create-{seed}-{number}"))
        .body(body);
    let mut told = Told {
        description,
        ..Told::default()
    };
    let Some((id, answer)) = ask_for_one(api, &create, &mut told, until).await else {
        return told;
    };
    let whim = chance.weighed(&[
        (680, Whim::Nothing),
        (60, Whim::Repeat),
        (90, Whim::Cancel),
        (90, Whim::Edit),
        (60, Whim::Delete),
        (20, Whim::Retry),
    ]);
    // Half of the clients act immediately, to race with the worker's first claim.
    if chance.permille(500) {
        sleep(Duration::from_millis(chance.between(0, 4000))).await;
    }
    let path = format!("{PAYOUTS}{id}/");
    match whim {
        Whim::Nothing => (),
        Whim::Repeat => {
            ask_for_one(api, &create, &mut told, until).await;
        }
        Whim::Cancel => {
            let cancel = Call::new(Method::POST, format!("{path}cancel/"));
            told.cancelled = api
                .ask(&cancel, until)
                .await
                .is_ok_and(|answer| answer.status == 200);
        }
        Whim::Edit => {
            let name = format!("Somebody Else {number}");
            let change = match recipient {
                Some(mut recipient) => {
                    recipient["name"] = json!(name);
                    json!({"recipient": recipient})
                }
                None => json!({"recipient_name": name}),
            };
            let mut edit = Call::new(Method::PATCH, path).body(change);
            if let Some(etag) = answer.etag.filter(|_| chance.permille(500)) {
                edit = edit.header("If-Match", etag);
            }
            if api
                .ask(&edit, until)
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                told.renamed = Some(name);
            }
        }
        Whim::Delete => {
            let delete = Call::new(Method::DELETE, path);
            // A repeated delete finds nothing: the first one did it.
            told.deleted = api
                .ask(&delete, until)
                .await
                .is_ok_and(|answer| answer.status == 204 || (answer.repeated && answer.status == 404));
        }
        Whim::Retry => {
            let retry = Call::new(Method::PATCH, path).body(json!({"status": "pending"}));
            let _ = api.ask(&retry, until).await;
        }
    }
    told
}

/// Sends a create until it is acknowledged.
async fn ask_for_one(api: &Api, create: &Call, told: &mut Told, until: Instant) -> Option<(String, Answer)> {
    match api.ask(create, until).await {
        Ok(answer) if answer.status == 201 => {
            let id = answer.body["id"].as_str().unwrap_or_default().to_owned();
            told.ids.insert(id.clone());
            Some((id, answer))
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
