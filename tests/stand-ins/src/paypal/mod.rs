//! The stand-in for PayPal Payouts v1.
//!
//! It keeps PayPal's rules, the awkward ones too: only `sender_batch_id` keeps a payment from being made twice, and
//! neither `PayPal-Request-Id` nor `sender_item_id` does; a repeat is refused with a link to the first batch, or, as old
//! reports say, without one; a batch is never paid in the answer to its creation, and its own status says nothing of its
//! item; a lack of funds is answered at once without keeping the batch, or shown later by a batch that was denied.

mod batch;
mod create;
mod event;
mod problem;
mod random;
mod signing;
mod token;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use serde_json::json;

use self::signing::Signing;
use self::token::Tokens;
use crate::faults::CallFault;
use crate::http::{Answer, Delivery, Reply, Request};
use crate::ledger::{Payment, Standing};
use crate::notifier::Push;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::vendor::Vendor;

/// The id of the webhook whose notifications the stand-in signs.
pub const WEBHOOK_ID: &str = "0STANDIN00000001W";

/// The client secret that the stand-in refuses.
pub const WRONG_SECRET: &str = "wrong";

const PAYOUTS: &str = "/v1/payments/payouts";
const ITEMS: &str = "/v1/payments/payouts-item/";
const CERTIFICATES: &str = "/v1/notifications/certs/";

/// The rules of PayPal Payouts v1. Clones share their state.
#[derive(Clone, Default)]
pub struct PayPal(Arc<State>);

#[derive(Default)]
struct State {
    tokens: Tokens,
    signing: Signing,
    /// The origin under which the stand-in was last called, for the links in answers and notifications.
    origin: Mutex<String>,
    without_links: AtomicBool,
    /// The keys that were refused for lack of funds, and how often.
    unfunded: Mutex<HashMap<String, u32>>,
}

impl PayPal {
    /// Sets whether the refusal of a repeat has no link to the first batch.
    pub fn set_without_links(&self, without: bool) {
        self.0.without_links.store(without, Ordering::Relaxed);
    }

    /// Makes all access tokens invalid.
    pub fn revoke_tokens(&self) {
        self.0.tokens.revoke();
    }

    /// Returns the number of access tokens that were granted.
    pub fn granted_tokens(&self) -> usize {
        self.0.tokens.granted()
    }

    /// Returns the root certificate of the notifications' signatures, as PEM.
    pub fn root(&self) -> String {
        self.0.signing.root()
    }

    /// Builds the genuine notification of a payment as it is now.
    pub fn notification_of(&self, payment: &Payment) -> Push {
        event::of(self, payment, false)
    }

    fn origin(&self) -> String {
        self.0
            .origin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn see_origin(&self, request: &Request) {
        if let Some(host) = request.header("host") {
            *self.0.origin.lock().unwrap_or_else(PoisonError::into_inner) = format!("http://{host}");
        }
    }

    /// Returns whether this refusal of a key for lack of funds is its first.
    fn is_first_refusal(&self, key: &str) -> bool {
        let mut unfunded = self.0.unfunded.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = unfunded.entry(key.to_owned()).or_default();
        *refusals += 1;
        *refusals == 1
    }

    async fn create(&self, request: &Request, shared: &Shared) -> Reply {
        let order = match create::read(request) {
            Ok(order) => order,
            Err(answer) => return answer.into(),
        };
        let fault = shared.fault_of_creation(order.name());
        if let Some(answer) = before(fault) {
            return answer;
        }
        let answer = create::create(self, order, shared, fault == CallFault::Conflict).await;
        after(fault, answer)
    }

    async fn question(&self, request: &Request, shared: &Shared) -> Reply {
        let path = request.path.as_str();
        let found = match (path.strip_prefix(PAYOUTS), path.strip_prefix(ITEMS)) {
            (_, Some(item)) => batch::by_item(shared.ledger(), item.trim_end_matches("/cancel")),
            (Some(id), None) => shared.ledger().by_id(id.trim_start_matches('/')),
            (None, None) => None,
        };
        let Some(payment) = found else {
            return problem::not_found().into();
        };
        let fault = shared.fault_of_question(&payment.key);
        if let Some(answer) = before(fault) {
            return answer;
        }
        let answer = match request.method.as_str() {
            "POST" => self.cancel(&payment, shared).await,
            _ if path.starts_with(ITEMS) => Answer::json(200, &batch::item(self, &payment)),
            _ => Answer::json(200, &batch::batch(self, &payment)),
        };
        after(fault, answer)
    }

    /// Cancels an unclaimed item.
    async fn cancel(&self, payment: &Payment, shared: &Shared) -> Answer {
        if batch::status(payment) != "UNCLAIMED" {
            return problem::answer(400, "ITEM_INCORRECT_STATUS", &[]);
        }
        let changed = shared
            .ledger()
            .change(&payment.id, Standing::Returned, Some("RETURNED"))
            .await;
        match changed {
            Some(payment) => {
                shared.notify(&payment);
                Answer::json(200, &batch::item(self, &payment))
            }
            None => problem::answer(400, "ITEM_INCORRECT_STATUS", &[]),
        }
    }
}

#[async_trait]
impl Vendor for PayPal {
    fn name(&self) -> &'static str {
        "paypal"
    }

