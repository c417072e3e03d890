//! The calls that the judges watch: each payment submitted, repeated and looked up, and each answer of the provider once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use payout_core::payout::{PaymentDetails, PayoutId, ProviderReference, TypedAccount};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, Notification, PaymentName, ProcessorKey, ProviderAnswer,
};
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::ledger::Standing;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::outcome;
use crate::providers::Running;

/// The pause between two look-ups of a payment that is not settled.
const PAUSE: Duration = Duration::from_millis(50);
/// The most look-ups until a payment is settled.
const LOOK_UPS: usize = 200;
/// The frequency of a fault that every call meets.
const ALWAYS: u64 = 1000;

/// Calls of an adapter, with a report of each.
pub struct Calls<'a> {
    running: &'a Running,
    processor: Arc<dyn Processor>,
    report: &'a mut (dyn FnMut(Value) + Send),
    made: u128,
}

impl<'a> Calls<'a> {
    /// Makes calls to the API at an address, behind which the stand-in is.
    pub fn new(running: &'a Running, address: &str, report: &'a mut (dyn FnMut(Value) + Send)) -> Self {
        Self {
            running,
            processor: running.judged(address),
            report,
            made: 0,
        }
    }

    /// Makes all calls.
    pub async fn make(&mut self) {
        for (name, details) in self.running.subject.payments() {
            self.payment(name, details).await;
        }
        let any = || self.running.subject.payments().swap_remove(0).1;
        self.settled("decline", any(), |faults| faults.decline = ALWAYS, &["declined"])
            .await;
        let funds = ["waits for funds", "paid"];
        self.settled("no funds", any(), |faults| faults.no_funds = ALWAYS, &funds)
            .await;
        self.submitted(
            "server error",
            any(),
            |faults| faults.error_before = ALWAYS,
            &["unknown"],
        )
        .await;
        let refused = ["not now", "overloaded", "unknown"];
        self.submitted("conflict", any(), |faults| faults.conflict = ALWAYS, &refused)
            .await;
        let unknown = self.instruction(any());
        let absent = ["cannot tell", "never received"];
        self.look_up("unknown key", &unknown, None, &absent).await;
        self.returned(any()).await;
        if self.running.subject.describes_balances() {
            let said = self.processor.balances().await;
            let outcome = if matches!(said, Ok(Some(_))) {
                "told"
            } else {
                "not told"
            };
            self.tell("balances", "balances", outcome, &["told"], &said);
        }
    }

    async fn payment(&mut self, name: &str, details: PaymentDetails) {
        let instruction = self.instruction(details);
        let payment = json!({"case": name, "payment": described(&instruction)});
        (self.report)(payment);
        let made = ["paid", "accepted"];
        let reference = self.submit(name, &instruction, &made).await;
        self.submit(&format!("{name}, repeated"), &instruction, &made)
            .await;
        let found = ["paid", "accepted", "cannot tell"];
        self.look_up(&format!("{name}, by key"), &instruction, None, &found)
            .await;
        if reference.is_some() {
            let name = format!("{name}, by reference");
            self.look_up(&name, &instruction, reference, &made).await;
        }
    }

    async fn submitted(
        &mut self,
        name: &str,
        details: PaymentDetails,
        faults: impl FnOnce(&mut FaultProfile),
        expected: &[&str],
    ) {
        let instruction = self.instruction(details);
        self.with_faults(faults);
        self.submit(name, &instruction, expected).await;
        self.with_faults(|_| ());
    }

    /// Submits under faults, and looks up until the payment is settled.
    async fn settled(
        &mut self,
        name: &str,
        details: PaymentDetails,
        faults: impl FnOnce(&mut FaultProfile),
        expected: &[&str],
    ) {
        let instruction = self.instruction(details);
        self.with_faults(faults);
        let first = [expected, &["accepted"]].concat();
        let reference = self.submit(name, &instruction, &first).await;
        self.with_faults(|_| ());
        if reference.is_some() {
            self.until_settled(name, &instruction, reference, expected).await;
        }
    }

    async fn returned(&mut self, details: PaymentDetails) {
        let instruction = self.instruction(details);
        let made = ["paid", "accepted"];
        let reference = self.submit("return", &instruction, &made).await;
        if reference.is_none() {
            return;
        }
        self.until_settled("return", &instruction, reference.clone(), &["paid"])
            .await;
        let (key, code) = (instruction.key.as_str(), self.running.subject.return_code());
        if self.running.stand_in.return_payment(key, code).await.is_some() {
            self.look_up("return", &instruction, reference, &["returned"])
                .await;
        }
    }

