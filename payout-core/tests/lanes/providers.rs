//! Providers with a ledger each, whose behaviour a test chooses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::contract::build;
use payout_core::payout::{Failure, PayoutId};
use payout_core::ports::{Clock, Processor};
use payout_core::provider::{
    Capabilities, Instruction, LookUp, LookUpAnswer, PaymentReturn, ProcessorError, ProviderAnswer,
    ProviderName, WaitReason,
};

use crate::store::{Life, PausedClock};

/// The provider's behaviour towards every call, until a test changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pays,
    Hangs,
    /// Refuses the connection.
    Away,
    /// Refuses the connection of a submission, and answers look-ups.
    RefusesSubmissions,
    /// Refuses every other submission for now, and answers look-ups.
    Throttles,
    /// Pays, and loses its answer. Answers no look-up.
    LosesAnswers,
    /// Loses the request, and answers look-ups.
    LosesRequests,
    /// Has no funds, and keeps the refusal under the key.
    SpendsKeys,
    /// Has no funds, and forgets the refusal.
    LacksFunds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Paid,
    Returned,
    /// Refused for now, for good under this key.
    Spent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) method: &'static str,
    pub(crate) key: String,
}

/// A provider. Clones share its ledger.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) name: ProviderName,
    pub(crate) capabilities: Capabilities,
    clock: PausedClock,
    mode: Arc<Mutex<Mode>>,
    takes: Duration,
    /// True if no look-up can tell whether the key was received.
    pub(crate) cannot_tell: bool,
    life: Life,
    ledger: Arc<Mutex<BTreeMap<String, (PayoutId, Entry)>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Provider {
    pub(crate) fn new(name: &str, clock: PausedClock) -> Self {
        Self {
            name: ProviderName::new(name).unwrap(),
            capabilities: Capabilities::default(),
            clock,
            mode: Arc::new(Mutex::new(Mode::Pays)),
            takes: Duration::ZERO,
            cannot_tell: false,
            life: Life::default(),
            ledger: Arc::default(),
            calls: Arc::default(),
        }
    }

    pub(crate) fn whose_calls_take(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    /// Returns the provider as one worker reaches it.
    pub(crate) fn of_worker(&self, life: &Life) -> Self {
        Self {
            life: life.clone(),
            ..self.clone()
        }
    }

    pub(crate) fn that(self, mode: Mode) -> Self {
        self.set(mode);
        self
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn submissions(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.method == "submit").count()
    }

    /// Counts the payments of a payout that were not returned.
    pub(crate) fn payments(&self, id: PayoutId) -> usize {
        let ledger = self.ledger.lock().unwrap();
        ledger
            .values()
            .filter(|entry| **entry == (id, Entry::Paid))
            .count()
    }

    /// Returns every payment of a payout.
    pub(crate) fn returns(&self, id: PayoutId) {
        let mut ledger = self.ledger.lock().unwrap();
        for (_, entry) in ledger
            .values_mut()
            .filter(|(of, entry)| *of == id && *entry == Entry::Paid)
        {
            *entry = Entry::Returned;
        }
    }

    async fn note(&self, method: &'static str, key: &str) -> Mode {
        if self.life.permits().is_err() {
            std::future::pending::<()>().await;
        }
        self.calls.lock().unwrap().push(Call {
            at: self.clock.monotonic(),
            method,
            key: key.to_owned(),
        });
        *self.mode.lock().unwrap()
    }
}

fn answer(entry: Entry) -> ProviderAnswer {
    let reference = build::reference("ref");
    match entry {
        Entry::Paid => ProviderAnswer::Paid { reference },
        Entry::Returned => ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference),
            reason: Failure::new("account_closed", "The account is closed."),
            at: None,
            amount: None,
        }),
        Entry::Spent => no_funds(true),
    }
}

fn no_funds(key_is_spent: bool) -> ProviderAnswer {
    ProviderAnswer::Waiting {
        reason: WaitReason::Funds,
        why: "the balance is too low".to_owned(),
        key_is_spent,
    }
}

fn refused() -> ProcessorError {
    ProcessorError::never_sent("connection refused")
}

#[async_trait]
impl Processor for Provider {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let mode = self.note("submit", instruction.key.as_str()).await;
        tokio::time::sleep(self.takes).await;
        let new = match mode {
            Mode::Hangs => std::future::pending().await,
            Mode::Away | Mode::RefusesSubmissions => return Err(refused()),
            Mode::Throttles if self.calls().len().is_multiple_of(2) => {
                return Err(ProcessorError::Refused {
                    why: "429".to_owned(),
                    retry_after: Some(Duration::ZERO),
                });
            }
            Mode::LosesRequests => return Err(ProcessorError::unknown("a reset")),
            Mode::LacksFunds => return Ok(no_funds(false)),
            Mode::SpendsKeys => Entry::Spent,
            Mode::Pays | Mode::LosesAnswers | Mode::Throttles => Entry::Paid,
        };
        let mut ledger = self.ledger.lock().unwrap();
        let key = instruction.key.to_string();
        let (_, entry) = *ledger.entry(key).or_insert((instruction.payout_id, new));
        match mode {
            Mode::LosesAnswers => Err(ProcessorError::unknown("a reset")),
            Mode::Pays
            | Mode::Hangs
            | Mode::Away
            | Mode::RefusesSubmissions
            | Mode::Throttles
            | Mode::LosesRequests
            | Mode::SpendsKeys
            | Mode::LacksFunds => Ok(answer(entry)),
        }
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let mode = self.note("look_up", look_up.key.as_str()).await;
        tokio::time::sleep(self.takes).await;
        match mode {
            Mode::Hangs => std::future::pending().await,
            Mode::Away => Err(refused()),
            Mode::LosesAnswers => Err(ProcessorError::unknown("a reset")),
            Mode::Pays
            | Mode::RefusesSubmissions
            | Mode::Throttles
            | Mode::LosesRequests
            | Mode::SpendsKeys
            | Mode::LacksFunds
                if self.cannot_tell =>
            {
                Ok(LookUpAnswer::CannotTell {
                    why: "no look-up by key".to_owned(),
                })
            }
            Mode::Pays
            | Mode::RefusesSubmissions
            | Mode::Throttles
            | Mode::LosesRequests
            | Mode::SpendsKeys
            | Mode::LacksFunds => {
                let ledger = self.ledger.lock().unwrap();
                let entry = ledger.get(look_up.key.as_str()).map(|(_, entry)| *entry);
                Ok(entry.map_or(LookUpAnswer::Absent, |entry| LookUpAnswer::Found(answer(entry))))
            }
        }
    }
}
