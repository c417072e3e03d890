//! The stand-in for Adyen's Transfers API, version 4.
//!
//! - A repetition under an `Idempotency-Key` is answered with the **first answer**, even once the transfer is booked.
//!   While the first request runs, and for another body, it is refused with 422. Without the header, every request is
//!   a new transfer.
//! - Every new transfer is `received`. It is authorised and booked afterwards; `booked` is not final.
//! - A transfer that the balance cannot cover is created as `refused`, and keeps its key.
//! - The list needs both dates, at most six months apart, and shows ten transfers a page.

mod problem;
mod request;
mod signature;
mod transfer;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::clock;
use crate::faults::{CallFault, Course, Ending};
use crate::http::{Answer, Delivery, Reply, Request};
use crate::ledger::{Creation, NewPayment, Payment, Planned, Standing};
use crate::notifier::Push;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::vendor::Vendor;

/// The path of the API.
pub const PATH: &str = "/btl/v4";
/// The API key that is taken.
pub const API_KEY: &str = "stand-in";
/// The balance account that exists.
pub const BALANCE_ACCOUNT: &str = "BA00000000000000000000001";
/// The hexadecimal key that signs the notifications.
pub const NOTIFICATION_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

/// Reasons with which banks refuse transfers.
const DECLINES: [&str; 4] = [
    "counterpartyAccountClosed",
    "counterpartyAccountNotFound",
    "counterpartyAccountBlocked",
    "refusedByCounterpartyBank",
];

/// The rules of Adyen's Transfers API.
#[derive(Debug, Default)]
pub struct Adyen {
    /// The idempotency keys of the requests that are running.
    running: Mutex<HashSet<String>>,
    /// The number of creations in this process.
    creations: AtomicU64,
}

#[async_trait]
impl Vendor for Adyen {
    fn name(&self) -> &'static str {
        "adyen"
    }

    fn setup(&self, url: &str) -> Setup {
        Setup {
            keys: vec![
                ("url", format!("{url}{PATH}")),
                ("balance_account", BALANCE_ACCOUNT.to_owned()),
            ],
            files: vec![
                ("api_key_file", API_KEY.to_owned()),
                ("notification_key_file", NOTIFICATION_KEY.to_owned()),
            ],
        }
    }

    async fn answer(&self, request: Request, shared: &Shared) -> Reply {
        if request.header("x-api-key") != Some(API_KEY) {
            return problem::unauthorized().into();
        }
        if let Some(account) = request.path.strip_prefix("/bcl/v2/balanceAccounts/") {
            return balance_account(account).into();
        }
        let Some(path) = request.path.strip_prefix(PATH) else {
            return problem::not_found().into();
        };
        match (request.method.as_str(), path.strip_prefix("/transfers")) {
            ("POST", Some("")) => self.create(&request, shared).await,
            ("GET", Some("")) => list(&request, shared),
            ("GET", Some(id)) => find(id.trim_start_matches('/'), shared),
            _ => problem::not_found().into(),
        }
    }

    fn notification(&self, payment: &Payment, forged: bool) -> Option<Push> {
        let kind = match payment.sequence {
            1 => "balancePlatform.transfer.created",
            _ => "balancePlatform.transfer.updated",
        };
        let body = json!({
            "data": transfer::data(payment),
            "environment": "test",
            "timestamp": clock::now().to_rfc3339(),
            "type": kind,
        });
        Some(signature::signed(body.to_string().into_bytes(), forged))
    }
}

impl Adyen {
    async fn create(&self, request: &Request, shared: &Shared) -> Reply {
        let asked = match request::Asked::read(request) {
            Ok(asked) => asked,
            Err(refused) => return refused.into(),
        };
        let key = asked.key();
        shared.name_key(&key, asked.name());
        let fault = shared.fault_of_creation(&key);
        if let Some(reply) = before(fault) {
            return reply;
        }
        let idempotency = request.header("idempotency-key").map(str::to_owned);
        let _running = match &idempotency {
            Some(key) => match self.run(key) {
                Some(running) => Some(running),
                None => return problem::in_progress().into(),
            },
            None => None,
        };
        after(fault, self.execute(&asked, idempotency, shared).await)
    }

    /// Marks a key as running, unless it is.
    fn run<'a>(&'a self, key: &str) -> Option<Running<'a>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(key.to_owned()).then(|| Running {
            keys: &self.running,
            key: key.to_owned(),
        })
    }

    async fn execute(&self, asked: &request::Asked, idempotency: Option<String>, shared: &Shared) -> Answer {
        let ledger = shared.ledger();
        if let Some(known) = idempotency.as_deref().and_then(|key| ledger.by_idempotency(key))
            && known.detail["request"] != asked.body
        {
            return problem::another_body();
        }
        let key = asked.key();
        let nth = self.creations.fetch_add(1, Ordering::Relaxed);
        let seed = format!("transfer/{}/{nth}/{key}", ledger.count());
        let payment = new_payment(asked, idempotency, shared.course_of(&key), shared.chance(&seed));
        match ledger.create(payment).await {
            Creation::New(payment) => {
                shared.notify(&payment);
                Answer::json(202, &payment.detail["first"])
            }
            Creation::Repeated(payment) => Answer::json(202, &payment.detail["first"]),
        }
    }
}

