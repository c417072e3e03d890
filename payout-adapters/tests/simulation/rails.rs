//! The ports of providers with faults: rechecks and the states of providers in the store, and the calls of a provider.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::attempt::Recheck;
use payout_core::payout::{Actor, Caller, Payout, PayoutId, ProviderReference};
use payout_core::ports::{
    DueProvider, PausedProvider, Processor, ProviderRepository, RecheckRepository, RepositoryError,
};
use payout_core::provider::{
    Capabilities, Instruction, LookUp, LookUpAnswer, Notification, NotificationError, PaymentName,
    ProcessorError, ProviderAnswer, ProviderCalls, ProviderName,
};

use crate::faults::{Faults, FaultyRepository};
use crate::process::Process;
use crate::provider::Provider;

#[async_trait]
impl RecheckRepository for FaultyRepository {
    async fn claim_rechecks(
        &self,
        provider: Option<ProviderName>,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Payout>, RepositoryError> {
        self.call(self.store.claim_rechecks(provider, limit, lease)).await
    }

    async fn settle_rechecks(&self, batch: &[Recheck], worker: &Actor) -> Result<Vec<bool>, RepositoryError> {
        self.call(self.store.settle_rechecks(batch, worker)).await
    }

    async fn hint_payments(
        &self,
        provider: Option<ProviderName>,
        payments: &[PaymentName],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        self.call(self.store.hint_payments(provider, payments)).await
    }
}

#[async_trait]
impl ProviderRepository for FaultyRepository {
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        self.call(self.store.paused_providers()).await
    }

    async fn pause_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        self.call(self.store.pause_provider(name, caller)).await
    }

    async fn resume_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        self.call(self.store.resume_provider(name, caller)).await
    }

    async fn count_workers(&self, worker: &Actor, within: Duration) -> Result<u32, RepositoryError> {
        self.call(self.store.count_workers(worker, within)).await
    }

    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError> {
        self.call(self.store.due_providers()).await
    }

    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
        self.call(self.store.add_calls(calls)).await
    }

    async fn count_calls(&self, within: Duration) -> Result<Vec<ProviderCalls>, RepositoryError> {
        self.call(self.store.count_calls(within)).await
    }
}

/// The provider as one process sees it. A worker that is frozen right before its call makes the call when it wakes.
pub(crate) struct FaultyProcessor {
    pub(crate) provider: Provider,
    pub(crate) faults: Faults,
    pub(crate) process: Process,
}

#[async_trait]
impl Processor for FaultyProcessor {
    fn capabilities(&self) -> Capabilities {
        self.provider.kind.capabilities()
    }

    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        if self.faults.strikes(12) {
            self.process
                .freeze(self.faults.chance.up_to(Duration::from_secs(25)));
        }
        if self.process.pass().await {
            self.faults.zombie_calls.fetch_add(1, Ordering::SeqCst);
        }
        // The request is on its way: killing or freezing the process now changes nothing at the provider.
        let (provider, instruction) = (self.provider.clone(), instruction.clone());
        let said = tokio::spawn(async move { provider.submit(&instruction).await }).await;
        self.process.pass().await;
        match said {
            Ok(said) => said,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        if self.faults.strikes(5) {
            self.process
                .freeze(self.faults.chance.up_to(Duration::from_secs(25)));
        }
        self.process.pass().await;
        let said = self.provider.look_up(look_up).await;
        self.process.pass().await;
        said
    }

    /// Takes every notification: its body is the reference of a payment.
    async fn read_notification(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let text = std::str::from_utf8(&notification.body).unwrap();
        Ok(vec![PaymentName::Reference(
            ProviderReference::new(text).unwrap(),
        )])
    }
}
