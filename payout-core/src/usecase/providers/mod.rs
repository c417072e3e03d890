//! The use cases for providers: operators list, pause and resume them, and they push notifications.
//!
//! - [`Providers`] has the operations of an operator, and knows which providers are paused.
//! - [`ProviderWatch`] shows the calls to each provider, and its balances.
//! - `notifications` takes what a provider pushes, as a hint.

mod activity;
mod notifications;

use std::sync::{Arc, PoisonError, RwLock};

pub use self::activity::{
    CallsOfHour, KnownBalances, ProviderActivity, ProviderWatch, ToldBalances, WatchedProvider,
};
pub use self::notifications::NotifyError;
use crate::payout::{Caller, Payout};
use crate::ports::{
    JobQueue, PausedProvider, Processor, ProviderRepository, RecheckRepository, RepositoryError,
};
use crate::provider::{ProviderName, WaitReason};

/// A provider that this program may call.
#[derive(Clone)]
pub struct KnownProvider {
    /// The name.
    pub name: ProviderName,
    /// The kind.
    pub kind: &'static str,
    /// The adapter, which reads the provider's notifications.
    pub processor: Arc<dyn Processor>,
    /// True if payouts that name no provider belong to this one.
    pub adopts_unnamed: bool,
}

/// A provider in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProvider {
    /// The name.
    pub name: ProviderName,
    /// The kind.
    pub kind: &'static str,
    /// The pause; absent if the provider is not paused.
    pub paused: Option<PausedProvider>,
}

/// An error of an operation on a provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvidersError {
    /// No provider has this name.
    #[error("there is no such provider")]
    NotFound,
    /// The store returned an error. The operation may have been done: repeating it is harmless.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// The use cases for providers. Cheap to clone; all clones share what is known of the pauses.
#[derive(Clone)]
pub struct Providers {
    known: Arc<[KnownProvider]>,
    repository: Arc<dyn ProviderRepository>,
    rechecks: Arc<dyn RecheckRepository>,
    queue: Arc<dyn JobQueue>,
    paused: Arc<RwLock<Vec<PausedProvider>>>,
}

impl Providers {
    /// Makes the use cases over their ports, for these providers.
    pub fn new(
        known: impl IntoIterator<Item = KnownProvider>,
        repository: Arc<dyn ProviderRepository>,
        rechecks: Arc<dyn RecheckRepository>,
        queue: Arc<dyn JobQueue>,
    ) -> Self {
        Self {
            known: known.into_iter().collect(),
            repository,
            rechecks,
            queue,
            paused: Arc::default(),
        }
    }

    /// Returns the providers.
    pub fn known(&self) -> &[KnownProvider] {
        &self.known
    }

    /// Returns whether there are no providers with a name.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Lists the providers, in the order of their configuration.
    ///
    /// # Errors
    /// [`ProvidersError::Store`].
    pub async fn list(&self) -> Result<Vec<ListedProvider>, ProvidersError> {
        let paused = self.read_pauses().await?;
        Ok(self.known.iter().map(|known| listed(known, &paused)).collect())
    }

    /// Pauses a provider: no worker calls it until it is resumed. A paused provider stays as it was paused first.
    ///
    /// # Errors
    /// [`ProvidersError`].
    pub async fn pause(
        &self,
        name: &ProviderName,
        caller: &Caller,
    ) -> Result<ListedProvider, ProvidersError> {
        let known = self.find(name)?;
        self.repository.pause_provider(name, caller).await?;
        Ok(listed(known, &self.read_pauses().await?))
    }

    /// Resumes a provider. Resuming one that is not paused changes nothing.
    ///
    /// # Errors
    /// [`ProvidersError`].
    pub async fn resume(
        &self,
        name: &ProviderName,
        caller: &Caller,
    ) -> Result<ListedProvider, ProvidersError> {
        let known = self.find(name)?;
        self.repository.resume_provider(name, caller).await?;
        Ok(listed(known, &self.read_pauses().await?))
    }

    /// Reads which providers are paused. To be called about once a second, so that answers show it.
    ///
    /// # Errors
    /// [`ProvidersError::Store`]; what was read before stays.
    pub async fn refresh(&self) -> Result<(), ProvidersError> {
        if self.is_empty() {
            return Ok(());
        }
        self.read_pauses().await?;
        Ok(())
    }

    /// Returns whether a provider was paused when the pauses were read last.
    pub fn is_paused(&self, name: &ProviderName) -> bool {
        let paused = self.paused.read().unwrap_or_else(PoisonError::into_inner);
        paused.iter().any(|paused| paused.name == *name)
    }

    /// Returns the reason why a payout waits: its own, or the pause of its provider.
    pub fn waiting_for(&self, payout: &Payout) -> Option<WaitReason> {
        let parts = payout.parts();
        let is_paused = parts.awaits_somebody()
            && parts
                .provider
                .as_ref()
                .is_some_and(|provider| self.is_paused(provider));
        if is_paused {
            Some(WaitReason::ProviderPaused)
        } else {
            parts.waiting_for
        }
    }

    fn find(&self, name: &ProviderName) -> Result<&KnownProvider, ProvidersError> {
        let mut known = self.known.iter();
        known
            .find(|known| known.name == *name)
            .ok_or(ProvidersError::NotFound)
    }

    async fn read_pauses(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        let paused = self.repository.paused_providers().await?;
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = paused.clone();
        Ok(paused)
    }
}

fn listed(known: &KnownProvider, paused: &[PausedProvider]) -> ListedProvider {
    ListedProvider {
        name: known.name.clone(),
        kind: known.kind,
        paused: paused.iter().find(|paused| paused.name == known.name).cloned(),
    }
}
