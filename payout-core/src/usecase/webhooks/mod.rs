//! The use cases for webhooks: operators administer endpoints, look at deliveries, and repeat them.

use std::sync::Arc;
use std::time::Duration;

use crate::feed::{EventType, FeedPosition};
use crate::payout::{Actor, Description, PayoutId};
use crate::ports::{
    DeliveryQuery, Environment, EventFeed, ForbiddenUrl, NoSecret, Randomness, RepositoryError, SecretSource,
    WatchedEndpoint, WebhookError, WebhookRepository, WebhookSender,
};
use crate::webhook::{
    self, AttemptRecord, Delivery, DeliveryStatus, DisabledWhy, Endpoint, EndpointState, EndpointUrl, Replay,
    Secrets, WebhookId, WebhookSecret,
};

/// The number of times that a change is made again after another change came first.
const TRIES: usize = 3;

/// The fields of a new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// The address.
    pub url: EndpointUrl,
    /// The types of the events that it gets; every type if it is empty.
    pub types: Vec<EventType>,
    /// A text for people.
    pub description: Description,
    /// True if the masked recipient is among the data.
    pub include_recipient: bool,
}

/// A change of an endpoint. Absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookEdit {
    /// The address.
    pub url: Option<EndpointUrl>,
    /// The types of the events that it gets; every type if it is empty.
    pub types: Option<Vec<EventType>>,
    /// A text for people.
    pub description: Option<Description>,
    /// True if the masked recipient is among the data.
    pub include_recipient: Option<bool>,
}

/// An error of an operation on webhooks. Unless the store failed, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhooksError {
    /// The repository returned an error.
    #[error(transparent)]
    Repository(#[from] WebhookError),
    /// The address may not be called.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenUrl),
    /// The range ends before it begins.
    #[error("the range ends before it begins")]
    EmptyRange,
    /// No secret can be drawn.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
}

impl From<RepositoryError> for WebhooksError {
    fn from(error: RepositoryError) -> Self {
        Self::Repository(error.into())
    }
}

/// The use cases for webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    repository: Arc<dyn WebhookRepository>,
    feed: Arc<dyn EventFeed>,
    sender: Arc<dyn WebhookSender>,
    secrets: Arc<dyn SecretSource>,
    environment: Arc<dyn Environment>,
}

impl Webhooks {
    /// Makes the use cases over their ports.
    pub fn new(
        repository: Arc<dyn WebhookRepository>,
        feed: Arc<dyn EventFeed>,
        sender: Arc<dyn WebhookSender>,
        secrets: Arc<dyn SecretSource>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self {
            repository,
            feed,
            sender,
            secrets,
            environment,
        }
    }

