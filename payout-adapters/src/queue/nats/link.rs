//! The connection to the server, and the streams that are made there. Every step has a time limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::failure::Failure;
use super::settings::{InvalidNatsSettings, NatsSettings};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The time limit for the answer to a call.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The consumer that all processes share.
const WORKERS: &str = "workers";

/// The connection. The client opens it again by itself.
pub(super) struct Link {
    servers: Vec<ServerAddr>,
    settings: NatsSettings,
    client: OnceCell<Client>,
    /// The last error that the server or the client reported, and was not yet told.
    trouble: Arc<Mutex<Option<String>>>,
    consumer: Mutex<Option<PullConsumer>>,
}

impl Link {
    pub(super) fn new(settings: &NatsSettings) -> Result<Self, InvalidNatsSettings> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if settings.prefix.is_empty() || !settings.prefix.bytes().all(is_plain) {
            return Err(InvalidNatsSettings::Prefix);
        }
        let servers = settings.url.expose().split(',');
        let servers: Result<Vec<ServerAddr>, _> = servers.map(str::parse).collect();
        let servers = servers.map_err(|_| InvalidNatsSettings::Url)?;
        if servers.iter().any(|server| server.host().is_empty()) {
            return Err(InvalidNatsSettings::Url);
        }
        Ok(Self {
            servers,
            settings: settings.clone(),
            client: OnceCell::new(),
            trouble: Arc::default(),
            consumer: Mutex::default(),
        })
    }

    /// The subject of hints.
    pub(super) fn hints(&self) -> String {
        format!("{}.hints", self.settings.prefix)
    }

    /// The subject to which the readiness probe publishes; nobody consumes its stream.
    pub(super) fn probe(&self) -> String {
        format!("{}.probe", self.settings.prefix)
    }

    /// The stream of hints.
    pub(super) fn stream(&self) -> String {
        format!("{}-hints", self.settings.prefix)
    }

    /// Returns the client once it is connected.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        let client = self.client.get_or_try_init(|| self.start()).await?;
        let connected = async {
            while client.connection_state() != State::Connected {
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(CONNECT_WITHIN, connected).await {
            Ok(()) => Ok(client.clone()),
            Err(_) => {
                let trouble = self.trouble();
                Err(Failure::Connection(
                    trouble.unwrap_or_else(|| "no server answers".to_owned()),
                ))
            }
        }
    }

    /// Returns JetStream's calls once the client is connected.
    pub(super) async fn jetstream(&self) -> Result<Context, Failure> {
        let client = self.client().await?;
        let builder = ContextBuilder::new();
        Ok(builder
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            .build(client))
    }

    async fn start(&self) -> Result<Client, Failure> {
        let noted = self.trouble.clone();
        let note = move |event: Event| {
            let noted = noted.clone();
            async move {
                if let Event::ServerError(_) | Event::ClientError(_) = &event {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.to_string());
                }
            }
        };
        let user = self.servers.iter().find_map(ServerAddr::username).map(decoded);
        let password = self.servers.iter().find_map(ServerAddr::password).map(decoded);
        let options = match (user, password) {
            (Some(user), Some(password)) => ConnectOptions::with_user_and_password(user, password),
            (Some(token), None) => ConnectOptions::with_token(token),
            (None, _) => ConnectOptions::new(),
        };
        // The first connection is made in the background, as every later one.
        let connecting = options
            .name(&self.settings.consumer)
            .connection_timeout(CONNECT_WITHIN)
            .request_timeout(Some(ANSWER_WITHIN))
            .ping_interval(Duration::from_secs(5))
            .retry_on_initial_connect()
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(50 * u64::try_from(attempts).unwrap_or(10).min(10))
            })
            .event_callback(note)
            .connect(self.servers.clone());
        connecting
            .await
            .map_err(|error| Failure::Connection(error.to_string()))
    }

    /// Takes the last error that the server or the client reported.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the reason why there was no answer in time, where the server has reported one: a call that is not
    /// permitted is not answered.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match (failure, self.client.get()) {
            (Failure::Timeout(what), Some(client)) if client.connection_state() == State::Connected => {
                match self.trouble() {
                    Some(text) if text.to_lowercase().contains("violation") => Failure::Refused(text),
                    Some(_) | None => Failure::Timeout(what),
                }
            }
            (failure, _) => failure,
        }
    }

    /// Makes the streams that are missing. Streams that an operator has made otherwise are used as they are.
    ///
    /// Hints are kept in the server's memory: they may be lost, and so nothing waits for a disk.
    pub(super) async fn make_streams(&self) -> Result<(), Failure> {
        let context = self.jetstream().await?;
        let hints = Config {
            name: self.stream(),
            subjects: vec![self.hints()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::Old,
            max_messages: i64::from(self.settings.cap),
            storage: StorageType::Memory,
            num_replicas: 1,
            ..Config::default()
        };
        let probe = Config {
            name: format!("{}-probe", self.settings.prefix),
            subjects: vec![self.probe()],
            discard: DiscardPolicy::Old,
            max_messages: 1,
            storage: StorageType::Memory,
            num_replicas: 1,
            ..Config::default()
        };
        for config in [hints, probe] {
            context
                .get_or_create_stream(config)
                .await
                .map_err(|error| Failure::of(&error))?;
        }
        Ok(())
    }

    /// Returns the shared consumer, which is made when it is missing.
    pub(super) async fn consumer(&self) -> Result<PullConsumer, Failure> {
        let known = self.known_consumer();
        if let Some(consumer) = known {
            self.client().await?;
            return Ok(consumer);
        }
        self.make_streams().await?;
        let context = self.jetstream().await?;
        let stream = context
            .get_stream_no_info(self.stream())
            .await
            .map_err(|error| Failure::of(&error))?;
        let config = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.settings.deliver_again_after,
            max_ack_pending: i64::from(self.settings.cap),
            ..pull::Config::default()
        };
        let consumer = stream
            .get_or_create_consumer(WORKERS, config)
            .await
            .map_err(|error| Failure::of(&error))?;
        self.keep(Some(consumer.clone()));
        Ok(consumer)
    }

    fn known_consumer(&self) -> Option<PullConsumer> {
        self.consumer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps the consumer for later calls; `None` forgets it, since it may be gone.
    pub(super) fn keep(&self, consumer: Option<PullConsumer>) {
        *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
    }
}

/// Decodes a part of a URL.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}
