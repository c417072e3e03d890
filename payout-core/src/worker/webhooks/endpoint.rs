//! The task that serves one endpoint for as long as this worker holds its lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::health::Health;
use super::queue::{Due, Queue};
use super::{Deliverer, LEASE, Renewal};
use crate::Timestamp;
use crate::feed::{FeedPosition, PublicEvent};
use crate::payout::{PayoutId, Recipient};
use crate::ports::{
    AttemptBatch, DeliveryPage, FeedQuery, HeldEndpoint, PageSource, RepositoryError, SettledAttempt, Signal,
    WAITING_DELIVERIES_MAX, WEBHOOK_TIMEOUT, WebhookRequest,
};
use crate::webhook::{self, Endpoint, NewDelivery, SendOutcome, Signature};

/// The most requests to one endpoint at the same time.
const SLOTS: usize = 64;
/// The most requests at the same time to an endpoint that fails.
const SPARED_SLOTS: usize = 4;
/// The most events that become deliveries at once.
const PAGE: u32 = 500;
/// The number of waiting deliveries above which an endpoint that fails gets no further ones: its events wait in the
/// feed, where they cost nothing.
const SPARED_WAITING: u32 = 1_000;
/// The pause after the store has failed.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time that the task sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The time for which running requests may go on once the shutdown has begun. What they have not achieved until then is
/// sent again by the next holder.
const DRAIN: Duration = Duration::from_secs(5);

/// A request that was sent.
struct Sending {
    number: u64,
    attempt: u32,
    at: Timestamp,
    begun: Duration,
}

/// A request that has ended.
struct Sent {
    sending: Sending,
    took: Duration,
    outcome: SendOutcome,
}

/// The reason why the task ends.
enum Lost {
    /// Another worker holds the endpoint, or the lease may have ended.
    Lease,
}

/// The task of one endpoint.
pub(super) struct EndpointTask {
    deliverer: Arc<Deliverer>,
    held: HeldEndpoint,
    lease_end: Duration,
    /// The time at which `held.now` was received, by the monotonic clock.
    told_at: Duration,
    renewals: mpsc::Receiver<Renewal>,
    end_of_feed: watch::Receiver<FeedPosition>,
    queue: Queue,
    health: Health,
    requests: JoinSet<SendOutcome>,
    sending: HashMap<Id, Sending>,
    unsettled: Vec<SettledAttempt>,
    /// The position in the feed up to which events were read. It may be beyond the stored one by events of other types.
    read_to: FeedPosition,
    /// Set while the stored state may differ from the known one.
    is_uncertain: bool,
    is_stopping: bool,
    /// The time at which running requests are abandoned.
    abandon_at: Option<Duration>,
}

impl EndpointTask {
    pub(super) fn new(
        deliverer: Arc<Deliverer>,
        Renewal { held, lease_end }: Renewal,
        renewals: mpsc::Receiver<Renewal>,
        end_of_feed: watch::Receiver<FeedPosition>,
    ) -> Self {
        Self {
            told_at: deliverer.environment.monotonic(),
            deliverer,
            lease_end,
            renewals,
            end_of_feed,
            queue: Queue::default(),
            health: Health::new(held.failing_since),
            requests: JoinSet::new(),
            sending: HashMap::new(),
            unsettled: Vec::new(),
            read_to: held.position,
            held,
            is_uncertain: true,
            is_stopping: false,
            abandon_at: None,
        }
    }

    /// Serves the endpoint until the lease is lost, the endpoint is disabled, or the shutdown begins. Requests that run
    /// then may finish.
    pub(super) async fn run(mut self) {
        let lost = loop {
            match self.step().await {
                Ok(false) => (),
                Ok(true) => break None,
                Err(lost) => break Some(lost),
            }
        };
        self.requests.abort_all();
        match lost {
            None => {
                let released = self.deliverer.ports.queue.release_webhook(self.held.lease);
                if released.await.is_err() {
                    tracing::debug!(webhook = %self.held.lease.id, "the lease of the endpoint ends by itself");
                }
            }
            Some(Lost::Lease) => tracing::warn!(
                webhook = %self.held.lease.id,
                "the lease of a webhook's endpoint was lost; its deliveries go on elsewhere"
            ),
        }
    }

