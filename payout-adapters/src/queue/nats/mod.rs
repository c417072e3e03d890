//! Hints over NATS JetStream (2.9 or later).
//!
//! All processes share one stream with work-queue retention, and one durable consumer from which each process pulls. A
//! hint is one message: it is published with an acknowledgement, and removed once its own was received.
//!
//! NATS may be restarted or unreachable, and its stream may be purged or deleted. The client opens its connection again,
//! a missing stream or consumer is made again, and the sweep finds the payouts whose hints were lost.

mod failure;
mod link;
mod settings;

use std::fmt;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use payout_core::ports::{Clock, Delivery, Hint, JobQueue, QueueError, Receipt, System};
use tokio::time::timeout;

use self::failure::Failure;
use self::link::{ANSWER_WITHIN, Link};
pub use self::settings::{InvalidNatsSettings, NatsSettings};
use super::hint_text::{self, TRACE};

/// The start of the subject on which a delivery is acknowledged.
const ACKNOWLEDGEMENT: &str = "$JS.ACK.";

/// The shortest wait that is sent to the server.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

/// A [`JobQueue`] on a JetStream stream.
pub struct NatsQueue {
    link: Link,
    clock: System,
}

impl NatsQueue {
    /// Creates the queue without connecting: the server may be unreachable for now.
    ///
    /// # Errors
    /// [`InvalidNatsSettings`] when the URL or the prefix is not valid.
    pub fn new(settings: &NatsSettings) -> Result<Self, InvalidNatsSettings> {
        Ok(Self {
            link: Link::new(settings)?,
            clock: System::default(),
        })
    }

    /// Publishes messages, and waits for their acknowledgements. A stream that is missing is made, and the messages that
    /// it missed are published once more.
    async fn publish(&self, subject: &str, messages: Vec<(String, HeaderMap)>) -> Result<(), Failure> {
        let publishing = async {
            let missed = self.publish_once(subject, messages).await?;
            if missed.is_empty() {
                return Ok(());
            }
            self.link.make_streams().await?;
            let missed = self.publish_once(subject, missed).await?;
            if missed.is_empty() {
                Ok(())
            } else {
                Err(Failure::Gone)
            }
        };
        let published = timeout(ANSWER_WITHIN * 2, publishing).await;
        let published = published.unwrap_or(Err(Failure::Timeout("publishing")));
        published.map_err(|failure| self.link.explain(failure))
    }

    /// Publishes messages. Returns those that no stream has taken. Another process may make the stream meanwhile, which
    /// then takes the rest.
    async fn publish_once(
        &self,
        subject: &str,
        messages: Vec<(String, HeaderMap)>,
    ) -> Result<Vec<(String, HeaderMap)>, Failure> {
        let context = self.link.jetstream().await?;
        let mut acknowledgements = Vec::with_capacity(messages.len());
        for (body, headers) in &messages {
            let (subject, body) = (subject.to_owned(), body.clone().into());
            let sent = if headers.is_empty() {
                context.publish(subject, body).await
            } else {
                context.publish_with_headers(subject, headers.clone(), body).await
            };
            acknowledgements.push(sent.map_err(|error| Failure::of(&error))?.into_future());
        }
        let acknowledged = futures::future::join_all(acknowledgements).await;
        let mut missed = Vec::new();
        for (message, acknowledged) in messages.into_iter().zip(acknowledged) {
            match acknowledged.map_err(|error| Failure::of(&error)) {
                Ok(_) => (),
                Err(Failure::Gone) => missed.push(message),
                Err(failure) => return Err(failure),
            }
        }
        Ok(missed)
    }

    async fn receive_within(&self, max: usize, wait: Duration) -> Result<Vec<Message>, Failure> {
        let until = self.clock.monotonic().saturating_add(wait);
        let consumer = timeout(ANSWER_WITHIN, self.link.consumer())
            .await
            .map_err(|_| Failure::Timeout("consuming"))??;
        let messages = fetch(&consumer, max).await?;
        let left = until.saturating_sub(self.clock.monotonic());
        if !messages.is_empty() || left < SHORTEST_WAIT {
            return Ok(messages);
        }
        let waiting = consumer.batch().max_messages(1).expires(left).messages();
        let mut waiting = timeout(ANSWER_WITHIN, waiting)
            .await
            .map_err(|_| Failure::Timeout("consuming"))?
            .map_err(|error| Failure::of(&error))?;
        let first = timeout(left.saturating_add(ANSWER_WITHIN), waiting.next()).await;
        let first = match first.map_err(|_| Failure::Timeout("consuming"))? {
            None => return Ok(Vec::new()),
            Some(first) => first.map_err(|error| Failure::of(&*error))?,
        };
        let mut messages = vec![first];
        if max > 1 {
            // A hint that was received is not given up for the others.
            messages.extend(fetch(&consumer, max - 1).await.unwrap_or_default());
        }
        Ok(messages)
    }

