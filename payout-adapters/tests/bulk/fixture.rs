//! A person with an API key, payouts, and a store of bulk actions that can lose what is written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::{MemoryApiKeys, MemoryBulkActions, MemoryRepository};
use payout_core::access::{ApiKeyId, KeyName, NewApiKey, Principal, Scope};
use payout_core::bulk::{
    BulkAction, BulkActionId, BulkEnd, BulkFilter, BulkOutcome, BulkResult, BulkStarter, BulkStep,
    NewBulkAction,
};
use payout_core::contract::{build, drive};
use payout_core::payout::{Actor, Caller, NewPayout, PayoutId, Status};
use payout_core::ports::{
    ApiKeyRepository, BulkActionRepository, BulkLease, BulkOutcomeQuery, BulkPage, Filter, HeldBulkAction,
    MockSecretSource, PayoutRepository, RepositoryError, System,
};
use payout_core::usecase::Payouts;
use payout_core::usecase::api_keys::ApiKeys;
use payout_core::usecase::bulk::{BulkActions, BulkRunner};

/// A store of actions whose writes can be lost, as if the worker died around them.
pub(crate) struct Losing {
    actions: MemoryBulkActions,
    /// True while pages are planned, and the worker never knows.
    pub(crate) loses_plans: AtomicBool,
    /// True while outcomes are not stored.
    pub(crate) loses_outcomes: AtomicBool,
}

fn lost() -> RepositoryError {
    RepositoryError::unavailable("lost")
}

#[async_trait]
impl BulkActionRepository for Losing {
    async fn start_bulk(&self, new: &NewBulkAction) -> Result<BulkAction, RepositoryError> {
        self.actions.start_bulk(new).await
    }

    async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, RepositoryError> {
        self.actions.bulk_action(id).await
    }

    async fn bulk_actions(
        &self,
        before: Option<BulkActionId>,
        limit: u32,
    ) -> Result<Vec<BulkAction>, RepositoryError> {
        self.actions.bulk_actions(before, limit).await
    }

    async fn bulk_outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, RepositoryError> {
        self.actions.bulk_outcomes(id, query).await
    }

    async fn stop_bulk(&self, id: BulkActionId, why: &str) -> Result<Option<BulkAction>, RepositoryError> {
        self.actions.stop_bulk(id, why).await
    }

    async fn lease_bulk(
        &self,
        worker: &Actor,
        lease: Duration,
    ) -> Result<Option<HeldBulkAction>, RepositoryError> {
        self.actions.lease_bulk(worker, lease).await
    }

    async fn plan_bulk(
        &self,
        lease: BulkLease,
        page: &BulkPage,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError> {
        let planned = self.actions.plan_bulk(lease, page).await?;
        if self.loses_plans.load(Ordering::SeqCst) {
            return Err(lost());
        }
        Ok(planned)
    }

    async fn settle_bulk(
        &self,
        lease: BulkLease,
        results: &[(u64, BulkResult)],
    ) -> Result<Option<BulkAction>, RepositoryError> {
        if self.loses_outcomes.load(Ordering::SeqCst) {
            return Err(lost());
        }
        self.actions.settle_bulk(lease, results).await
    }

    async fn end_bulk(&self, lease: BulkLease, end: &BulkEnd) -> Result<bool, RepositoryError> {
        self.actions.end_bulk(lease, end).await
    }

    async fn release_bulk(&self, lease: BulkLease) -> Result<(), RepositoryError> {
        self.actions.release_bulk(lease).await
    }
}

/// The filter of everything.
pub(crate) fn everything() -> BulkFilter {
    BulkFilter::new("everything").unwrap()
}

fn read_filter(filter: &BulkFilter) -> Option<(Filter, bool)> {
    let statuses = match filter.as_str() {
        "everything" => Vec::new(),
        "failed" => vec![Status::Failed],
        _ => return None,
    };
    let filter = Filter {
        statuses,
        ..Filter::default()
    };
    Some((filter, false))
}

pub(crate) fn worker() -> Actor {
    Actor::new("worker-1")
}

/// The stores, and the API key `ada`.
pub(crate) struct Fixture {
    pub(crate) payouts: Arc<MemoryRepository>,
    pub(crate) actions: Arc<Losing>,
    repository: Arc<MemoryApiKeys>,
    keys: ApiKeys,
    key: ApiKeyId,
    service: Payouts,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with_scopes(Scope::ALL.iter().copied()).await
    }