    /// Does what there is to do, and waits for more. Returns true at the end.
    async fn step(&mut self) -> Result<bool, Lost> {
        if self.now() >= self.lease_end {
            return Err(Lost::Lease);
        }
        self.settle().await?;
        let is_over = self.requests.is_empty() || self.abandon_at.is_some_and(|at| at <= self.now());
        if self.is_stopping && is_over && self.unsettled.is_empty() {
            return Ok(true);
        }
        let mut has_more = false;
        if !self.is_stopping {
            if self.is_uncertain {
                self.read_state().await?;
            }
            if !self.is_uncertain {
                has_more = self.fill().await;
            }
            self.send_due();
        }
        let pause = self.pause(has_more);
        tokio::select! {
            biased;
            () = self.deliverer.shutdown.cancelled(), if self.abandon_at.is_none() => {
                self.is_stopping = true;
                self.abandon_at = Some(self.now() + DRAIN);
            }
            renewal = self.renewals.recv(), if !self.is_stopping => match renewal {
                Some(renewal) => self.renew(renewal),
                None => self.is_stopping = true,
            },
            Some(sent) = self.requests.join_next_with_id() => self.note(sent),
            changed = self.end_of_feed.changed(), if !self.is_stopping && self.room() > 0 => {
                if changed.is_err() {
                    self.is_stopping = true;
                }
            }
            () = tokio::time::sleep(pause) => (),
        }
        while let Some(sent) = self.requests.try_join_next_with_id() {
            self.note(sent);
        }
        Ok(false)
    }

    fn now(&self) -> Duration {
        self.deliverer.environment.monotonic()
    }

    /// Returns the time by the store's clock.
    fn store_now(&self) -> Timestamp {
        crate::attempt::later(self.held.now, self.now().saturating_sub(self.told_at))
    }

    fn renew(&mut self, Renewal { held, lease_end }: Renewal) {
        self.lease_end = lease_end;
        self.told_at = self.now();
        self.is_uncertain |= held.queue_revision != self.held.queue_revision
            || (held.replay.is_some() && self.held.replay.is_none())
            || held.endpoint.types != self.held.endpoint.types;
        // The progress in the feed is this task's own; an answer may be older than its last write.
        self.held = HeldEndpoint {
            position: self.held.position,
            replay: self.held.replay,
            ..held
        };
    }

    /// Reads what is stored: the endpoint, its position, and the deliveries that wait.
    async fn read_state(&mut self) -> Result<(), Lost> {
        let queue = self.deliverer.ports.queue.clone();
        let asked_at = self.now();
        let read = async {
            let held = queue.renew_webhooks(&[self.held.lease], LEASE).await?.pop();
            let waiting = queue.waiting_deliveries(self.held.lease).await?;
            Ok::<_, RepositoryError>((held, waiting))
        };
        match read.await {
            Ok((Some(held), waiting)) => {
                self.lease_end = asked_at + LEASE;
                self.told_at = self.now();
                self.read_to = held.position;
                self.held = held;
                self.queue.put(waiting);
                self.is_uncertain = false;
            }
            // Lost, disabled or deleted.
            Ok((None, _)) => self.is_stopping = true,
            Err(error) => self.stumble(&error).await,
        }
        Ok(())
    }

    /// Waits after the store has failed. The loop that extends the leases reports it.
    async fn stumble(&mut self, error: &RepositoryError) {
        tracing::debug!(
            error = %crate::Causes(error),
            webhook = %self.held.lease.id,
            "the deliveries of a webhook wait for the store"
        );
        self.is_uncertain = true;
        tokio::time::sleep(PAUSE).await;
    }

    /// Returns how many further events may become deliveries. An endpoint that fails gets one a minute beyond those
    /// that wait: such a delivery is sent at once, and so shows that the endpoint works again.
    fn room(&self) -> u32 {
        let failing_since = self.health.failing_since.filter(|_| self.health.is_spared());
        let most = match failing_since {
            Some(since) => {
                let minutes = self.store_now().signed_duration_since(since).num_minutes();
                let minutes = u32::try_from(minutes).unwrap_or(0);
                SPARED_WAITING.saturating_add(minutes).min(WAITING_DELIVERIES_MAX)
            }
            None => WAITING_DELIVERIES_MAX,
        };
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        most.saturating_sub(waiting).min(PAGE)
    }

