//! Webhooks in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::feed::{Announcement, FeedPosition};
use payout_core::payout::{Actor, PayoutId};
use payout_core::ports::{
    AttemptBatch, Clock, DeliveryPage, DeliveryQuery, EndpointLease, EventFeed, FeedPage, FeedQuery,
    HeldEndpoint, KEEP_DELIVERED, KEEP_FAILED, PageSource, RepositoryError, SettledAttempt,
    WAITING_DELIVERIES_MAX, WEBHOOKS_MAX, WatchedEndpoint, WebhookError, WebhookQueue, WebhookRepository,
};
use payout_core::webhook::{
    AttemptRecord, Delivery, DeliveryStatus, Endpoint, EndpointState, NewDelivery, Next, Replay, WebhookId,
};

use super::MemoryRepository;

/// Endpoints and deliveries in this process's memory, kept until the process ends.
pub struct MemoryWebhooks {
    clock: Arc<dyn Clock>,
    /// The payouts, whose feed reports endpoints too.
    payouts: Arc<MemoryRepository>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rows: Vec<Row>,
    /// The latest time that was returned or written; time never goes back before it.
    latest: Option<Timestamp>,
}

struct Row {
    endpoint: Endpoint,
    position: FeedPosition,
    replay: Option<Replay>,
    failing_since: Option<Timestamp>,
    deliveries: BTreeMap<u64, Stored>,
    last_number: u64,
    queue_revision: u64,
    fence: u64,
    held_by: Option<Actor>,
    leased_until: Option<Timestamp>,
}

struct Stored {
    delivery: Delivery,
    attempts: Vec<AttemptRecord>,
    remove_at: Option<Timestamp>,
}

impl MemoryWebhooks {
    /// Creates an empty store that reads the time from this clock, beside these payouts.
    pub fn new(clock: Arc<dyn Clock>, payouts: Arc<MemoryRepository>) -> Self {
        Self {
            clock,
            payouts,
            inner: Mutex::default(),
        }
    }

    fn transact<T>(&self, work: impl FnOnce(&mut Vec<Row>, Timestamp) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let now = inner.latest.map_or(now, |latest| latest.max(now));
        inner.latest = Some(now);
        work(&mut inner.rows, now)
    }
}

impl Row {
    fn held(&self, now: Timestamp) -> HeldEndpoint {
        HeldEndpoint {
            lease: EndpointLease {
                id: self.endpoint.id,
                fence: self.fence,
            },
            endpoint: self.endpoint.clone(),
            position: self.position,
            replay: self.replay,
            failing_since: self.failing_since,
            queue_revision: self.queue_revision,
            now,
        }
    }

