//! The payment processor: who moves the money.

use async_trait::async_trait;

use crate::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};

/// Moves the money.
///
/// # Promises
/// - The first definite answer for a key (paid or declined) is the answer for that key ever after, and one key is
///   paid at most once, however often and from wherever it is submitted.
/// - A dropped call leaves the outcome unknown, never undone.
/// - No call retries by itself: the worker owns every attempt.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Processor: Send + Sync {
    /// Sends the instruction.
    ///
    /// # Errors
    /// [`ProcessorError`] when the provider gave no answer that can be relied on.
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError>;

    /// Asks what became of a key. `None`: the provider has never received it.
    ///
    /// # Errors
    /// [`ProcessorError`] when the provider gave no answer that can be relied on.
    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError>;
}