    async fn until_settled(
        &mut self,
        name: &str,
        instruction: &Instruction,
        reference: Option<ProviderReference>,
        expected: &[&str],
    ) {
        let allowed = [expected, &["accepted"]].concat();
        for _ in 0..LOOK_UPS {
            let said = self.look_up(name, instruction, reference.clone(), &allowed).await;
            if said != "accepted" {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        (self.report)(
            json!({"case": name, "call": "look-up", "outcome": "never settled", "expected": [], "said": ""}),
        );
    }

    /// Makes an instruction under a key that no other call of this run has.
    fn instruction(&mut self, details: PaymentDetails) -> Instruction {
        self.made += 1;
        let payout_id = PayoutId::from(Uuid::from_u128(
            0x0198_c0de_0000_7000_8000_0000_0000_0000 + self.made,
        ));
        Instruction {
            key: ProcessorKey::new(payout_id, None, 0),
            payout_id,
            details,
        }
    }

    fn with_faults(&self, change: impl FnOnce(&mut FaultProfile)) {
        let mut faults = FaultProfile::off();
        change(&mut faults);
        self.running.stand_in.set_faults(faults);
    }

    async fn submit(
        &mut self,
        name: &str,
        instruction: &Instruction,
        expected: &[&str],
    ) -> Option<ProviderReference> {
        let said = self.processor.submit(instruction).await;
        self.tell(name, "submit", &outcome::of_submission(&said), expected, &said);
        match said.as_ref().ok().map(ProviderAnswer::outcome) {
            Some(ProviderAnswer::Paid { reference } | ProviderAnswer::Accepted { reference, .. }) => {
                Some(reference.clone())
            }
            Some(
                ProviderAnswer::Declined(_)
                | ProviderAnswer::Returned(_)
                | ProviderAnswer::Waiting { .. }
                | ProviderAnswer::Reported { .. },
            )
            | None => None,
        }
    }

    async fn look_up(
        &mut self,
        name: &str,
        instruction: &Instruction,
        reference: Option<ProviderReference>,
        expected: &[&str],
    ) -> String {
        let question = LookUp {
            reference,
            first_sent_at: Some(System::default().now()),
            ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
        };
        let said = self.processor.look_up(&question).await;
        let mut outcome = outcome::of_look_up(&said);
        if let Ok(LookUpAnswer::Found(answer)) = &said
            && let Some(payment) = answer.payment()
            && let digest = instruction.digest()
            && let Some(other) = payment.contradicts(instruction.details.money, Some(&digest))
        {
            outcome = format!("the answer is of another payment: {other}");
        }
        self.tell(name, "look-up", &outcome, expected, &said);
        outcome
    }

    fn tell(&mut self, case: &str, call: &str, outcome: &str, expected: &[&str], said: &dyn std::fmt::Debug) {
        (self.report)(json!({
            "case": case, "call": call, "outcome": outcome, "expected": expected, "said": format!("{said:?}"),
        }));
    }

    /// Reports the notification of each payment of the stand-in, and a forged one of the first.
    pub fn notifications(&mut self) {
        let vendor = self.running.subject.vendor();
        let payments = self.running.stand_in.ledger().payments();
        let mut forge = true;
        for payment in &payments {
            let forged = [false, true].into_iter().filter(|forged| !forged || forge);
            let pushes: Vec<_> = forged
                .filter_map(|forged| Some((forged, vendor.notification(payment, forged)?)))
                .collect();
            for (forged, push) in pushes {
                forge = false;
                (self.report)(json!({
                    "push": {"headers": push.headers, "body": STANDARD.encode(&push.body)}, "forged": forged,
                    "returned": payment.standing == Standing::Returned,
                }));
            }
        }
    }

    /// Reports that all calls are made.
    pub fn done(&mut self) {
        (self.report)(json!({"done": true}));
    }

    /// Reads a notification that a judge has signed, or taken from the stand-in, and reports the payments that it names.
    pub async fn read(&mut self, notification: Pushed) {
        let headers = notification.headers.into_iter();
        let notification = Notification {
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value))
                .collect(),
            body: STANDARD.decode(&notification.body).unwrap(),
        };
        let report = match self.processor.read_notification(&notification).await {
            Ok(names) => json!({"names": names.iter().map(named).collect::<Vec<_>>()}),
            Err(error) => json!({"refused": error.to_string()}),
        };
        (self.report)(report);
    }
}

/// A notification on its way between the judges and the adapter.
#[derive(Debug, Deserialize)]
pub struct Pushed {
    headers: Vec<(String, String)>,
    body: String,
}

fn named(name: &PaymentName) -> String {
    match name {
        PaymentName::Key(key) => format!("key {key}"),
        PaymentName::Reference(reference) => format!("reference {}", reference.as_str()),
        PaymentName::Payout(id) => format!("payout {id}"),
    }
}

/// Returns what a judge needs to make the same payment.
fn described(instruction: &Instruction) -> Value {
    let details = &instruction.details;
    let account = match details.recipient.typed_account() {
        Some(TypedAccount::Iban { iban, bic }) => {
            json!({"iban": iban.as_str(), "bic": bic.as_ref().map(|bic| bic.as_str().to_owned())})
        }
        Some(TypedAccount::UsBank {
            routing_number,
            account_number,
            account_type,
        }) => json!({
            "routing_number": routing_number.as_str(), "account_number": account_number.as_str(),
            "account_type": account_type.as_str(),
        }),
        Some(TypedAccount::GbBank {
            sort_code,
            account_number,
        }) => json!({"sort_code": sort_code.as_str(), "account_number": account_number.as_str()}),
        Some(TypedAccount::Email(address)) => json!({"email": address.as_str()}),
        Some(TypedAccount::Phone(number)) => json!({"phone": number.as_str()}),
        Some(TypedAccount::ProviderAccount { id, .. }) => json!({"id": id.as_str()}),
        None => json!({}),
    };
    json!({
        "key": instruction.key.as_str(),
        "payout_id": instruction.payout_id.to_string(),
        "digest": instruction.digest(),
        "amount": details.money.amount().to_string(),
        "currency": details.money.currency().code(),
        "description": details.description.as_str(),
        "name": details.recipient.name().as_str(),
        "account": account,
    })
}
