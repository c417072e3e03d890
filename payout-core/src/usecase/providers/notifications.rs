//! Notifications that a provider pushes.
//!
//! Nothing is believed because it was pushed: a notification brings the next look at its payments forward, and the
//! worker looks them up. The store takes the hint before the provider is answered, so that a hint that could not be
//! stored is sent again.

use std::time::Duration;

use crate::payout::PayoutId;
use crate::ports::{Hint, RepositoryError};
use crate::provider::{Notification, NotificationError, ProviderName};
use crate::usecase::providers::{Providers, ProvidersError};

/// The time limit for sending hints to the queue. Without them the sweep finds the payouts, later.
const TO_QUEUE: Duration = Duration::from_secs(2);

/// A notification that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// No provider of this name takes notifications. The sender cannot tell which of the two is the case.
    #[error("no provider of this name takes notifications")]
    NotFound,
    /// The signature is missing, wrong, or too old.
    #[error("the signature is not valid")]
    InvalidSignature,
    /// The signature is valid, but the body cannot be read.
    #[error("the notification cannot be read: {0}")]
    Unreadable(String),
    /// The signature cannot be verified now.
    #[error("the signature cannot be verified now: {0}")]
    Unavailable(String),
    /// The store did not take the hint.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

impl From<NotificationError> for NotifyError {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::NotConfigured => Self::NotFound,
            NotificationError::InvalidSignature => Self::InvalidSignature,
            NotificationError::Unreadable(why) => Self::Unreadable(why),
            NotificationError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Providers {
    /// Verifies a notification, and brings the next look at its payments forward. Returns the number of payouts that
    /// are due now.
    ///
    /// # Errors
    /// [`NotifyError`]; the provider should send the notification again after [`NotifyError::Unavailable`] and
    /// [`NotifyError::Store`].
    pub async fn notify(
        &self,
        name: &ProviderName,
        notification: &Notification,
    ) -> Result<usize, NotifyError> {
        let known = self.find(name).map_err(|error| match error {
            ProvidersError::NotFound => NotifyError::NotFound,
            ProvidersError::Store(error) => NotifyError::Store(error),
        })?;
        let payments = known.processor.read_notification(notification).await?;
        if payments.is_empty() {
            return Ok(0);
        }
        let mut due = self.rechecks.hint_payments(Some(name.clone()), &payments).await?;
        if known.adopts_unnamed {
            due.extend(self.rechecks.hint_payments(None, &payments).await?);
        }
        self.send_hints(&due).await;
        Ok(due.len())
    }

    async fn send_hints(&self, due: &[PayoutId]) {
        let hints: Vec<Hint> = due.iter().copied().map(Hint::at).collect();
        if hints.is_empty() {
            return;
        }
        let sent = tokio::time::timeout(TO_QUEUE, self.queue.enqueue(&hints)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("hints of a notification were not sent; the sweep claims the payouts");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::ports::{
        MockJobQueue, MockProcessor, MockProviderRepository, MockRecheckRepository, QueueError,
    };
    use crate::provider::PaymentName;
    use crate::usecase::providers::KnownProvider;

    fn name(text: &str) -> ProviderName {
        ProviderName::new(text).unwrap()
    }

    fn payout() -> PayoutId {
        PayoutId::from(Uuid::from_u128(7))
    }

    fn providers(
        processor: MockProcessor,
        rechecks: MockRecheckRepository,
        queue: MockJobQueue,
        adopts_unnamed: bool,
    ) -> Providers {
        let known = KnownProvider {
            name: name("a"),
            kind: "http",
            processor: Arc::new(processor),
            adopts_unnamed,
        };
        Providers::new(
            [known],
            Arc::new(MockProviderRepository::new()),
            Arc::new(rechecks),
            Arc::new(queue),
        )
    }

    fn reads(answer: Result<Vec<PaymentName>, NotificationError>) -> MockProcessor {
        let mut processor = MockProcessor::new();
        processor.expect_read_notification().return_once(|_| answer);
        processor
    }

    fn one() -> Result<Vec<PaymentName>, NotificationError> {
        Ok(vec![PaymentName::Key("k:0".to_owned())])
    }

    #[tokio::test]
    async fn a_notification_makes_its_payouts_due_and_wakes_a_worker() {
        let mut rechecks = MockRecheckRepository::new();
        rechecks
            .expect_hint_payments()
            .withf(|provider, payments| {
                *provider == Some(name("a")) && payments == [PaymentName::Key("k:0".to_owned())]
            })
            .return_once(|_, _| Ok(vec![payout()]));
        let mut queue = MockJobQueue::new();
        queue
            .expect_enqueue()
            .withf(|hints| hints == [Hint::at(payout())])
            .return_once(|_| Ok(()));
        let providers = providers(reads(one()), rechecks, queue, false);
        let due = providers.notify(&name("a"), &Notification::default()).await;
        assert_eq!(due.unwrap(), 1);
    }

    #[tokio::test]
    async fn payouts_without_a_provider_are_hinted_for_the_one_that_adopts_them() {
        let mut rechecks = MockRecheckRepository::new();
        rechecks
            .expect_hint_payments()
            .withf(|provider, _| provider.is_some())
            .return_once(|_, _| Ok(Vec::new()));
        rechecks
            .expect_hint_payments()
            .withf(|provider, _| provider.is_none())
            .return_once(|_, _| Ok(vec![payout()]));
        let mut queue = MockJobQueue::new();
        queue.expect_enqueue().return_once(|_| Ok(()));
        let providers = providers(reads(one()), rechecks, queue, true);
        let due = providers.notify(&name("a"), &Notification::default()).await;
        assert_eq!(due.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_hint_that_the_store_did_not_take_is_an_error_and_one_that_the_queue_did_not_is_none() {
        let mut rechecks = MockRecheckRepository::new();
        rechecks
            .expect_hint_payments()
            .return_once(|_, _| Err(RepositoryError::Unavailable("away".into())));
        let away = providers(reads(one()), rechecks, MockJobQueue::new(), false);
        let refused = away.notify(&name("a"), &Notification::default()).await;
        assert!(matches!(refused, Err(NotifyError::Store(_))), "{refused:?}");

        let mut rechecks = MockRecheckRepository::new();
        rechecks
            .expect_hint_payments()
            .return_once(|_, _| Ok(vec![payout()]));
        let mut queue = MockJobQueue::new();
        queue
            .expect_enqueue()
            .return_once(|_| Err(QueueError::unavailable("away")));
        let slow = providers(reads(one()), rechecks, queue, false);
        assert_eq!(
            slow.notify(&name("a"), &Notification::default()).await.unwrap(),
            1
        );
    }

    #[tokio::test]
    async fn nothing_is_written_for_a_notification_that_is_not_verified() {
        for (said, expected) in [
            (NotificationError::InvalidSignature, "the signature is not valid"),
            (
                NotificationError::NotConfigured,
                "no provider of this name takes notifications",
            ),
            (
                NotificationError::Unavailable("no certificate".to_owned()),
                "the signature cannot be verified now: no certificate",
            ),
        ] {
            // A call of a mock without an expectation would panic.
            let providers = providers(
                reads(Err(said)),
                MockRecheckRepository::new(),
                MockJobQueue::new(),
                false,
            );
            let refused = providers.notify(&name("a"), &Notification::default()).await;
            assert_eq!(refused.unwrap_err().to_string(), expected);
            let unknown = providers.notify(&name("b"), &Notification::default()).await;
            assert!(matches!(unknown, Err(NotifyError::NotFound)), "{unknown:?}");
        }
    }
}
