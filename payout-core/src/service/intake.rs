//! Gathers the creates that arrive during one commit into the next one.
//!
//! A few writers take turns at one channel. Each takes whatever waits, and never waits for more: alone, a create is
//! written at once; under load the batches grow by themselves, and one commit makes many payouts durable.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::crash::{self, Point};
use crate::payout::NewPayout;
use crate::ports::{Hint, Insertion, PayoutRepository, RepositoryError};
use crate::service::ServiceError;
use crate::service::hints::Hints;

/// How creates are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSettings {
    /// How many batches are written at the same time.
    pub writers: usize,
    /// The most payouts in one batch.
    pub batch: usize,
    /// The most creates that may wait; more are refused as busy.
    pub capacity: usize,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            writers: 4,
            batch: 128,
            capacity: 4_096,
        }
    }
}

#[derive(Clone)]
pub(super) struct Intake(mpsc::Sender<Request>);

struct Request {
    new: NewPayout,
    reply: oneshot::Sender<Result<Insertion, RepositoryError>>,
}

impl Intake {
    pub(super) fn start(
        repository: Arc<dyn PayoutRepository>,
        hints: Hints,
        settings: IntakeSettings,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(settings.capacity);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..settings.writers {
            let writer = Writer {
                repository: repository.clone(),
                hints: hints.clone(),
            };
            tokio::spawn(writer.run(receiver.clone(), settings.batch));
        }
        Self(sender)
    }

    /// Inserts a payout together with whoever else is inserting. Once it was handed over, the write goes on even when
    /// nobody waits for its answer.
    pub(super) async fn insert(&self, new: NewPayout) -> Result<Insertion, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(Request { new, reply })
            .map_err(|_| ServiceError::Busy)?;
        // A writer that died of a panic has dropped its callers, and the write may have been made.
        let answer = answer
            .await
            .unwrap_or_else(|gone| Err(RepositoryError::Unavailable(Box::new(gone))));
        answer.map_err(ServiceError::from)
    }
}

struct Writer {
    repository: Arc<dyn PayoutRepository>,
    hints: Hints,
}

impl Writer {
    async fn run(self, receiver: Arc<Mutex<mpsc::Receiver<Request>>>, batch_max: usize) {
        let mut requests = Vec::with_capacity(batch_max);
        while receiver.lock().await.recv_many(&mut requests, batch_max).await > 0 {
            let (batch, replies): (Vec<_>, Vec<_>) = requests
                .drain(..)
                .map(|request| (request.new, request.reply))
                .unzip();
            // A panic in a repository must not end the writer: its task alone dies, and its callers hear of it.
            let (repository, hints) = (self.repository.clone(), self.hints.clone());
            let write = tokio::spawn(async move {
                crash::pass(Point::BeforeInsert);
                let results = write(&*repository, batch).await;
                crash::pass(Point::AfterInsert);
                for (reply, result) in replies.into_iter().zip(results) {
                    if let Ok(Insertion::Stored(payout)) = &result {
                        hints.send(Hint {
                            payout_id: payout.id(),
                        });
                    }
                    let _ = reply.send(result);
                }
            });
            if let Err(error) = write.await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a batch of creates was given up"
                );
            }
        }
    }
}

/// Writes a batch; when the store refuses it, one by one, so that each caller gets its own error.
async fn write(
    repository: &dyn PayoutRepository,
    batch: Vec<NewPayout>,
) -> Vec<Result<Insertion, RepositoryError>> {
    match repository.insert(&batch).await {
        Ok(insertions) => insertions.into_iter().map(Ok).collect(),
        Err(RepositoryError::Refused(_)) if batch.len() > 1 => {
            let mut results = Vec::with_capacity(batch.len());
            for new in batch {
                let result = repository.insert(std::slice::from_ref(&new)).await;
                results.push(result.and_then(|one| one.into_iter().next().ok_or_else(missing)));
            }
            results
        }
        Err(error @ RepositoryError::Refused(_)) => vec![Err(error)],
        // The batch may have been written all the same, so nothing of it may be tried again here.
        Err(error) => {
            let error = Arc::new(error);
            batch
                .iter()
                .map(|_| Err(RepositoryError::Unavailable(Box::new(Shared(error.clone())))))
                .collect()
        }
    }
}

fn missing() -> RepositoryError {
    RepositoryError::Refused("the repository gave no answer for a payout".into())
}

/// One error that several callers get.
#[derive(Debug)]
struct Shared(Arc<RepositoryError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