    /// Turns a page of the feed, and one of the range that is replayed, into deliveries. Returns whether there is more.
    async fn fill(&mut self) -> bool {
        let mut has_more = false;
        if self.room() > 0 && self.read_to < *self.end_of_feed.borrow_and_update() {
            has_more |= self.take_page(None).await;
        }
        if self.room() > 0
            && !self.is_uncertain
            && let Some(replay) = self.held.replay
        {
            has_more |= self.take_page(Some(replay)).await;
        }
        has_more
    }

    async fn take_page(&mut self, replay: Option<webhook::Replay>) -> bool {
        let after = replay.map_or(self.read_to, |replay| replay.after);
        let query = FeedQuery {
            after,
            types: self.held.endpoint.types.clone(),
            limit: self.room(),
        };
        let read = async {
            let page = self.deliverer.ports.feed.after(&query).await?;
            let ends = page.is_last || replay.is_some_and(|replay| page.next >= replay.until);
            let events = page.events.into_iter();
            let events = events.filter(|event| replay.is_none_or(|replay| event.position <= replay.until));
            let deliveries = self
                .deliverer
                .contents(&self.held.endpoint, events.collect())
                .await?;
            Ok::<_, RepositoryError>((page.next, ends, deliveries))
        };
        let (next, ends, deliveries) = match read.await {
            Ok(read) => read,
            Err(error) => {
                self.stumble(&error).await;
                return false;
            }
        };
        let source = match replay {
            None if deliveries.is_empty() => {
                // Events of other types are passed without a write.
                self.read_to = next;
                return !ends;
            }
            None => PageSource::Feed,
            Some(_) => PageSource::Replay { ends },
        };
        let page = DeliveryPage {
            source,
            after: replay.map_or(self.held.position, |replay| replay.after),
            next,
            deliveries,
        };
        self.store_page(&page).await && !ends
    }

    async fn store_page(&mut self, page: &DeliveryPage) -> bool {
        let stored = self.deliverer.ports.queue.store_page(self.held.lease, page).await;
        match stored {
            Ok(Some(stored)) => {
                self.queue.put(stored);
                match page.source {
                    PageSource::Feed => {
                        self.held.position = page.next;
                        self.read_to = page.next;
                    }
                    PageSource::Replay { ends: true } => self.held.replay = None,
                    PageSource::Replay { ends: false } => {
                        let replay = self.held.replay;
                        self.held.replay = replay.map(|replay| webhook::Replay {
                            after: page.next,
                            ..replay
                        });
                    }
                }
                true
            }
            Ok(None) => {
                self.is_uncertain = true;
                false
            }
            Err(error) => {
                self.stumble(&error).await;
                false
            }
        }
    }

    /// Sends the deliveries that are due, as far as slots are free and the lease lasts.
    fn send_due(&mut self) {
        let slots = if self.health.is_spared() {
            SPARED_SLOTS
        } else {
            SLOTS
        };
        let store_now = self.store_now();
        if self.health.closed_until.is_some_and(|until| store_now < until) {
            return;
        }
        while self.requests.len() < slots && self.now() + WEBHOOK_TIMEOUT < self.lease_end {
            let Some(due) = self.queue.take(store_now) else {
                return;
            };
            self.send(due, store_now);
        }
    }

    fn send(&mut self, due: Due, at: Timestamp) {
        let Due {
            number,
            attempt,
            content,
        } = due;
        let endpoint = &self.held.endpoint;
        let request = WebhookRequest {
            url: endpoint.url.clone(),
            timestamp: at.timestamp(),
            signature: Signature::of(&endpoint.secrets, at, &content.message_id, &content.body),
            message_id: content.message_id,
            body: content.body,
        };
        let sender = self.deliverer.ports.sender.clone();
        let request = self.requests.spawn(async move {
            let sent = tokio::time::timeout(WEBHOOK_TIMEOUT, sender.send(request)).await;
            sent.unwrap_or_else(|_| SendOutcome::Failed {
                why: "no answer in time".to_owned(),
            })
        });
        let sending = Sending {
            number,
            attempt,
            at,
            begun: self.now(),
        };
        self.sending.insert(request.id(), sending);
    }

