//! The port for the payment provider, which moves the money.

use async_trait::async_trait;

use crate::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};

/// Calls a payment provider.
///
/// # Promises
/// - The first definite answer for a key (paid or declined) is final for that key. One key is paid at most once,
///   however often and from wherever it is submitted.
/// - A call that is dropped leaves the outcome unknown. It cancels nothing.
/// - A call does not retry: the worker owns every attempt.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Processor: Send + Sync {
    /// Submits the instruction.
    ///
    /// # Errors
    /// [`ProcessorError`] if the provider gave no reliable answer.
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError>;

    /// Looks up the outcome of a key. `None`: the provider has never received the key.
    ///
    /// # Errors
    /// [`ProcessorError`] if the provider gave no reliable answer.
    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError>;
}
