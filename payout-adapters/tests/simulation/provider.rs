//! A payment provider of one of several kinds.
//!
//! It misbehaves: it pays late, pays and hangs up, does not answer, throttles, panics, has no funds, returns what it
//! paid. It keeps the promises of its kind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::payout::{Failure, PayoutId};
use payout_core::ports::Clock;
use payout_core::provider::{
    Capabilities, Instruction, LookUp, LookUpAnswer, PaymentReturn, ProcessorError, ProcessorKey,
    ProviderAnswer, ProviderName, ReturnWindow, WaitReason,
};

use crate::chance::Chance;
use crate::ledger::{Entry, Ledger, Payment, reference};

/// The time for which a forgetful provider remembers a key.
const KEY_WINDOW: Duration = Duration::from_secs(90);
/// The time within which a payment may come back.
pub(crate) const RETURNS: Duration = Duration::from_secs(20);

/// The promises of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keeps the outcome of each key for good, a refusal for lack of funds included, and looks every key up.
    Registry,
    /// Keeps the outcome of each key for [`KEY_WINDOW`]. Looks up only payments whose reference is given.
    Forgetful,
    /// Makes a payment for each request. Looks up only payments whose reference is given.
    Bare,
}

impl Kind {
    pub(crate) fn any(chance: &Chance) -> Self {
        [Self::Registry, Self::Forgetful, Self::Bare][chance.below(3) as usize]
    }

    pub(crate) fn looks_up_keys(self) -> bool {
        match self {
            Self::Registry => true,
            Self::Forgetful | Self::Bare => false,
        }
    }

    pub(crate) fn capabilities(self) -> Capabilities {
        let returns = ReturnWindow::Within(RETURNS);
        match self {
            Self::Registry => Capabilities {
                returns,
                ..Capabilities::default()
            },
            Self::Forgetful => Capabilities {
                key_window: Some(KEY_WINDOW),
                repeat_is_safe: true,
                returns,
                ..Capabilities::default()
            },
            Self::Bare => Capabilities::default(),
        }
    }

    fn returns_payments(self) -> bool {
        match self {
            Self::Registry | Self::Forgetful => true,
            Self::Bare => false,
        }
    }
}

/// A provider. Clones share its state, and all providers share the ledger.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) name: ProviderName,
    pub(crate) kind: Kind,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    chance: Chance,
    faulty: Arc<AtomicBool>,
    /// The current response mode.
    mode: Arc<Mutex<ResponseMode>>,
}

/// The provider's behaviour towards every caller, for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    #[default]
    Open,
    /// Connections are refused.
    Away,
    /// Three calls in four are answered with 429.
    Throttling,
    /// Every call is answered with 503 and `Retry-After`; some of the requests are executed all the same.
    Overloaded,
    /// There are no funds.
    Broke,
}

impl ResponseMode {
    pub(crate) const ALL: [Self; 5] = [
        Self::Open,
        Self::Away,
        Self::Throttling,
        Self::Overloaded,
        Self::Broke,
    ];
}

fn unknown(why: &str) -> ProcessorError {
    ProcessorError::Unknown {
        why: why.to_owned(),
        retry_after: None,
    }
}

fn no_funds(key_is_spent: bool) -> ProviderAnswer {
    ProviderAnswer::Waiting {
        reason: WaitReason::Funds,
        why: "the balance is too low".into(),
        key_is_spent,
    }
}

fn answer(number: usize, entry: Entry) -> ProviderAnswer {
    let reference = reference(number);
    match entry {
        Entry::Accepted => ProviderAnswer::Accepted {
            reference,
            look_again: None,
        },
        Entry::Paid => ProviderAnswer::Paid { reference },
        Entry::Returned => ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference),
            reason: Failure::new("account_closed", "The account is closed."),
            at: None,
            amount: None,
        }),
        Entry::Declined => ProviderAnswer::Declined(Failure::new("declined", "No.")),
        Entry::Spent => no_funds(true),
    }
}

impl Provider {
    pub(crate) fn new(name: &str, ledger: Arc<Mutex<Ledger>>, chance: Chance) -> Self {
        Self {
            name: ProviderName::new(name).unwrap(),
            kind: Kind::any(&chance),
            ledger,
            chance,
            faulty: Arc::new(true.into()),
            mode: Arc::default(),
        }
    }

    pub(crate) fn behave(&self) {
        self.faulty.store(false, Ordering::SeqCst);
    }

