//! The payment provider and its ledger.
//!
//! The provider keeps one rule: its first definite answer for a key is final. Apart from that it misbehaves: it pays
//! late, pays and hangs up, does not answer, throttles, panics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use payout_core::payout::{Failure, PayoutId, ProviderReference};
use payout_core::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};

use crate::chance::Chance;

/// The ledger's entry for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Accepted, and settled at a later time.
    Accepted,
    Paid,
    Declined,
}

#[derive(Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, (PayoutId, Entry)>,
    instructions: BTreeMap<String, Instruction>,
    pub(crate) duplicates_prevented: u64,
    pub(crate) calls: u64,
    /// The number of calls that the current response mode refused.
    pub(crate) put_off: u64,
    pub(crate) violations: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    chance: Chance,
    faulty: Arc<std::sync::atomic::AtomicBool>,
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
}

impl Ledger {
    /// Counts the payments of a payout, one for each generation that was paid.
    pub(crate) fn payments(&self, id: PayoutId) -> usize {
        self.entries
            .values()
            .filter(|(payout, entry)| *payout == id && *entry == Entry::Paid)
            .count()
    }

    pub(crate) fn count(&self, wanted: &Entry) -> u64 {
        self.entries.values().filter(|(_, entry)| entry == wanted).count() as u64
    }

    /// Answers an operator's question about a key, and closes the key: an accepted or unknown key is declined, so that
    /// nobody can use it later.
    pub(crate) fn close(&mut self, key: &ProcessorKey, id: PayoutId) -> Entry {
        let entry = &mut self
            .entries
            .entry(key.to_string())
            .or_insert((id, Entry::Declined))
            .1;
        if *entry == Entry::Accepted {
            *entry = Entry::Declined;
        }
        entry.clone()
    }
}

fn reference(key: &ProcessorKey) -> ProviderReference {
    ProviderReference::new(&format!("ref-{key}")).unwrap()
}

fn unknown(why: &str) -> ProcessorError {
    ProcessorError::Unknown {
        why: why.to_owned(),
        retry_after: None,
    }
}

impl Provider {
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            ledger: Arc::default(),
            chance,
            faulty: Arc::new(true.into()),
            mode: Arc::default(),
        }
    }

    pub(crate) fn behave(&self) {
        self.faulty.store(false, std::sync::atomic::Ordering::SeqCst);
    }

    /// Changes the provider's response mode.
    pub(crate) fn set_mode(&self, mode: ResponseMode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Returns the error of the current response mode for this call, and whether the request is executed all the same.
    fn refusal(&self) -> Option<(ProcessorError, bool)> {
        if !self.faulty.load(std::sync::atomic::Ordering::SeqCst) {
            return None;
        }
        let mode = *self.mode.lock().unwrap();
        let error = match mode {
            ResponseMode::Throttling if !self.chance.percent(25) => ProcessorError::Refused {
                why: "429".into(),
                retry_after: self.chance.percent(30).then_some(Duration::from_secs(1)),
            },
            ResponseMode::Open | ResponseMode::Throttling => return None,
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
        self.faulty.load(std::sync::atomic::Ordering::SeqCst) && self.chance.percent(percent)
    }

    fn answer(key: &ProcessorKey, entry: &Entry) -> ProviderAnswer {
        match entry {
            Entry::Accepted => ProviderAnswer::Accepted {
                reference: reference(key),
            },
            Entry::Paid => ProviderAnswer::Paid {
                reference: reference(key),
            },
            Entry::Declined => ProviderAnswer::Declined(Failure::new("declined", "No.")),
        }
    }

    /// Executes an instruction, unless its key was executed earlier.
    fn execute(&self, instruction: &Instruction) -> ProviderAnswer {
        let mut ledger = self.ledger.lock().unwrap();
        let key = instruction.key.to_string();
        let sent_before = ledger
            .instructions
            .entry(key.clone())
            .or_insert_with(|| instruction.clone())
            .clone();
        if sent_before != *instruction {
            ledger
                .violations
                .push(format!("{key} was sent with two different instructions"));
        }
        if let Some((_, entry)) = ledger.entries.get(&key).cloned() {
            ledger.duplicates_prevented += 1;
            return Self::answer(&instruction.key, &entry);
        }
        let entry = match self.chance.below(10) {
            0 | 1 => Entry::Declined,
            2 => Entry::Accepted,
            _ => Entry::Paid,
        };
        ledger.entries.insert(key, (instruction.payout_id, entry.clone()));
        Self::answer(&instruction.key, &entry)
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

    pub(crate) async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
        tokio::time::sleep(self.chance.up_to(Duration::from_millis(200))).await;
        if let Some((error, _)) = self.refusal() {
            return Err(error);
        }
        if self.is_faulty(15) {
            return Err(unknown("no answer"));
        }
        let mut ledger = self.ledger.lock().unwrap();
        let Some((_, entry)) = ledger.entries.get_mut(key.as_str()) else {
            return Ok(None);
        };
        if *entry == Entry::Accepted && self.chance.percent(40) {
            *entry = if self.chance.percent(70) {
                Entry::Paid
            } else {
                Entry::Declined
            };
        }
        Ok(Some(Self::answer(key, entry)))
    }
}
