//! The creation of a transfer, with Stripe's idempotency.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::{Value, json};

use super::{Stripe, UNPAYABLE, answers};
use crate::clock;
use crate::faults::{CallFault, Ending};
use crate::http::{Answer, Delivery, Reply, Request};
use crate::ledger::{NewPayment, Planned, Standing, StoredAnswer};
use crate::shared::Shared;

/// The parameters of a creation. Any other is refused.
struct Parameters {
    amount: u64,
    currency: String,
    destination: String,
    transfer_group: String,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Stripe {
    pub(super) async fn create(&self, request: &Request, shared: &Shared) -> Reply {
        let parameters = match Parameters::read(request.form()) {
            Ok(parameters) => parameters,
            // Refused before the execution begins: nothing is stored under the key.
            Err(refused) => return refused.into(),
        };
        let Some(key) = request.header("idempotency-key") else {
            // Without a key, every request is a new transfer.
            return self.execute(&parameters, None, shared).await.into();
        };
        let fault = shared.fault_of_creation(&parameters.transfer_group);
        match fault {
            CallFault::Reset => return delivered(answers::server_error(500), Delivery::Lost),
            CallFault::ErrorBefore(status) => return answers::server_error(status).into(),
            CallFault::Throttle(wait) => return answers::throttled(wait).into(),
            CallFault::Conflict => return answers::conflict().into(),
            CallFault::StoredError(status) => return self.stored_error(status, key, request, shared).await,
            CallFault::None
            | CallFault::LoseAnswer
            | CallFault::CutAnswer
            | CallFault::Hang
            | CallFault::ErrorAfter(_) => (),
        }
        let answer = self.execute_once(&parameters, key, request, shared).await;
        match fault {
            CallFault::LoseAnswer => delivered(answer, Delivery::Lost),
            CallFault::CutAnswer => delivered(answer, Delivery::Cut),
            CallFault::Hang => delivered(answer, Delivery::Hang),
            CallFault::ErrorAfter(status) => answers::server_error(status).into(),
            CallFault::None
            | CallFault::Reset
            | CallFault::ErrorBefore(_)
            | CallFault::StoredError(_)
            | CallFault::Conflict
            | CallFault::Throttle(_) => answer.into(),
        }
    }

    /// Executes a key once, and replays the stored answer afterwards.
    async fn execute_once(
        &self,
        parameters: &Parameters,
        key: &str,
        request: &Request,
        shared: &Shared,
    ) -> Answer {
        let Some(_execution) = self.running.begin(key) else {
            return answers::conflict();
        };
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(stored) = shared.ledger().stored_answer(key) {
            return replay(stored, &body);
        }
        tokio::time::sleep(self.takes).await;
        let answer = self.execute(parameters, Some(key), shared).await;
        store(shared, key, &answer, body).await;
        answer
    }

    async fn stored_error(&self, status: u16, key: &str, request: &Request, shared: &Shared) -> Reply {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let answer = match shared.ledger().stored_answer(key) {
            Some(stored) => replay(stored, &body),
            None => {
                let answer = answers::server_error(status);
                store(shared, key, &answer, body).await;
                answer
            }
        };
        answer.into()
    }

    /// Makes the transfer, or refuses it.
    async fn execute(&self, parameters: &Parameters, key: Option<&str>, shared: &Shared) -> Answer {
        let course = shared.course_of(&parameters.transfer_group);
        let unpayable = UNPAYABLE
            .iter()
            .find(|(account, _)| *account == parameters.destination);
        if let Some((account, code)) = unpayable {
            let message = format!("No such destination: '{account}'");
            return refused(code, Some("destination"), &message);
        }
        match course.ending {
            Ending::Declined => {
                let code = "insufficient_capabilities_for_transfer";
                return refused(code, None, "Your destination account needs a capability.");
            }
            Ending::NoFunds => return no_funds(),
            Ending::Paid | Ending::Returned { .. } => (),
        }
        if !self.withdraw(parameters.amount) {
            return no_funds();
        }
        let plan = match course.ending {
            Ending::Returned { after } => vec![Planned {
                at: clock::now() + after,
                standing: Standing::Returned,
                code: None,
            }],
            Ending::Paid | Ending::Declined | Ending::NoFunds => Vec::new(),
        };
        let name = format!(
            "create/{}/{}",
            parameters.transfer_group,
            shared.ledger().payments().len()
        );
        let id = format!("tr_1{:016x}", shared.chance(&name).draw());
        let payment = shared
            .ledger()
            .create(parameters.payment(id, key, plan))
            .await
            .payment();
        shared.notify(&payment);
        Answer::json(200, &answers::transfer(&payment))
    }

    /// Takes an amount from the balance; false if the balance is too low.
    fn withdraw(&self, amount: u64) -> bool {
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        match *balance {
            None => true,
            Some(left) => match left.checked_sub(amount.into()) {
                Some(rest) => {
                    *balance = Some(rest);
                    true
                }
                None => false,
            },
        }
    }
}

fn delivered(answer: Answer, delivery: Delivery) -> Reply {
    Reply { answer, delivery }
}

fn refused(code: &str, parameter: Option<&str>, message: &str) -> Answer {
    answers::error(400, "invalid_request_error", Some(code), parameter, message)
}

fn no_funds() -> Answer {
    refused(
        "balance_insufficient",
        None,
        "You have insufficient available funds in your Stripe account.",
    )
}

async fn store(shared: &Shared, key: &str, answer: &Answer, request: String) {
    let stored = StoredAnswer {
        status: answer.status,
        body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        request: Some(request),
    };
    shared.ledger().store_answer(key, stored).await;
}

fn replay(stored: StoredAnswer, body: &str) -> Answer {
    if stored.request.as_deref() != Some(body) {
        return answers::other_body();
    }
    Answer::json(stored.status, &stored.body).with_header("Idempotent-Replayed", "true")
}

impl Parameters {
    fn read(form: Vec<(String, String)>) -> Result<Self, Answer> {
        let mut metadata = BTreeMap::new();
        let mut fields = BTreeMap::new();
        for (name, value) in form {
            let key = name
                .strip_prefix("metadata[")
                .and_then(|rest| rest.strip_suffix(']'))
                .map(str::to_owned);
            match key {
                Some(key) => metadata.insert(key, value),
                None => fields.insert(name, value),
            };
        }
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
        let missing = |name: &str| {
            let message = format!("Missing required param: {name}.");
            refused("parameter_missing", Some(name), &message)
        };
        let parameters = Self {
            amount: take("amount")
                .ok_or_else(|| missing("amount"))?
                .parse()
                .map_err(|_| refused("parameter_invalid_integer", Some("amount"), "Invalid integer"))?,
            currency: take("currency").ok_or_else(|| missing("currency"))?,
            destination: take("destination").ok_or_else(|| missing("destination"))?,
            transfer_group: take("transfer_group").unwrap_or_default(),
            description: take("description"),
            metadata,
        };
        match fields.keys().next() {
            None => Ok(parameters),
            Some(name) => {
                let message = format!("Received unknown parameter: {name}");
                Err(refused("parameter_unknown", Some(name), &message))
            }
        }
    }

    fn payment(&self, id: String, key: Option<&str>, plan: Vec<Planned>) -> NewPayment {
        NewPayment {
            id,
            key: self.transfer_group.clone(),
            idempotency: key.map(str::to_owned),
            amount: self.amount.to_string(),
            currency: self.currency.clone(),
            recipient: self.destination.clone(),
            standing: Standing::Paid,
            code: None,
            plan,
            detail: json!({"description": self.description, "metadata": self.metadata}),
        }
    }
}