    pub(crate) async fn with_scopes(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let system = Arc::new(System::default());
        let payouts = Arc::new(MemoryRepository::new(system.clone()));
        let actions = Losing {
            actions: MemoryBulkActions::new(system.clone()),
            loses_plans: AtomicBool::default(),
            loses_outcomes: AtomicBool::default(),
        };
        let repository = Arc::new(MemoryApiKeys::new(system.clone()));
        let secrets = Arc::new(MockSecretSource::new());
        let keys = ApiKeys::new(repository.clone(), None, secrets, system.clone());
        let new = NewApiKey {
            scopes: scopes.into_iter().collect(),
            ..build::new_key("ada")
        };
        let key = repository.insert(&new).await.unwrap().id;
        let queue = Arc::new(MemoryQueue::default());
        Self {
            service: Payouts::start(payouts.clone(), queue, system),
            payouts,
            actions: Arc::new(actions),
            repository,
            keys,
            key,
        }
    }

    pub(crate) async fn principal(&self) -> Principal {
        let principal = self.keys.principal_of(Some(self.key)).await.unwrap();
        principal.expect("the key is live")
    }

    pub(crate) async fn caller(&self) -> Caller {
        self.principal().await.caller()
    }

    pub(crate) async fn revoke(&self) {
        self.repository
            .revoke(&KeyName::new("ada").unwrap())
            .await
            .unwrap();
    }

    pub(crate) fn bulk(&self) -> BulkActions {
        BulkActions::new(self.actions.clone(), self.service.clone(), read_filter)
    }

    pub(crate) fn runner(&self) -> BulkRunner {
        BulkRunner::new(
            self.actions.clone(),
            self.service.clone(),
            self.keys.clone(),
            read_filter,
        )
    }

    /// Stores this many payouts that failed, and returns them in the order of lists.
    pub(crate) async fn failed(&self, many: usize) -> Vec<PayoutId> {
        let new: Vec<NewPayout> = (0..many).map(|_| build::new_payout()).collect();
        self.payouts.insert(&new).await.unwrap();
        self.decline().await;
        // The times of what follows differ.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut ids: Vec<PayoutId> = new.iter().map(|new| new.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Claims what is due, and declines it.
    pub(crate) async fn decline(&self) {
        let sweep = build::sweep(1_000, build::LONG_LEASE);
        let claims = self.payouts.claim(&sweep).await.unwrap().won;
        let settlements: Vec<_> = claims
            .into_iter()
            .map(|claim| claim.settle(build::failed()))
            .collect();
        drive::settle_all(&*self.payouts, &settlements).await;
    }

    /// Counts what matches, as for a confirmation: for a retry what failed, and else everything.
    pub(crate) async fn confirmed(&self, step: BulkStep) -> NewBulkAction {
        let filter = match step {
            BulkStep::Retry => BulkFilter::new("failed").unwrap(),
            BulkStep::Approve | BulkStep::Reject | BulkStep::Cancel => everything(),
        };
        let principal = self.principal().await;
        let counted = self.bulk().count(&filter, &principal).await.unwrap();
        NewBulkAction {
            id: counted.id,
            step,
            filter,
            starter: BulkStarter::of(&principal),
            reason: Some("Because.".to_owned()),
            counted_at: counted.counted_at,
            matched: counted.payouts,
        }
    }

    pub(crate) async fn start(&self, step: BulkStep) -> BulkAction {
        let new = self.confirmed(step).await;
        self.bulk().start(&new, &self.principal().await).await.unwrap()
    }

    /// Works until there is nothing more to do.
    pub(crate) async fn finish(&self) {
        let runner = self.runner();
        while runner.work(&worker()).await.unwrap() {}
    }

    pub(crate) async fn action(&self, id: BulkActionId) -> BulkAction {
        self.bulk().get(id).await.unwrap()
    }

    pub(crate) async fn results(&self, id: BulkActionId) -> Vec<BulkResult> {
        let query = BulkOutcomeQuery {
            limit: 10_000,
            ..BulkOutcomeQuery::default()
        };
        let outcomes = self.bulk().outcomes(id, query).await.unwrap();
        outcomes.into_iter().map(|outcome| outcome.result).collect()
    }
}