/// A key of a running request, until it is dropped.
struct Running<'a> {
    keys: &'a Mutex<HashSet<String>>,
    key: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}

fn new_payment(
    asked: &request::Asked,
    idempotency: Option<String>,
    course: Course,
    mut chance: Chance,
) -> NewPayment {
    let key = asked.key();
    let id = format!("{:016X}", chance.draw());
    let decline = DECLINES[chance.index(DECLINES.len())];
    let now = clock::now();
    let settled = now + course.settles_after.unwrap_or(Duration::ZERO);
    let planned = |at, standing, code: Option<&str>| Planned {
        at,
        standing,
        code: code.map(str::to_owned),
    };
    let paid = planned(settled, Standing::Paid, None);
    let (standing, code, plan) = match course.ending {
        Ending::Paid => (Standing::Accepted, None, vec![paid]),
        Ending::Declined => (
            Standing::Accepted,
            None,
            vec![planned(settled, Standing::Declined, Some(decline))],
        ),
        Ending::NoFunds => (Standing::Refused, Some("notEnoughBalance".to_owned()), Vec::new()),
        Ending::Returned { after } => {
            let returned = planned(settled + after, Standing::Returned, Some(decline));
            (Standing::Accepted, None, vec![paid, returned])
        }
    };
    let first = transfer::first(&id, asked, standing, code.as_deref());
    NewPayment {
        id,
        key,
        idempotency,
        amount: asked.amount.value.to_string(),
        currency: asked.amount.currency.clone(),
        recipient: asked.recipient(),
        standing,
        code,
        plan,
        detail: json!({"request": asked.body, "first": first}),
    }
}

/// Returns the reply to a call that is not carried out because of a fault.
fn before(fault: CallFault) -> Option<Reply> {
    match fault {
        CallFault::Reset => Some(Reply {
            answer: problem::internal(500),
            delivery: Delivery::Lost,
        }),
        CallFault::ErrorBefore(status) | CallFault::StoredError(status) => {
            Some(problem::internal(status).into())
        }
        CallFault::Conflict => Some(problem::in_progress().into()),
        CallFault::Throttle(wait) => {
            let seconds = wait.as_secs().to_string();
            Some(problem::throttled().with_header("Retry-After", &seconds).into())
        }
        CallFault::None
        | CallFault::LoseAnswer
        | CallFault::CutAnswer
        | CallFault::Hang
        | CallFault::ErrorAfter(_) => None,
    }
}

/// Returns the reply to a call that was carried out.
fn after(fault: CallFault, answer: Answer) -> Reply {
    let delivery = match fault {
        CallFault::LoseAnswer => Delivery::Lost,
        CallFault::CutAnswer => Delivery::Cut,
        CallFault::Hang => Delivery::Hang,
        CallFault::ErrorAfter(status) => return problem::internal(status).into(),
        CallFault::None
        | CallFault::Reset
        | CallFault::ErrorBefore(_)
        | CallFault::StoredError(_)
        | CallFault::Conflict
        | CallFault::Throttle(_) => Delivery::Whole,
    };
    Reply { answer, delivery }
}

/// Answers with the balance account, whose balances no transfer changes here.
fn balance_account(id: &str) -> Answer {
    if id != BALANCE_ACCOUNT {
        return problem::not_found();
    }
    let of = |currency: &str| json!({"available": 100_000_000, "balance": 100_000_000, "currency": currency, "reserved": 0});
    let balances = [of("EUR"), of("USD")];
    Answer::json(
        200,
        &json!({"id": id, "defaultCurrencyCode": "EUR", "balances": balances, "status": "active"}),
    )
}

fn list(request: &Request, shared: &Shared) -> Reply {
    let asked = match request::Listing::read(request) {
        Ok(asked) => asked,
        Err(refused) => return refused.into(),
    };
    let fault = shared.fault_of_question(asked.key.as_deref().unwrap_or_default());
    if let Some(reply) = before(fault) {
        return reply;
    }
    let payments = match &asked.key {
        Some(key) => shared.ledger().by_key(key),
        None => shared.ledger().payments(),
    };
    let within = |payment: &&Payment| (asked.since..=asked.until).contains(&payment.created_at);
    let matching: Vec<&Payment> = payments.iter().filter(within).collect();
    let page: Vec<Value> = matching
        .iter()
        .skip(asked.cursor)
        .take(asked.limit)
        .map(|payment| transfer::data(payment))
        .collect();
    let shown = asked.cursor + page.len();
    let mut body = json!({"data": page});
    if shown < matching.len() {
        body["_links"] = json!({"next": {"href": format!("{PATH}/transfers?cursor={shown}")}});
    }
    after(fault, Answer::json(200, &body))
}

fn find(id: &str, shared: &Shared) -> Reply {
    let payment = shared.ledger().by_id(id);
    let key = payment.as_ref().map_or("", |payment| payment.key.as_str());
    let fault = shared.fault_of_question(key);
    if let Some(reply) = before(fault) {
        return reply;
    }
    let answer = match &payment {
        Some(payment) => Answer::json(200, &transfer::data(payment)),
        None => problem::not_found(),
    };
    after(fault, answer)
}

#[cfg(test)]
mod tests;