    fn setup(&self, url: &str) -> Setup {
        Setup {
            keys: vec![
                ("url", url.to_owned()),
                ("client_id", "stand-in".to_owned()),
                ("webhook_id", WEBHOOK_ID.to_owned()),
                ("test_certificates_url", url.to_owned()),
            ],
            files: vec![
                ("client_secret_file", "stand-in".to_owned()),
                ("test_certificates_file", self.root()),
            ],
        }
    }

    async fn answer(&self, request: Request, shared: &Shared) -> Reply {
        self.see_origin(&request);
        let (method, path) = (request.method.as_str(), request.path.as_str());
        match (method, path) {
            ("POST", "/v1/oauth2/token") => self.0.tokens.grant(&request).into(),
            ("GET", "/_root") => text(self.root()).into(),
            ("GET", path) if path.starts_with(CERTIFICATES) => self.certificate(path).into(),
            _ if !self.0.tokens.accepts(&request) => problem::unauthorized().into(),
            ("GET", "/v1/reporting/balances") => balances().into(),
            ("POST", PAYOUTS) => self.create(&request, shared).await,
            ("GET", path) if path.starts_with(PAYOUTS) => self.question(&request, shared).await,
            ("POST", path) if path.starts_with(ITEMS) && path.ends_with("/cancel") => {
                self.question(&request, shared).await
            }
            _ => problem::not_found().into(),
        }
    }

    fn notification(&self, payment: &Payment, forged: bool) -> Option<Push> {
        Some(event::of(self, payment, forged))
    }
}

impl PayPal {
    fn certificate(&self, path: &str) -> Answer {
        match self.0.signing.certificate(path.trim_start_matches(CERTIFICATES)) {
            Some(pem) => text(pem),
            None => problem::not_found(),
        }
    }
}

/// Answers with balances that no payout changes here.
fn balances() -> Answer {
    let money = |currency: &str, value: &str| json!({"currency_code": currency, "value": value});
    let of = |currency: &str| {
        json!({
            "currency": currency, "total_balance": money(currency, "1000000.00"),
            "available_balance": money(currency, "1000000.00"), "withheld_balance": money(currency, "0.00"),
        })
    };
    Answer::json(200, &json!({"balances": [of("EUR"), of("USD")]}))
}

fn text(body: String) -> Answer {
    Answer {
        status: 200,
        headers: vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())],
        body: body.into_bytes(),
    }
}

/// Returns the reply to a call that is not carried out.
fn before(fault: CallFault) -> Option<Reply> {
    match fault {
        CallFault::Reset => Some(Reply {
            answer: problem::answer(500, "INTERNAL_ERROR", &[]),
            delivery: Delivery::Lost,
        }),
        CallFault::ErrorBefore(status) => Some(problem::answer(status, "INTERNAL_ERROR", &[]).into()),
        CallFault::Throttle(wait) => {
            let answer = problem::answer(429, "RATE_LIMIT_REACHED", &[]);
            Some(
                answer
                    .with_header("Retry-After", &wait.as_secs().to_string())
                    .into(),
            )
        }
        CallFault::None
        | CallFault::LoseAnswer
        | CallFault::CutAnswer
        | CallFault::Hang
        | CallFault::ErrorAfter(_)
        | CallFault::StoredError(_)
        | CallFault::Conflict => None,
    }
}

/// Returns the reply to a call that was carried out. PayPal stores no errors.
fn after(fault: CallFault, answer: Answer) -> Reply {
    let (answer, delivery) = match fault {
        CallFault::LoseAnswer => (answer, Delivery::Lost),
        CallFault::CutAnswer => (answer, Delivery::Cut),
        CallFault::Hang => (answer, Delivery::Hang),
        CallFault::ErrorAfter(status) | CallFault::StoredError(status) => {
            (problem::answer(status, "INTERNAL_ERROR", &[]), Delivery::Whole)
        }
        CallFault::None
        | CallFault::Conflict
        | CallFault::Reset
        | CallFault::ErrorBefore(_)
        | CallFault::Throttle(_) => (answer, Delivery::Whole),
    };
    Reply { answer, delivery }
}