    /// Records the outcome of a request.
    fn note(&mut self, sent: Result<(Id, SendOutcome), JoinError>) {
        let (id, outcome) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                let why = "the request failed inside this service".to_owned();
                (error.id(), SendOutcome::Failed { why })
            }
        };
        let Some(sending) = self.sending.remove(&id) else {
            return;
        };
        let took = self.now().saturating_sub(sending.begun);
        self.conclude(Sent {
            sending,
            took,
            outcome,
        });
    }

    fn conclude(
        &mut self,
        Sent {
            sending,
            took,
            outcome,
        }: Sent,
    ) {
        self.deliverer.observer.observe(&Signal::WebhookSent {
            accepted: outcome.is_success(),
            took,
        });
        self.health.note(&outcome, self.store_now());
        let next = outcome.next(sending.attempt, &*self.deliverer.environment);
        self.unsettled.push(SettledAttempt {
            number: sending.number,
            record: outcome.record(sending.attempt, sending.at, took),
            next,
        });
    }

    /// Stores the outcomes so far. While the store fails, they wait.
    async fn settle(&mut self) -> Result<(), Lost> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        let now = self.store_now();
        let batch = AttemptBatch {
            attempts: std::mem::take(&mut self.unsettled),
            failing_since: self.health.failing_since,
            disable: self.health.disable(now),
        };
        let settled = self
            .deliverer
            .ports
            .queue
            .settle_attempts(self.held.lease, &batch)
            .await;
        match settled {
            Ok(true) => {
                for attempt in &batch.attempts {
                    self.queue.settle(attempt.number, attempt.next, now);
                }
                if let Some(why) = batch.disable {
                    self.is_stopping = true;
                    self.deliverer.observer.observe(&Signal::WebhookDisabled { why });
                    tracing::error!(
                        webhook = %self.held.lease.id,
                        host = self.held.endpoint.url.authority(),
                        why = why.as_str(),
                        "a webhook's endpoint was disabled; its events wait until an operator enables it"
                    );
                }
                Ok(())
            }
            Ok(false) => Err(Lost::Lease),
            Err(error) => {
                self.unsettled = batch.attempts;
                tracing::debug!(
                    error = %crate::Causes(&error),
                    "the outcomes of deliveries wait for the store"
                );
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
        }
    }

    /// Returns the time until there may be something to do.
    fn pause(&self, has_more: bool) -> Duration {
        if has_more || !self.unsettled.is_empty() {
            return Duration::ZERO;
        }
        let slots = if self.health.is_spared() {
            SPARED_SLOTS
        } else {
            SLOTS
        };
        if self.requests.len() >= slots {
            return LONGEST_SLEEP;
        }
        let due = self.queue.next_due().max(self.health.closed_until);
        let wait = due.map(|due| {
            due.signed_duration_since(self.store_now())
                .to_std()
                .unwrap_or_default()
        });
        // A lease that is too short for a request is extended within seconds.
        let least = Duration::from_millis(5);
        wait.map_or(LONGEST_SLEEP, |wait| wait.clamp(least, LONGEST_SLEEP))
    }
}

impl Deliverer {
    /// Builds the deliveries of events.
    async fn contents(
        &self,
        endpoint: &Endpoint,
        events: Vec<PublicEvent>,
    ) -> Result<Vec<NewDelivery>, RepositoryError> {
        let mut recipients: HashMap<PayoutId, Recipient> = HashMap::new();
        if endpoint.include_recipient {
            let mut ids: Vec<PayoutId> = events.iter().filter_map(PublicEvent::payout_id).collect();
            ids.sort_unstable();
            ids.dedup();
            let payouts = self.payouts.find_many(&ids).await?;
            recipients.extend(payouts.into_iter().map(|payout| {
                let recipient = payout.parts().details.recipient.clone();
                (payout.id(), recipient)
            }));
        }
        let content = |event: &PublicEvent| {
            let recipient = event.payout_id().and_then(|id| recipients.get(&id));
            webhook::of_event(event, recipient)
        };
        Ok(events.iter().map(content).collect())
    }
}