    fn watched(&self) -> WatchedEndpoint {
        let mut waiting = self.waiting();
        WatchedEndpoint {
            endpoint: self.endpoint.clone(),
            position: self.position,
            replay: self.replay,
            failing_since: self.failing_since,
            oldest_waiting: waiting.next().map(|delivery| delivery.created_at),
            waiting: self.waiting().count() as u64,
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Delivery> {
        let deliveries = self.deliveries.values().map(|stored| &stored.delivery);
        deliveries.filter(|delivery| delivery.status == DeliveryStatus::Pending)
    }

    fn add(&mut self, content: &NewDelivery, now: Timestamp) -> Delivery {
        self.last_number += 1;
        let delivery = Delivery {
            webhook_id: self.endpoint.id,
            number: self.last_number,
            content: content.clone(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            created_at: now,
            due_at: Some(now),
            finished_at: None,
        };
        let stored = Stored {
            delivery: delivery.clone(),
            attempts: Vec::new(),
            remove_at: None,
        };
        self.deliveries.insert(self.last_number, stored);
        delivery
    }

    /// Moves the position behind a page; returns false if it was read elsewhere.
    fn advance(&mut self, page: &DeliveryPage) -> bool {
        match (page.source, &mut self.replay) {
            (PageSource::Feed, _) if self.position == page.after => {
                self.position = page.next;
                true
            }
            (PageSource::Replay { ends }, Some(replay)) if replay.after == page.after => {
                replay.after = page.next;
                if ends {
                    self.replay = None;
                }
                true
            }
            (PageSource::Feed | PageSource::Replay { .. }, _) => false,
        }
    }
}

impl Stored {
    fn settle(&mut self, attempt: &SettledAttempt, now: Timestamp) {
        let delivery = &mut self.delivery;
        if delivery.status != DeliveryStatus::Pending || delivery.attempts >= attempt.record.attempt {
            return;
        }
        delivery.attempts = attempt.record.attempt;
        self.attempts.push(attempt.record.clone());
        let mut finish = |status, keep: Duration| {
            (delivery.status, delivery.due_at, delivery.finished_at) = (status, None, Some(now));
            self.remove_at = Some(now + keep);
        };
        match attempt.next {
            Next::Again { after } => delivery.due_at = Some(now + after),
            Next::Delivered => finish(DeliveryStatus::Delivered, KEEP_DELIVERED),
            Next::GivenUp => finish(DeliveryStatus::Failed, KEEP_FAILED),
        }
    }
}

fn row(rows: &mut [Row], id: WebhookId) -> Option<&mut Row> {
    rows.iter_mut().find(|row| row.endpoint.id == id)
}

fn leased(rows: &mut [Row], lease: EndpointLease) -> Option<&mut Row> {
    row(rows, lease.id).filter(|row| row.fence == lease.fence)
}

#[async_trait]
impl WebhookRepository for MemoryWebhooks {
    async fn webhooks_now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.transact(|_, now| now))
    }

    async fn insert_webhook(
        &self,
        endpoint: &Endpoint,
        position: FeedPosition,
    ) -> Result<Endpoint, WebhookError> {
        self.transact(|rows, now| {
            if rows.len() >= WEBHOOKS_MAX as usize {
                return Err(WebhookError::TooMany);
            }
            let endpoint = Endpoint {
                created_at: now,
                revision: 1,
                ..endpoint.clone()
            };
            rows.push(Row {
                endpoint: endpoint.clone(),
                position,
                replay: None,
                failing_since: None,
                deliveries: BTreeMap::new(),
                last_number: 0,
                queue_revision: 0,
                fence: 0,
                held_by: None,
                leased_until: None,
            });
            Ok(endpoint)
        })
    }

    async fn webhooks(&self) -> Result<Vec<WatchedEndpoint>, RepositoryError> {
        Ok(self.transact(|rows, _| rows.iter().map(Row::watched).collect()))
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<WatchedEndpoint>, RepositoryError> {
        Ok(self.transact(|rows, _| row(rows, id).map(|row| row.watched())))
    }

    async fn save_webhook(&self, endpoint: &Endpoint, actor: &Actor) -> Result<Endpoint, WebhookError> {
        self.transact(|rows, _| {
            let row = row(rows, endpoint.id).ok_or(WebhookError::NotFound)?;
            if row.endpoint.revision != endpoint.revision {
                return Err(WebhookError::Changed);
            }
            match (row.endpoint.state, endpoint.state) {
                (EndpointState::Disabled { .. }, EndpointState::Enabled) => {
                    row.failing_since = None;
                    self.payouts
                        .announce(Announcement::of_enabled(endpoint.id, actor));
                }
                (EndpointState::Enabled, EndpointState::Disabled { why, .. }) => {
                    self.payouts
                        .announce(Announcement::of_disabled(endpoint.id, why, actor));
                }
                (EndpointState::Enabled, EndpointState::Enabled)
                | (EndpointState::Disabled { .. }, EndpointState::Disabled { .. }) => (),
            }
            row.endpoint = Endpoint {
                revision: endpoint.revision + 1,
                ..endpoint.clone()
            };
            Ok(row.endpoint.clone())
        })
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError> {
        Ok(self.transact(|rows, _| {
            let before = rows.len();
            rows.retain(|row| row.endpoint.id != id);
            rows.len() < before
        }))
    }

    async fn replay(&self, id: WebhookId, range: Replay) -> Result<(), WebhookError> {
        self.transact(|rows, _| {
            let row = row(rows, id).ok_or(WebhookError::NotFound)?;
            if row.replay.is_some() {
                return Err(WebhookError::Replaying);
            }
            row.replay = Some(range);
            row.queue_revision += 1;
            Ok(())
        })
    }

    async fn add_delivery(&self, id: WebhookId, delivery: &NewDelivery) -> Result<Delivery, WebhookError> {
        self.transact(|rows, now| {
            let row = row(rows, id).ok_or(WebhookError::NotFound)?;
            if row.waiting().count() >= WAITING_DELIVERIES_MAX as usize {
                return Err(WebhookError::Full);
            }
            row.queue_revision += 1;
            Ok(row.add(delivery, now))
        })
    }

    async fn hasten_delivery(&self, id: WebhookId, number: u64) -> Result<Delivery, WebhookError> {
        self.transact(|rows, now| {
            let row = row(rows, id).ok_or(WebhookError::NotFound)?;
            let stored = row.deliveries.get_mut(&number).ok_or(WebhookError::NotFound)?;
            if let Some(due_at) = &mut stored.delivery.due_at {
                *due_at = now;
                row.queue_revision += 1;
            }
            Ok(stored.delivery.clone())
        })
    }

    async fn deliveries(
        &self,
        id: WebhookId,
        query: &DeliveryQuery,
    ) -> Result<Vec<Delivery>, RepositoryError> {
        Ok(self.transact(|rows, _| {
            let Some(row) = row(rows, id) else {
                return Vec::new();
            };
            let before = query.before.unwrap_or(u64::MAX);
            let newest = row
                .deliveries
                .range(..before)
                .rev()
                .map(|(_, stored)| &stored.delivery);
            newest
                .filter(|delivery| query.status.is_none_or(|status| delivery.status == status))
                .take(query.limit as usize)
                .cloned()
                .collect()
        }))
    }

    async fn deliveries_of_payout(&self, id: PayoutId, limit: u32) -> Result<Vec<Delivery>, RepositoryError> {
        Ok(self.transact(|rows, _| {
            let deliveries = rows.iter().flat_map(|row| row.deliveries.values());
            let mut of_payout: Vec<Delivery> = deliveries
                .map(|stored| &stored.delivery)
                .filter(|delivery| delivery.content.payout_id == Some(id))
                .cloned()
                .collect();
            of_payout.sort_by_key(|delivery| {
                (
                    Reverse(delivery.created_at),
                    delivery.webhook_id,
                    Reverse(delivery.number),
                )
            });
            of_payout.truncate(limit as usize);
            of_payout
        }))
    }

    async fn delivery(
        &self,
        id: WebhookId,
        number: u64,
    ) -> Result<Option<(Delivery, Vec<AttemptRecord>)>, RepositoryError> {
        Ok(self.transact(|rows, _| {
            let stored = row(rows, id)?.deliveries.get(&number)?;
            Some((stored.delivery.clone(), stored.attempts.clone()))
        }))
    }

    async fn forget_deliveries(&self, limit: u32) -> Result<u64, RepositoryError> {
        Ok(self.transact(|rows, now| {
            let mut forgotten = 0;
            for row in rows {
                row.deliveries.retain(|_, stored| {
                    let is_over = stored.remove_at.is_some_and(|at| at <= now);
                    let goes = is_over && forgotten < u64::from(limit);
                    forgotten += u64::from(goes);
                    !goes
                });
            }
            forgotten
        }))
    }
}

#[async_trait]
impl WebhookQueue for MemoryWebhooks {
    async fn acquire_webhooks(
        &self,
        worker: &Actor,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        Ok(self.transact(|rows, now| {
            let free = rows
                .iter_mut()
                .filter(|row| row.endpoint.is_enabled() && row.leased_until.is_none_or(|until| until < now));
            free.take(limit as usize)
                .map(|row| {
                    row.fence += 1;
                    row.held_by = Some(worker.clone());
                    row.leased_until = Some(now + lease);
                    row.held(now)
                })
                .collect()
        }))
    }

    async fn renew_webhooks(
        &self,
        leases: &[EndpointLease],
        lease: Duration,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        Ok(self.transact(|rows, now| {
            let mut held = Vec::new();
            for one in leases {
                if let Some(row) = leased(rows, *one).filter(|row| row.endpoint.is_enabled()) {
                    row.leased_until = Some(now + lease);
                    held.push(row.held(now));
                }
            }
            held
        }))
    }

    async fn release_webhook(&self, lease: EndpointLease) -> Result<(), RepositoryError> {
        self.transact(|rows, _| {
            if let Some(row) = leased(rows, lease) {
                row.leased_until = None;
            }
        });
        Ok(())
    }

    async fn waiting_deliveries(&self, lease: EndpointLease) -> Result<Vec<Delivery>, RepositoryError> {
        Ok(self.transact(|rows, _| match leased(rows, lease) {
            Some(row) => row.waiting().cloned().collect(),
            None => Vec::new(),
        }))
    }

    async fn store_page(
        &self,
        lease: EndpointLease,
        page: &DeliveryPage,
    ) -> Result<Option<Vec<Delivery>>, RepositoryError> {
        Ok(self.transact(|rows, now| {
            let row = leased(rows, lease)?;
            if !row.advance(page) {
                return None;
            }
            Some(
                page.deliveries
                    .iter()
                    .map(|content| row.add(content, now))
                    .collect(),
            )
        }))
    }

    async fn settle_attempts(
        &self,
        lease: EndpointLease,
        batch: &AttemptBatch,
    ) -> Result<bool, RepositoryError> {
        Ok(self.transact(|rows, now| {
            let Some(row) = leased(rows, lease) else {
                return false;
            };
            for attempt in &batch.attempts {
                if let Some(stored) = row.deliveries.get_mut(&attempt.number) {
                    stored.settle(attempt, now);
                }
            }
            row.failing_since = batch.failing_since;
            if let Some(why) = batch.disable.filter(|_| row.endpoint.is_enabled()) {
                row.endpoint = row.endpoint.clone().disabled(why, now);
                row.endpoint.revision += 1;
                let worker = row.held_by.clone().unwrap_or_else(|| Actor::new(""));
                self.payouts
                    .announce(Announcement::of_disabled(lease.id, why, &worker));
            }
            true
        }))
    }
}

/// The feed that reports changes of endpoints: that of the payouts.
#[async_trait]
impl EventFeed for MemoryWebhooks {
    async fn after(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
        self.payouts.after(query).await
    }

    async fn end(&self) -> Result<FeedPosition, RepositoryError> {
        self.payouts.end().await
    }
}
