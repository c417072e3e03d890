//! A processor that pays at once, with one guarantee broken.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use payout_core::payout::ProviderReference;
use payout_core::ports::Processor;
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, ProcessorError, ProcessorKey, ProviderAnswer,
};

/// The flaw of a [`FlawedProcessor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessorFlaw {
    PaysAgain,
    OneKeyForAll,
    LookUpPays,
}

pub(crate) struct FlawedProcessor {
    payments: Mutex<(u64, HashMap<String, ProviderAnswer>)>,
    flaw: Option<ProcessorFlaw>,
}

impl FlawedProcessor {
    pub(crate) fn new(flaw: Option<ProcessorFlaw>) -> Self {
        Self {
            payments: Mutex::default(),
            flaw,
        }
    }

    fn answer(&self, key: &ProcessorKey, pays: bool) -> Option<ProviderAnswer> {
        let key = match (self.flaw, key.as_str().split_once(':')) {
            (Some(ProcessorFlaw::OneKeyForAll), Some((payout, _))) => payout,
            _ => key.as_str(),
        };
        let mut payments = self.payments.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, answers) = &mut *payments;
        let again = self.flaw == Some(ProcessorFlaw::PaysAgain);
        if pays && (again || !answers.contains_key(key)) {
            *count += 1;
            let reference = ProviderReference::new(&format!("ref-{count}")).unwrap();
            answers.insert(key.to_owned(), ProviderAnswer::Paid { reference });
        }
        answers.get(key).cloned()
    }
}

#[async_trait]
impl Processor for FlawedProcessor {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        Ok(self.answer(&instruction.key, true).unwrap())
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let pays = self.flaw == Some(ProcessorFlaw::LookUpPays);
        let answer = self.answer(&look_up.key, pays);
        Ok(answer.map_or(LookUpAnswer::Absent, LookUpAnswer::Found))
    }
}