    /// Changes the provider's response mode.
    pub(crate) fn set_mode(&self, mode: ResponseMode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Answers an operator's question about a key, and closes it.
    pub(crate) fn close(&self, key: &ProcessorKey, payout: PayoutId) -> Entry {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.close(&self.name, key.as_str(), payout, self.chance.monotonic())
    }

    fn mode(&self) -> ResponseMode {
        if self.faulty.load(Ordering::SeqCst) {
            *self.mode.lock().unwrap()
        } else {
            ResponseMode::Open
        }
    }

    /// Returns the error of the current response mode for this call, and whether the request is executed all the same.
    fn refusal(&self) -> Option<(ProcessorError, bool)> {
        let mode = self.mode();
        let error = match mode {
            ResponseMode::Throttling if !self.chance.percent(25) => ProcessorError::Refused {
                why: "429".into(),
                retry_after: self.chance.percent(30).then_some(Duration::from_secs(1)),
            },
            ResponseMode::Open | ResponseMode::Throttling | ResponseMode::Broke => return None,
            ResponseMode::Away => ProcessorError::NeverSent {
                why: "connection refused".into(),
            },
            ResponseMode::Overloaded => ProcessorError::Overloaded {
                why: "503".into(),
                retry_after: Duration::from_secs(1),
            },
        };
        self.ledger.lock().unwrap().put_off += 1;
        Some((error, mode == ResponseMode::Overloaded && self.chance.percent(30)))
    }

    fn is_faulty(&self, percent: u64) -> bool {
        self.faulty.load(Ordering::SeqCst) && self.chance.percent(percent)
    }

    /// Returns the payment under a key that this provider remembers.
    fn remembered(&self, ledger: &Ledger, key: &str) -> Option<usize> {
        let number = ledger.latest(&self.name, key)?;
        let age = self
            .chance
            .monotonic()
            .saturating_sub(ledger.get(number).received_at);
        let remembers = match self.kind {
            Kind::Registry => true,
            Kind::Forgetful => age < KEY_WINDOW,
            Kind::Bare => false,
        };
        remembers.then_some(number)
    }

    /// Executes an instruction, unless the provider remembers its key.
    fn execute(&self, instruction: &Instruction) -> ProviderAnswer {
        let (mut ledger, key) = (self.ledger.lock().unwrap(), instruction.key.to_string());
        if let Some(number) = self.remembered(&ledger, &key) {
            ledger.receive(&self.name, instruction);
            ledger.duplicates_prevented += 1;
            return answer(number, ledger.get(number).entry);
        }
        if ledger.is_closed(&key) {
            return ProviderAnswer::Declined(Failure::new("closed", "An operator has closed this key."));
        }
        let entry = match (self.mode(), self.kind) {
            (ResponseMode::Broke, Kind::Registry) => Entry::Spent,
            (ResponseMode::Broke, Kind::Forgetful | Kind::Bare) => return no_funds(false),
            (
                ResponseMode::Open | ResponseMode::Away | ResponseMode::Throttling | ResponseMode::Overloaded,
                _,
            ) => match self.chance.below(10) {
                0 | 1 => Entry::Declined,
                2 => Entry::Accepted,
                _ => Entry::Paid,
            },
        };
        ledger.receive(&self.name, instruction);
        let number = ledger.enter(Payment {
            provider: self.name.clone(),
            key,
            payout: instruction.payout_id,
            entry,
            received_at: self.chance.monotonic(),
        });
        if entry == Entry::Paid {
            self.may_return(number);
        }
        answer(number, entry)
    }

    /// Returns some of the payments, within the time in which the provider may.
    fn may_return(&self, number: usize) {
        if !self.kind.returns_payments() || !self.chance.percent(25) {
            return;
        }
        let (ledger, after) = (self.ledger.clone(), self.chance.up_to(RETURNS));
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            ledger.lock().unwrap().change(number, Entry::Returned);
        });
    }

    pub(crate) async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        self.ledger.lock().unwrap().calls += 1;
        if let Some((error, passed_on)) = self.refusal() {
            if passed_on {
                self.execute(instruction);
            }
            return Err(error);
        }
        if self.is_faulty(8) {
            return Err(ProcessorError::NeverSent {
                why: "connection refused".into(),
            });
        }
        if self.is_faulty(8) {
            let retry_after = self.chance.percent(50).then_some(Duration::from_secs(2));
            return Err(ProcessorError::Refused {
                why: "429".into(),
                retry_after,
            });
        }
        if self.is_faulty(5) {
            return Err(unknown("500, and nothing was done"));
        }
        if self.is_faulty(10) {
            // Executed later, even when the caller is gone: a request that is slow inside the provider.
            let (this, instruction, late) = (
                self.clone(),
                instruction.clone(),
                self.chance.up_to(Duration::from_secs(12)),
            );
            let executed = tokio::spawn(async move {
                tokio::time::sleep(late).await;
                this.execute(&instruction)
            });
            return Ok(executed.await.unwrap());
        }
        tokio::time::sleep(self.chance.up_to(Duration::from_millis(400))).await;
        let answer = self.execute(instruction);
        if self.is_faulty(6) {
            return Err(unknown("the connection was reset after the work was done"));
        }
        if self.is_faulty(2) {
            // A bug in an adapter after the work was done. Resumed rather than raised, so that it prints nothing.
            std::panic::resume_unwind(Box::new("a bug in an adapter"));
        }
        Ok(answer)
    }

    pub(crate) async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        tokio::time::sleep(self.chance.up_to(Duration::from_millis(200))).await;
        if let Some((error, _)) = self.refusal() {
            return Err(error);
        }
        if self.is_faulty(15) {
            return Err(unknown("no answer"));
        }
        let mut ledger = self.ledger.lock().unwrap();
        let number = match &look_up.reference {
            Some(reference) => ledger.find(reference),
            None if self.kind.looks_up_keys() => ledger.latest(&self.name, look_up.key.as_str()),
            None => {
                return Ok(LookUpAnswer::CannotTell {
                    why: "no look-up by key".into(),
                });
            }
        };
        let Some(number) = number else {
            return Ok(LookUpAnswer::Absent);
        };
        if ledger.get(number).entry == Entry::Accepted && self.chance.percent(40) {
            let settled = if self.chance.percent(70) {
                Entry::Paid
            } else {
                Entry::Declined
            };
            ledger.change(number, settled);
            if settled == Entry::Paid {
                self.may_return(number);
            }
        }
        Ok(LookUpAnswer::Found(answer(number, ledger.get(number).entry)))
    }
}
