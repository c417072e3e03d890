//! The stand-in, a processor that calls it, and the questions that a worker asks.

use std::time::Duration;

use payout_adapters::provider::paypal::{PaypalProcessor, PaypalSettings, TestCertificates};
use payout_core::contract::build;
use payout_core::payout::{Description, ProviderReference};
use payout_core::ports::Processor;
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer, ProviderName,
};
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::ledger::Payment;
use payout_stand_ins::paypal::{PayPal, WEBHOOK_ID};
use payout_stand_ins::{StandIn, StandInSettings};

pub(crate) const SECRET: &str = "hunter2";

/// The stand-in with its switches.
pub(crate) struct System {
    pub(crate) paypal: PayPal,
    pub(crate) stand_in: StandIn,
}

impl System {
    pub(crate) async fn start() -> Self {
        let paypal = PayPal::default();
        let stand_in = StandIn::start(paypal.clone(), StandInSettings::default())
            .await
            .unwrap();
        Self { paypal, stand_in }
    }

    pub(crate) fn settings(&self) -> PaypalSettings {
        let name = ProviderName::new("paypal-eu").unwrap();
        let mut settings = PaypalSettings::new(name, "client", SECRET.into());
        settings.url = self.stand_in.url();
        settings.webhook_id = Some(WEBHOOK_ID.to_owned());
        settings.test_certificates = Some(TestCertificates {
            origin: self.stand_in.url(),
            roots: self.paypal.root(),
        });
        settings.outbound.timeout = Duration::from_secs(2);
        settings
    }

    pub(crate) fn processor(&self) -> PaypalProcessor {
        PaypalProcessor::new(&self.settings()).unwrap()
    }

    pub(crate) fn payments(&self) -> Vec<Payment> {
        self.stand_in.ledger().payments()
    }

    /// Makes every call and payment from now on fail in these ways.
    pub(crate) fn with_faults(&self, change: impl FnOnce(&mut FaultProfile)) {
        let mut faults = FaultProfile::off();
        change(&mut faults);
        self.stand_in.set_faults(faults);
    }

    pub(crate) fn without_faults(&self) {
        self.stand_in.set_faults(FaultProfile::off());
    }
}

/// Makes an instruction that PayPal can pay.
pub(crate) fn instruction(processor: &PaypalProcessor) -> Instruction {
    build::payable(&processor.capabilities())
}

/// Makes an instruction with this note, by which PayPal's sandbox chooses an error.
pub(crate) fn noted(processor: &PaypalProcessor, note: &str) -> Instruction {
    let mut instruction = instruction(processor);
    instruction.details.description = Description::new(note).unwrap();
    instruction
}

/// Submits, and checks that an error shows no personal data and no secret.
pub(crate) async fn submit(
    processor: &PaypalProcessor,
    instruction: &Instruction,
) -> Result<ProviderAnswer, ProcessorError> {
    let result = processor.submit(instruction).await;
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        let account = instruction.details.recipient.account().as_str();
        for secret in [account, SECRET, "127.0.0.1", "A21AA"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    result
}

/// Looks a payment up by the reference of an answer.
pub(crate) async fn look_up(
    processor: &PaypalProcessor,
    instruction: &Instruction,
    reference: &ProviderReference,
) -> ProviderAnswer {
    let question = LookUp {
        reference: Some(reference.clone()),
        ..LookUp::of_key(instruction.key.clone(), instruction.payout_id)
    };
    let Ok(LookUpAnswer::Found(answer)) = processor.look_up(&question).await else {
        panic!("it is found")
    };
    answer.outcome().clone()
}

/// Returns the reference of an answer that was accepted.
#[track_caller]
pub(crate) fn accepted(answer: &Result<ProviderAnswer, ProcessorError>) -> ProviderReference {
    match answer {
        Ok(ProviderAnswer::Accepted { reference, .. }) => reference.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn assert_unknown(result: &Result<ProviderAnswer, ProcessorError>) {
    assert!(
        matches!(result, Err(ProcessorError::Unknown { .. })),
        "{result:?}"
    );
}
