//! A payment provider: a bank whose ledger is a map. A real processor calls a provider over a network.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::ports::Processor;
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderAnswer,
};

/// A bank that pays every account except the closed one.
#[derive(Debug, Default)]
pub struct Bank {
    ledger: Mutex<HashMap<ProcessorKey, ProviderAnswer>>,
}

impl Bank {
    /// Returns the number of keys that were paid.
    pub fn payments(&self) -> usize {
        let paid = |answer: &&ProviderAnswer| matches!(answer, ProviderAnswer::Paid { .. });
        self.ledger().values().filter(paid).count()
    }

    fn ledger(&self) -> MutexGuard<'_, HashMap<ProcessorKey, ProviderAnswer>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Processor for Bank {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let mut ledger = self.ledger();
        // The first definite answer for a key is final: a repeated instruction is not paid again.
        if let Some(answer) = ledger.get(&instruction.key) {
            return Ok(answer.clone());
        }
        let answer = if instruction.details.recipient.account().as_str() == "CLOSED" {
            ProviderAnswer::Declined(Failure::new("account_gone", "There is no such account."))
        } else {
            let name = format!("bank-{}", ledger.len() + 1);
            // Without a reference, "paid" proves no payment.
            let reference = ProviderReference::new(&name)
                .ok_or_else(|| ProcessorError::unknown("an answer without a reference"))?;
            ProviderAnswer::Paid { reference }
        };
        ledger.insert(instruction.key.clone(), answer.clone());
        Ok(answer)
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let answer = self.ledger().get(&look_up.key).cloned();
        Ok(answer.map_or(LookUpAnswer::Absent, LookUpAnswer::Found))
    }
}
