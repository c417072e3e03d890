//! Goes on with bulk actions, a page at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::selection::{self, ReadFilter};
use super::take::Taker;
use crate::access::Principal;
use crate::bulk::{BulkAction, BulkEnd, BulkOutcome, BulkPlace, BulkResult, PlannedPayout};
use crate::payout::{Actor, Caller};
use crate::ports::{
    BulkActionRepository, BulkLease, BulkPage, Cursor, HeldBulkAction, ListQuery, Listed, Order, Position,
    RepositoryError,
};
use crate::usecase::Payouts;
use crate::usecase::api_keys::ApiKeys;

/// The duration of a lease, in which a page is done many times over.
const LEASE: Duration = Duration::from_secs(10);
/// The number of payouts of a page.
const PAGE: u32 = 100;
/// The largest number of payouts that are changed at once.
const AT_ONCE: usize = 8;

/// Goes on with bulk actions. Cheap to clone.
#[derive(Clone)]
pub struct BulkRunner {
    repository: Arc<dyn BulkActionRepository>,
    payouts: Payouts,
    keys: ApiKeys,
    read_filter: ReadFilter,
}

impl BulkRunner {
    /// Makes a runner over the store of actions, the use cases of payouts and the keys of those who start actions.
    pub fn new(
        repository: Arc<dyn BulkActionRepository>,
        payouts: Payouts,
        keys: ApiKeys,
        read_filter: ReadFilter,
    ) -> Self {
        Self {
            repository,
            payouts,
            keys,
            read_filter,
        }
    }

    /// Does one page of an action that no other worker holds. Returns false if every action is held or has ended.
    ///
    /// # Errors
    /// [`RepositoryError`]: the page is done by the next call, here or elsewhere.
    pub async fn work(&self, worker: &Actor) -> Result<bool, RepositoryError> {
        let Some(held) = self.repository.lease_bulk(worker, LEASE).await? else {
            return Ok(false);
        };
        let lease = held.lease;
        let worked = self.go_on(held).await;
        if worked.is_err() {
            // Best effort: otherwise the lease ends by itself.
            let _ = self.repository.release_bulk(lease).await;
        }
        worked.map(|()| true)
    }

    async fn go_on(&self, held: HeldBulkAction) -> Result<(), RepositoryError> {
        let HeldBulkAction {
            lease,
            action,
            unsettled,
        } = held;
        if !action.state.is_running() {
            return self.settle(action, lease, unsettled, None).await;
        }
        let principal = match self.starter(&action).await? {
            Ok(principal) => principal,
            Err(why) => return self.end(lease, BulkEnd::Stopped(why)).await,
        };
        let planned = if unsettled.is_empty() {
            self.plan(&action, lease, &principal).await?
        } else {
            Some(unsettled)
        };
        let Some(planned) = planned else { return Ok(()) };
        let mut caller = principal.caller().in_request(&action.request_id());
        caller.reason.clone_from(&action.reason);
        self.settle(action, lease, planned, Some(caller)).await
    }

    /// Returns the person with the rights of this moment; the inner error says why the action may not go on.
    async fn starter(&self, action: &BulkAction) -> Result<Result<Principal, String>, RepositoryError> {
        let starter = &action.starter;
        let principal = self.keys.principal_of(starter.api_key).await;
        let principal = principal.map_err(RepositoryError::unavailable)?;
        let scope = action.step.scope();
        Ok(match principal {
            Some(principal) if principal.may(scope) => Ok(principal),
            Some(_) => Err(format!(
                "The API key {}, which started it, no longer has the scope {scope}.",
                starter.name
            )),
            None if starter.api_key.is_some() => Err(format!(
                "The API key {}, which started it, was revoked or has expired.",
                starter.name
            )),
            None => Err("It was started without an API key, and the service has API keys now.".to_owned()),
        })
    }

    /// Plans the next page; `None` if there is nothing to do under this lease.
    async fn plan(
        &self,
        action: &BulkAction,
        lease: BulkLease,
        principal: &Principal,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError> {
        let selection = match selection::read(self.read_filter, &action.filter) {
            Ok(selection) => selection,
            Err(error) => {
                self.end(lease, BulkEnd::Stopped(error.to_string())).await?;
                return Ok(None);
            }
        };
        let query = ListQuery {
            filter: selection.of(principal, action.counted_at),
            order: Order::OldestFirst,
            position: action.place.map_or(Position::Offset(0), |place| {
                Position::After(Cursor {
                    at: place.created_at,
                    id: place.payout,
                })
            }),
            limit: PAGE,
        };
        let rows = self.payouts.rows(&query).await?;
        let Some(last) = rows.last().map(|row| row.place(Order::OldestFirst)) else {
            self.end(lease, BulkEnd::Finished).await?;
            return Ok(None);
        };
        let page = BulkPage {
            payouts: rows.iter().map(|row| planned(action, row)).collect(),
            place: BulkPlace {
                created_at: last.at,
                payout: last.id,
            },
        };
        self.repository.plan_bulk(lease, &page).await
    }

    /// Changes planned payouts, and stores what became of them. Without a caller, it only finds out what was changed.
    async fn settle(
        &self,
        action: BulkAction,
        lease: BulkLease,
        planned: Vec<BulkOutcome>,
        caller: Option<Caller>,
    ) -> Result<(), RepositoryError> {
        let taker = Arc::new(Taker::new(self.payouts.clone(), action, caller));
        let (mut tasks, mut results, mut failed) = (JoinSet::new(), Vec::new(), None);
        let mut planned = planned.into_iter();
        loop {
            while tasks.len() < AT_ONCE
                && failed.is_none()
                && let Some(next) = planned.next()
            {
                let taker = taker.clone();
                tasks.spawn(async move { (next.number, taker.take(next.planned).await) });
            }
            match tasks.join_next().await {
                None => break,
                Some(Ok((number, Ok(result)))) => results.push((number, result)),
                Some(Ok((_, Err(error)))) => failed = Some(error),
                Some(Err(gone)) => failed = Some(RepositoryError::unavailable(gone)),
            }
        }
        // Those without a result stay planned, and are looked at again.
        self.store(lease, &results).await?;
        failed.map_or(Ok(()), Err)
    }

    async fn store(&self, lease: BulkLease, results: &[(u64, BulkResult)]) -> Result<(), RepositoryError> {
        self.repository.settle_bulk(lease, results).await.map(drop)
    }

    async fn end(&self, lease: BulkLease, end: BulkEnd) -> Result<(), RepositoryError> {
        if self.repository.end_bulk(lease, &end).await? {
            let why = match end {
                BulkEnd::Finished => None,
                BulkEnd::Stopped(why) => Some(why),
            };
            tracing::info!(action = %lease.id, why, "a bulk action has ended");
        }
        Ok(())
    }
}

/// Plans a row of the list. What may not be changed at any version has version zero.
fn planned(action: &BulkAction, row: &Listed) -> PlannedPayout {
    let (payout, version) = match row {
        Listed::Payout(payout) => {
            let has_changed = payout.parts().updated_at >= action.counted_at;
            let is_too_late = action.step.pays() && has_changed;
            (payout.id(), if is_too_late { 0 } else { payout.version() })
        }
        Listed::Deleted(deleted) => (deleted.payout.id(), 0),
        Listed::Unreadable(place) => (place.id, 0),
    };
    PlannedPayout { payout, version }
}