    /// Parses messages, and drops those that name no payout.
    fn sort(messages: Vec<Message>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let headers = message.headers.as_ref();
            let trace = headers
                .and_then(|headers| headers.get(TRACE))
                .map(|trace| trace.as_str());
            match (hint_text::hint(&message.payload, trace), &message.reply) {
                (Some(hint), Some(reply)) => deliveries.push(Delivery {
                    hint,
                    receipt: Receipt::new(reply.as_str()),
                }),
                (Some(_) | None, _) => {
                    tracing::warn!("dropped a hint that names no payout");
                    tokio::spawn(async move { message.ack().await });
                }
            }
        }
        deliveries
    }

    async fn depth_now(&self) -> Result<u64, Failure> {
        let context = self.link.jetstream().await?;
        let asking = async {
            let stream = context
                .get_stream(self.link.stream())
                .await
                .map_err(|error| Failure::of(&error))?;
            Ok(stream.cached_info().state.messages)
        };
        match timeout(ANSWER_WITHIN, asking).await {
            Ok(Err(Failure::Gone)) => {
                self.link.make_streams().await?;
                Ok(0)
            }
            Ok(depth) => depth,
            Err(_) => Err(Failure::Timeout("asking")),
        }
    }
}

/// Returns up to `max` messages that wait, without waiting for more.
async fn fetch(consumer: &PullConsumer, max: usize) -> Result<Vec<Message>, Failure> {
    let asking = async {
        let mut fetched = consumer
            .fetch()
            .max_messages(max)
            .messages()
            .await
            .map_err(|error| Failure::of(&error))?;
        let mut messages = Vec::new();
        while let Some(message) = fetched.next().await {
            messages.push(message.map_err(|error| Failure::of(&*error))?);
            // What is there already needs no further answer.
            while let Some(Some(Ok(message))) = fetched.next().now_or_never() {
                messages.push(message);
            }
        }
        Ok(messages)
    };
    timeout(ANSWER_WITHIN, asking)
        .await
        .map_err(|_| Failure::Timeout("consuming"))?
}

impl fmt::Debug for NatsQueue {
    /// Omits the connection, whose URL may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsQueue")
            .field("stream", &self.link.stream())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl JobQueue for NatsQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        if hints.is_empty() {
            return Ok(());
        }
        let messages = hints.iter().map(|hint| {
            let mut headers = HeaderMap::new();
            if let Some(trace) = hint.trace {
                headers.insert(TRACE, trace.to_string());
            }
            (hint.payout_id.to_string(), headers)
        });
        Ok(self.publish(&self.link.hints(), messages.collect()).await?)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        match self.receive_within(max, wait).await {
            Err(Failure::Gone) => {
                self.link.keep(None);
                let received = self.receive_within(max, wait).await;
                Ok(Self::sort(
                    received.map_err(|failure| self.link.explain(failure))?,
                ))
            }
            received => {
                // JetStream does not answer who asks for a consumer that is gone.
                if matches!(received, Err(Failure::Timeout(_))) {
                    self.link.keep(None);
                }
                Ok(Self::sort(
                    received.map_err(|failure| self.link.explain(failure))?,
                ))
            }
        }
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let subjects = receipts.iter().map(Receipt::as_str);
        let subjects: Vec<&str> = subjects
            .filter(|subject| subject.starts_with(ACKNOWLEDGEMENT))
            .collect();
        if subjects.is_empty() {
            return Ok(());
        }
        let client = self.link.client().await?;
        let acknowledging = async {
            for subject in subjects {
                let sent = client.publish(subject.to_owned(), "+ACK".into()).await;
                sent.map_err(|error| Failure::of(&error))?;
            }
            client.flush().await.map_err(|error| Failure::of(&error))
        };
        let acknowledged = timeout(ANSWER_WITHIN, acknowledging).await;
        Ok(acknowledged.map_err(|_| Failure::Timeout("acknowledging"))??)
    }

    /// Returns the length of the stream: the waiting messages, and those delivered but not yet acknowledged.
    async fn depth(&self) -> Result<u64, QueueError> {
        let depth = self.depth_now().await;
        Ok(depth.map_err(|failure| self.link.explain(failure))?)
    }

    /// Publishes to a stream that nobody consumes, in which one message has room.
    ///
    /// What makes NATS refuse a hint makes it refuse this message too: missing permissions, JetStream without room.
    async fn probe(&self) -> Result<u64, QueueError> {
        let message = ("probe".to_owned(), HeaderMap::new());
        self.publish(&self.link.probe(), vec![message]).await?;
        self.depth().await
    }
}
