//! The operations of a store on the keys that recipients are encrypted with.

use payout_adapters::seal::{KeyCheck, Stretch};
use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;

use crate::wiring::Store;

impl Store {
    /// Checks that this process has the keys that the database is encrypted with, and registers the current key there.
    pub(crate) async fn check_keys(&self) -> Result<KeyCheck, RepositoryError> {
        match self {
            Self::Memory => Ok(KeyCheck::Fits),
            Self::Sqlite(repository) => repository.check_keys().await,
            Self::Postgres(repository) => repository.check_keys().await,
        }
    }

    /// Checks the keys without registering the current one.
    pub(crate) async fn compare_keys(&self) -> Result<KeyCheck, RepositoryError> {
        match self {
            Self::Memory => Ok(KeyCheck::Fits),
            Self::Sqlite(repository) => repository.compare_keys().await,
            Self::Postgres(repository) => repository.compare_keys().await,
        }
    }

    /// Re-encrypts the next payouts after this one with the current key.
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

    /// Re-encrypts the next stored answers after this idempotency key's with the current key.
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

    /// Removes overwritten data, where that is up to this process. Returns false if another process prevents it.
    pub(crate) async fn compact(&self) -> bool {
        match self {
            Self::Memory | Self::Postgres(_) => true,
            Self::Sqlite(repository) => repository.compact().await.is_ok(),
        }
    }

    /// Forgets the keys that no data is encrypted with any more. Returns their names.
    pub(crate) async fn forget_other_keys(&self) -> Result<Vec<String>, RepositoryError> {
        match self {
            Self::Memory => Ok(Vec::new()),
            Self::Sqlite(repository) => repository.forget_other_keys().await,
            Self::Postgres(repository) => repository.forget_other_keys().await,
        }
    }
}
