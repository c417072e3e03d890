//! The two paths that no vendor has: the ledger for judges, and the control of faults and payments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::faults::FaultProfile;
use crate::http::{Answer, Request};
use crate::ledger::{Payment, Standing};
use crate::shared::Shared;

/// The payments of one key of the service, as a judge counts them.
#[derive(Debug, Default, Serialize)]
struct OfKey {
    /// Payments that were paid and are not returned.
    paid: u32,
    /// Payments that were paid and returned.
    returned: u32,
    /// Payments that may still be paid.
    open: u32,
    /// Payments that were never paid and will not be.
    unpaid: u32,
}

/// A command.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// The faults from now on: a name, or a whole profile.
    Faults(Faults),
    /// The URL to which notifications are pushed from now on.
    Notify(Option<String>),
    /// Ends the payment of a key.
    Settle(Ended),
    /// Returns the payment of a key.
    Return(Ended),
    /// Declines the payment of a key.
    Decline(Ended),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    Named(String),
    Profile(Box<FaultProfile>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    /// Absent: the latest payment that can end so.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

/// Handles a request to one of the two paths. `None` for any other.
pub(crate) async fn answer(request: &Request, shared: &Shared) -> Option<Answer> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_ledger") => Some(ledger(shared)),
        ("POST", "/_control") => Some(command(request, shared).await),
        _ => None,
    }
}

fn ledger(shared: &Shared) -> Answer {
    let payments = shared.ledger().payments();
    let mut keys: BTreeMap<&str, OfKey> = BTreeMap::new();
    for payment in &payments {
        let counts = keys.entry(&payment.key).or_default();
        let count = match payment.standing {
            Standing::Accepted => &mut counts.open,
            Standing::Paid => &mut counts.paid,
            Standing::Returned => &mut counts.returned,
            Standing::Declined | Standing::Refused => &mut counts.unpaid,
        };
        *count += 1;
    }
    Answer::json(200, &json!({"keys": keys, "payments": payments}))
}

async fn command(request: &Request, shared: &Shared) -> Answer {
    let refused = |why: &str| Answer::json(400, &json!({"error": why}));
    let Some(command) = request.json::<Command>() else {
        return refused("not a command");
    };
    match command {
        Command::Faults(Faults::Named(name)) => match FaultProfile::named(&name) {
            Some(faults) => shared.set_faults(faults),
            None => return refused("no profile of this name"),
        },
        Command::Faults(Faults::Profile(faults)) => shared.set_faults(*faults),
        Command::Notify(url) => shared.set_notify_url(url),
        Command::Settle(Ended { key, code }) => return end(shared, key, Standing::Paid, code).await,
        Command::Return(Ended { key, code }) => return end(shared, key, Standing::Returned, code).await,
        Command::Decline(Ended { key, code }) => return end(shared, key, Standing::Declined, code).await,
    }
    Answer::json(200, &json!({}))
}

async fn end(shared: &Shared, key: Option<String>, standing: Standing, code: Option<String>) -> Answer {
    let payments = match key {
        Some(key) => shared.ledger().by_key(&key),
        None => shared.ledger().payments(),
    };
    match end_one(shared, payments, standing, code.as_deref()).await {
        Some(payment) => Answer::json(200, &json!({"payment": payment})),
        None => Answer::json(409, &json!({"error": "no such payment can change so"})),
    }
}

/// Changes the last payment of a key that can change so, and notifies.
pub(crate) async fn end_payment(
    shared: &Shared,
    key: &str,
    standing: Standing,
    code: Option<&str>,
) -> Option<Payment> {
    end_one(shared, shared.ledger().by_key(key), standing, code).await
}

/// Changes the last of these payments that can change so, and notifies.
async fn end_one(
    shared: &Shared,
    payments: Vec<Payment>,
    standing: Standing,
    code: Option<&str>,
) -> Option<Payment> {
    for payment in payments.into_iter().rev() {
        if let Some(changed) = shared.ledger().change(&payment.id, standing, code).await {
            shared.notify(&changed);
            return Some(changed);
        }
    }
    None
}
