//! Deliveries of webhooks.
//!
//! ```text
//!   feed ── a page becomes deliveries ─► the endpoint's queue ─► attempts, one payout's in order ─► settle, in batches
//!           (one transaction)               (in memory)            (slots of the endpoint)
//! ```
//!
//! A worker leases endpoints, and serves each in a task of its own ([`endpoint`]): it turns pages of the feed into
//! deliveries, sends those that are due, and stores what came of them. The task ends when the lease is lost, when the
//! endpoint is disabled, and at shutdown. Whatever is killed, the store has the position in the feed and every delivery
//! that is not finished, and the next holder of the lease goes on from there.
//!
//! Endpoints share nothing but the store: one that hangs fills only its own slots.

mod endpoint;
mod health;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::endpoint::EndpointTask;
use crate::concurrency::outage::Outage;
use crate::feed::FeedPosition;
use crate::payout::Actor;
use crate::ports::{
    EndpointLease, Environment, EventFeed, HeldEndpoint, Observer, PayoutRepository, RepositoryError,
    WebhookQueue, WebhookRepository, WebhookSender,
};
use crate::webhook::WebhookId;
use crate::worker::Shared;

/// The duration of a lease. An attempt begins only while it would end within the lease.
const LEASE: Duration = Duration::from_secs(30);
/// The interval at which leases are extended, and free endpoints looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The interval at which the end of the feed is looked at.
const FEED_EVERY: Duration = Duration::from_millis(100);
/// The most endpoints that are leased at one look, so that workers that start together share them.
const ACQUIRED_AT_ONCE: u32 = 4;
/// The interval at which old deliveries are removed.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);
/// The most deliveries that one statement removes.
const FORGET_BATCH: u32 = 1_000;

/// The ports through which a worker delivers webhooks.
#[derive(Clone)]
pub struct WebhookPorts {
    /// The endpoints and their deliveries.
    pub webhooks: Arc<dyn WebhookRepository>,
    /// The leases of endpoints.
    pub queue: Arc<dyn WebhookQueue>,
    /// The event feed.
    pub feed: Arc<dyn EventFeed>,
    /// The client that posts deliveries.
    pub sender: Arc<dyn WebhookSender>,
}

/// State that the tasks of the endpoints share.
struct Deliverer {
    ports: WebhookPorts,
    payouts: Arc<dyn PayoutRepository>,
    environment: Arc<dyn Environment>,
    observer: Arc<dyn Observer>,
    worker: Actor,
    shutdown: CancellationToken,
}

/// The news of a lease that was extended.
struct Renewal {
    held: HeldEndpoint,
    /// The end of the lease, by this process's monotonic clock.
    lease_end: Duration,
}

/// The endpoints that this worker holds. The task of one ends soon after its channel is dropped.
type HeldEndpoints = HashMap<WebhookId, (EndpointLease, mpsc::Sender<Renewal>)>;

impl Shared {
    /// Delivers webhooks until the shutdown, and lets running attempts finish.
    pub(super) async fn deliver_webhooks(self: Arc<Self>) {
        let Some(ports) = self.webhooks.clone() else {
            return;
        };
        let deliverer = Arc::new(Deliverer {
            ports,
            payouts: self.repository.clone(),
            environment: self.environment.clone(),
            observer: self.observer.clone(),
            worker: self.settings.name.clone(),
            shutdown: self.shutdown.clone(),
        });
        let tasks = TaskTracker::new();
        let (end, end_of_feed) = watch::channel(FeedPosition::START);
        tokio::join!(
            async {
                let mut held = HeldEndpoints::new();
                let mut outage = Outage::default();
                loop {
                    let looked = deliverer.look(&mut held, &end_of_feed, &tasks).await;
                    report(&mut outage, looked);
                    if self.shut_down_within(self.about(LOOK_EVERY)).await {
                        break;
                    }
                }
            },
            deliverer.follow_feed(end, &tasks),
            self.forget_old_deliveries(&*deliverer.ports.webhooks),
        );
        tasks.close();
        tasks.wait().await;
    }

    async fn forget_old_deliveries(&self, webhooks: &dyn WebhookRepository) {
        while !self.shut_down_within(self.about(FORGET_EVERY)).await {
            while let Ok(forgotten) = webhooks.forget_deliveries(FORGET_BATCH).await
                && forgotten >= u64::from(FORGET_BATCH)
                && !self.shutdown.is_cancelled()
            {}
        }
    }
}

impl Deliverer {
    /// Extends the leases, and leases free endpoints.
    async fn look(
        self: &Arc<Self>,
        held: &mut HeldEndpoints,
        end_of_feed: &watch::Receiver<FeedPosition>,
        tasks: &TaskTracker,
    ) -> Result<(), RepositoryError> {
        held.retain(|_, (_, renewals)| !renewals.is_closed());
        if !held.is_empty() {
            let asked_at = self.environment.monotonic();
            let leases: Vec<EndpointLease> = held.values().map(|(lease, _)| *lease).collect();
            let renewed = self.ports.queue.renew_webhooks(&leases, LEASE).await?;
            let mut renewed: HashMap<WebhookId, HeldEndpoint> =
                renewed.into_iter().map(|held| (held.lease.id, held)).collect();
            held.retain(|id, (_, renewals)| match renewed.remove(id) {
                Some(held) => {
                    let lease_end = asked_at + LEASE;
                    // A task that is behind with its renewals gets the next one.
                    let sent = renewals.try_send(Renewal { held, lease_end });
                    !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
                }
                None => false,
            });
        }
        let asked_at = self.environment.monotonic();
        let acquired = self
            .ports
            .queue
            .acquire_webhooks(&self.worker, LEASE, ACQUIRED_AT_ONCE)
            .await?;
        for endpoint in acquired {
            let (renewals, received) = mpsc::channel(4);
            held.insert(endpoint.lease.id, (endpoint.lease, renewals));
            let renewal = Renewal {
                held: endpoint,
                lease_end: asked_at + LEASE,
            };
            let task = EndpointTask::new(self.clone(), renewal, received, end_of_feed.clone());
            tasks.spawn(task.run());
        }
        Ok(())
    }

    /// Looks where the feed ends, while any endpoint is held.
    async fn follow_feed(&self, end: watch::Sender<FeedPosition>, tasks: &TaskTracker) {
        let mut pause = FEED_EVERY;
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => (),
            }
            if tasks.is_empty() {
                continue;
            }
            match self.ports.feed.end().await {
                Ok(position) => {
                    pause = FEED_EVERY;
                    end.send_if_modified(|known| {
                        let is_news = position > *known;
                        if is_news {
                            *known = position;
                        }
                        is_news
                    });
                }
                // The loop that extends the leases reports it.
                Err(_) => pause = FEED_EVERY * 10,
            }
        }
    }
}

fn report(outage: &mut Outage, looked: Result<(), RepositoryError>) {
    match looked {
        Ok(()) => {
            if outage.ends() {
                tracing::info!("the store is back; webhooks go on");
            }
        }
        Err(error) => {
            if outage.begins() {
                tracing::warn!(
                    error = %crate::Causes(&error),
                    "the endpoints of webhooks cannot be read; their deliveries wait"
                );
            }
        }
    }
}
