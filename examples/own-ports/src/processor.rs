//! A payment provider: here a bank whose books are a map. A real one is called over a network.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::ports::Processor;
use payout_core::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};

/// A bank that pays every account but the closed one.
#[derive(Debug, Default)]
pub struct Bank {
    books: Mutex<HashMap<ProcessorKey, ProviderAnswer>>,
}

impl Bank {
    /// The number of keys that were paid.
    pub fn payments(&self) -> usize {
        let paid = |answer: &&ProviderAnswer| matches!(answer, ProviderAnswer::Paid { .. });
        self.books().values().filter(paid).count()
    }

    fn books(&self) -> MutexGuard<'_, HashMap<ProcessorKey, ProviderAnswer>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Processor for Bank {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let mut books = self.books();
        // The first definite answer for a key is its answer for good: whatever comes again under it is not paid again.
        if let Some(answer) = books.get(&instruction.key) {
            return Ok(answer.clone());
        }
        let answer = if instruction.details.recipient.account.as_str() == "CLOSED" {
            ProviderAnswer::Declined(Failure::new("account_gone", "There is no such account."))
        } else {
            let name = format!("bank-{}", books.len() + 1);
            // A provider that says "paid" and names no payment has said nothing that can be relied on.
            let reference = ProviderReference::new(&name)
                .ok_or_else(|| ProcessorError::unknown("an answer without a reference"))?;
            ProviderAnswer::Paid { reference }
        };
        books.insert(instruction.key.clone(), answer.clone());
        Ok(answer)
    }

    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
        Ok(self.books().get(key).cloned())
    }
}
