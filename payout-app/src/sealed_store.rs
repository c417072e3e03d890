//! What a store does with the keys that who is paid is sealed with.

use payout_adapters::seal::{KeyCheck, Stretch};
use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;

use crate::wiring::Store;

impl Store {
    /// Whether the keys are those that the database is sealed with.
    pub(crate) async fn check_keys(&self) -> Result<KeyCheck, RepositoryError> {
        match self {
            Self::Memory => Ok(KeyCheck::Fits),
            Self::Sqlite(repository) => repository.check_keys().await,
            Self::Postgres(repository) => repository.check_keys().await,
        }
    }

    /// The same, for whoever only looks.
    pub(crate) async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        match self {
            Self::Memory => Ok(KeyCheck::Fits),
            Self::Sqlite(repository) => repository.compare_keys().await,
            Self::Postgres(repository) => repository.compare_keys().await,
        }
    }

    /// Seals the next payouts after this one with the current key.
    pub(crate) async fn reseal_payouts(
        &self,
        after: Option<PayoutId>,
        limit: u32,
    ) -> Result<Stretch<PayoutId>, RepositoryError> {
        match self {
            Self::Memory => Ok(Stretch::default()),
            Self::Sqlite(repository) => repository.reseal_payouts(after, limit).await,
            Self::Postgres(repository) => repository.reseal_payouts(after, limit).await,
        }
    }

    /// Seals the next answers after this idempotency key's with the current key.
    pub(crate) async fn reseal_answers(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Stretch<String>, RepositoryError> {
        match self {
            Self::Memory => Ok(Stretch::default()),
            Self::Sqlite(repository) => repository.reseal_answers(after, limit).await,
            Self::Postgres(repository) => repository.reseal_answers(after, limit).await,
        }
    }

    /// Removes what was overwritten, where that is this process's to do; false when somebody is in the way.
    pub(crate) async fn compact(&self) -> bool {
        match self {
            Self::Memory | Self::Postgres(_) => true,
            Self::Sqlite(repository) => repository.compact().await.is_ok(),
        }
    }

    /// Forgets the keys that nothing is sealed with any more.
    pub(crate) async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        match self {
            Self::Memory => Ok(Vec::new()),
            Self::Sqlite(repository) => repository.forget_other_keys().await,
            Self::Postgres(repository) => repository.forget_other_keys().await,
        }
    }
}
