//! The port for a payment provider, which moves the money.

use async_trait::async_trait;

use crate::provider::{
    Balance, Capabilities, Instruction, LookUp, LookUpAnswer, Notification, NotificationError, PaymentName,
    ProcessorError, ProviderAnswer,
};

/// Calls a payment provider.
///
/// # Promises
/// - A key is paid at most once, however often and from wherever it is submitted. A decline is final for its key. A
///   payment that was paid may be returned later, and is final then.
/// - A look-up pays nothing. It answers *absent* only if the key has provably never been received.
/// - A call that is dropped leaves the outcome unknown. It cancels nothing.
/// - A call does not retry: the worker owns every attempt.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Processor: Send + Sync {
    /// Returns the facts about the provider on which the worker and the routes depend.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Submits the instruction.
    ///
    /// # Errors
    /// [`ProcessorError`] if the provider gave no reliable answer.
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError>;

    /// Looks up the outcome of a key.
    ///
    /// # Errors
    /// [`ProcessorError`] if the provider gave no reliable answer.
    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError>;

    /// Returns the balances with which the provider can pay, at most one per currency; `None` if it does not tell.
    ///
    /// # Errors
    /// [`ProcessorError`] if the provider gave no reliable answer.
    async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
        Ok(None)
    }

    /// Verifies the signature of a notification, in constant time over the raw body, and returns the payments that it
    /// speaks of.
    ///
    /// # Errors
    /// [`NotificationError`]; by default, the provider sends no notifications.
    async fn read_notification(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let _ = notification;
        Err(NotificationError::NotConfigured)
    }
}
