//! The stand-in for Stripe Connect transfers.
//!
//! It keeps these rules of Stripe's: a transfer is made, or not, by one request and has no status; the first answer to a
//! key is stored and replayed, errors included, unless the request was refused before its execution; another body under
//! the same key is an error; two requests with one key at the same time conflict; a transfer is reversed later.

mod answers;
mod create;
mod event;
mod running;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use self::running::Running;
use crate::faults::CallFault;
use crate::http::{Answer, Delivery, Reply, Request};
use crate::ledger::{Payment, Standing};
use crate::notifier::Push;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::vendor::Vendor;

/// The secret key that the stand-in accepts.
pub const SECRET_KEY: &str = "sk_live_stand_in";
/// The signing secret of its events.
pub const SIGNING_SECRET: &str = "whsec_stand_in";
/// The connected accounts that cannot be paid, with the code of the refusal.
pub const UNPAYABLE: &[(&str, &str)] = &[
    ("acct_missing", "resource_missing"),
    ("acct_restricted", "insufficient_capabilities_for_transfer"),
    ("acct_closed", "account_closed"),
];

/// The rules of Stripe Connect transfers.
#[derive(Debug)]
pub struct Stripe {
    /// The time that the execution of a creation takes.
    pub takes: Duration,
    /// The time until a list shows a new transfer.
    pub list_lags: Duration,
    /// The balance in each currency, in its smallest unit. Absent: without limit.
    pub balance: Mutex<Option<u128>>,
    running: Running,
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            takes: Duration::ZERO,
            list_lags: Duration::ZERO,
            balance: Mutex::new(None),
            running: Running::default(),
        }
    }
}

#[async_trait]
impl Vendor for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn setup(&self, url: &str) -> Setup {
        Setup {
            keys: vec![("url", url.to_owned())],
            files: vec![
                ("secret_key_file", SECRET_KEY.to_owned()),
                ("notification_key_file", SIGNING_SECRET.to_owned()),
            ],
        }
    }

    async fn answer(&self, request: Request, shared: &Shared) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {SECRET_KEY}")) {
            return answers::error(
                401,
                "invalid_request_error",
                None,
                None,
                "Invalid API key provided.",
            )
            .into();
        }
        if request.header("stripe-version").is_none() {
            return answers::error(400, "invalid_request_error", None, None, "Pin the version.").into();
        }
        match (
            request.method.as_str(),
            request.path.strip_prefix("/v1/transfers"),
        ) {
            ("POST", Some("")) => self.create(&request, shared).await,
            ("GET", Some("")) => self.list(&request, shared),
            ("GET", None) if request.path == "/v1/balance" => answers::balance().into(),
            ("GET", Some(path)) => one(path.trim_start_matches('/'), shared),
            _ => answers::unknown_url().into(),
        }
    }

    fn notification(&self, payment: &Payment, forged: bool) -> Option<Push> {
        event::of(payment, forged)
    }
}

impl Stripe {
    /// Answers a list by its group. A new transfer appears in it late, if the stand-in is set so.
    fn list(&self, request: &Request, shared: &Shared) -> Reply {
        let group = request.parameter("transfer_group").unwrap_or_default();
        let fault = shared.fault_of_question(group);
        let now = crate::clock::now();
        let is_shown = |payment: &Payment| {
            (now - payment.created_at)
                .to_std()
                .is_ok_and(|age| age >= self.list_lags)
        };
        let limit = request
            .parameter("limit")
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(10);
        let mut transfers: Vec<Payment> = shared.ledger().by_key(group);
        transfers.retain(|payment| is_transfer(payment) && is_shown(payment));
        transfers.reverse();
        disturbed(fault, || answers::list(&transfers, limit))
    }
}

fn one(id: &str, shared: &Shared) -> Reply {
    match shared.ledger().by_id(id).filter(is_transfer) {
        Some(payment) => disturbed(shared.fault_of_question(&payment.key), || {
            Answer::json(200, &answers::transfer(&payment))
        }),
        None => answers::missing("transfer", id, "id").into(),
    }
}

/// Returns whether a payment of the ledger is a transfer: refused ones were never made.
fn is_transfer(payment: &Payment) -> bool {
    match payment.standing {
        Standing::Paid | Standing::Returned => true,
        Standing::Accepted | Standing::Declined | Standing::Refused => false,
    }
}

/// Gives the answer to a question with a fault.
fn disturbed(fault: CallFault, answer: impl FnOnce() -> Answer) -> Reply {
    let (answer, delivery) = match fault {
        CallFault::ErrorBefore(status) | CallFault::ErrorAfter(status) => {
            (answers::server_error(status), Delivery::Whole)
        }
        CallFault::Throttle(wait) => (answers::throttled(wait), Delivery::Whole),
        CallFault::LoseAnswer | CallFault::Reset => (answer(), Delivery::Lost),
        CallFault::CutAnswer => (answer(), Delivery::Cut),
        CallFault::Hang => (answer(), Delivery::Hang),
        CallFault::None | CallFault::StoredError(_) | CallFault::Conflict => (answer(), Delivery::Whole),
    };
    Reply { answer, delivery }
}