    /// Makes an endpoint. It gets the events from now on. The secret is returned only here.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn create(&self, new: NewWebhook) -> Result<(Endpoint, WebhookSecret), WebhooksError> {
        self.sender.check(&new.url)?;
        let secret = WebhookSecret::of(&self.secrets.draw()?);
        let now = self.repository.webhooks_now().await?;
        let position = self.feed.end().await?;
        let endpoint = Endpoint {
            id: WebhookId::generate(now, &*self.environment as &dyn Randomness),
            url: new.url,
            types: distinct(new.types),
            description: new.description,
            include_recipient: new.include_recipient,
            secrets: Secrets::new(secret.clone()),
            state: EndpointState::Enabled,
            created_at: now,
            revision: 0,
        };
        let endpoint = self.repository.insert_webhook(&endpoint, position).await?;
        Ok((endpoint, secret))
    }

    /// Lists the endpoints, the oldest first.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn list(&self) -> Result<Vec<WatchedEndpoint>, WebhooksError> {
        Ok(self.repository.webhooks().await?)
    }

    /// Returns an endpoint.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] and others.
    pub async fn get(&self, id: WebhookId) -> Result<WatchedEndpoint, WebhooksError> {
        let found = self.repository.webhook(id).await?;
        Ok(found.ok_or(WebhookError::NotFound)?)
    }

    /// Changes an endpoint. Workers know of it within a few seconds.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn edit(
        &self,
        id: WebhookId,
        edit: WebhookEdit,
        actor: &Actor,
    ) -> Result<WatchedEndpoint, WebhooksError> {
        if let Some(url) = &edit.url {
            self.sender.check(url)?;
        }
        self.change(id, actor, |endpoint| Endpoint {
            url: edit.url.clone().unwrap_or(endpoint.url),
            types: edit.types.clone().map_or(endpoint.types, distinct),
            description: edit.description.clone().unwrap_or(endpoint.description),
            include_recipient: edit.include_recipient.unwrap_or(endpoint.include_recipient),
            ..endpoint
        })
        .await
    }

    /// Disables an endpoint. Its events wait in the feed until it is enabled.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn disable(&self, id: WebhookId, actor: &Actor) -> Result<WatchedEndpoint, WebhooksError> {
        let now = self.repository.webhooks_now().await?;
        self.change(id, actor, |endpoint| {
            endpoint.disabled(DisabledWhy::Operator, now)
        })
        .await
    }

    /// Enables an endpoint: it gets everything that it has not got yet.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn enable(&self, id: WebhookId, actor: &Actor) -> Result<WatchedEndpoint, WebhooksError> {
        self.change(id, actor, Endpoint::enabled).await
    }

    /// Deletes an endpoint with its deliveries.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] and others.
    pub async fn delete(&self, id: WebhookId) -> Result<(), WebhooksError> {
        if self.repository.delete_webhook(id).await? {
            Ok(())
        } else {
            Err(WebhookError::NotFound.into())
        }
    }

    /// Gives an endpoint another secret, which is returned only here. For `overlap` the one before it signs too.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn rotate(
        &self,
        id: WebhookId,
        overlap: Duration,
        actor: &Actor,
    ) -> Result<(WatchedEndpoint, WebhookSecret), WebhooksError> {
        let secret = WebhookSecret::of(&self.secrets.draw()?);
        let now = self.repository.webhooks_now().await?;
        let rotated = self
            .change(id, actor, |endpoint| {
                endpoint.rotated(secret.clone(), now, overlap)
            })
            .await?;
        Ok((rotated, secret))
    }

    /// Adds a test delivery.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn test(&self, id: WebhookId) -> Result<Delivery, WebhooksError> {
        let now = self.repository.webhooks_now().await?;
        let (high, low) = (self.environment.next_u64(), self.environment.next_u64());
        let test = webhook::of_test(format!("evt_test_{high:016x}{low:016x}"), now);
        Ok(self.repository.add_delivery(id, &test).await?)
    }

    /// Returns deliveries of an endpoint, the newest first.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] and others.
    pub async fn deliveries(
        &self,
        id: WebhookId,
        query: &DeliveryQuery,
    ) -> Result<Vec<Delivery>, WebhooksError> {
        let deliveries = self.repository.deliveries(id, query).await?;
        if deliveries.is_empty() {
            self.get(id).await?;
        }
        Ok(deliveries)
    }

    /// Returns deliveries of a payout's events to any endpoint, the newest first.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn deliveries_of_payout(
        &self,
        id: PayoutId,
        limit: u32,
    ) -> Result<Vec<Delivery>, WebhooksError> {
        Ok(self.repository.deliveries_of_payout(id, limit).await?)
    }

    /// Returns a delivery and its attempts.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] and others.
    pub async fn delivery(
        &self,
        id: WebhookId,
        number: u64,
    ) -> Result<(Delivery, Vec<AttemptRecord>), WebhooksError> {
        let found = self.repository.delivery(id, number).await?;
        Ok(found.ok_or(WebhookError::NotFound)?)
    }

    /// Delivers once more: a delivery that waits becomes due at once, and one that is finished is sent again, as a
    /// delivery of its own with the same id and body.
    ///
    /// # Errors
    /// [`WebhooksError`].
    pub async fn redeliver(&self, id: WebhookId, number: u64) -> Result<Delivery, WebhooksError> {
        let (delivery, _) = self.delivery(id, number).await?;
        match delivery.status {
            DeliveryStatus::Pending => Ok(self.repository.hasten_delivery(id, number).await?),
            DeliveryStatus::Delivered | DeliveryStatus::Failed => {
                Ok(self.repository.add_delivery(id, &delivery.content).await?)
            }
        }
    }

    /// Delivers the events of a range of the feed again: those after `after`, up to `until` or the present end.
    ///
    /// # Errors
    /// [`WebhookError::Replaying`] and others.
    pub async fn replay(
        &self,
        id: WebhookId,
        after: FeedPosition,
        until: Option<FeedPosition>,
    ) -> Result<WatchedEndpoint, WebhooksError> {
        let end = self.feed.end().await?;
        let until = until.map_or(end, |until| until.min(end));
        if until < after {
            return Err(WebhooksError::EmptyRange);
        }
        self.repository.replay(id, Replay { after, until }).await?;
        self.get(id).await
    }

    /// Changes an endpoint, again if another change came first.
    async fn change(
        &self,
        id: WebhookId,
        actor: &Actor,
        change: impl Fn(Endpoint) -> Endpoint,
    ) -> Result<WatchedEndpoint, WebhooksError> {
        let mut tries = 1;
        loop {
            let watched = self.get(id).await?;
            let changed = change(watched.endpoint.clone());
            if changed == watched.endpoint {
                return Ok(watched);
            }
            match self.repository.save_webhook(&changed, actor).await {
                Ok(_) => return self.get(id).await,
                Err(WebhookError::Changed) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn distinct(mut types: Vec<EventType>) -> Vec<EventType> {
    types.sort_unstable();
    types.dedup();
    types
}
