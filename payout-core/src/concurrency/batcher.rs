//! Gathers the requests that arrive during one round trip to the store into the next one.
//!
//! One taker takes whatever waits, has it done, and takes again: alone, a request goes at once; under load the batches
//! grow by themselves. It never waits for more to come. A batch that takes longer than it should is left to itself, so
//! that one stalled connection stalls nobody else.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::ports::RepositoryError;
use crate::usecase::ServiceError;

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done with a batch: each request is answered, by and by.
pub(crate) type Work<Q, A> = Arc<dyn Fn(Vec<Request<Q, A>>) -> Done + Send + Sync>;

/// How long a batch may keep the next one waiting. Two batches at a time are worth less than one that is twice as large,
/// so this is longer than a healthy commit takes.
const PATIENCE: Duration = Duration::from_millis(20);

/// A question, and where its answer goes.
pub(crate) struct Request<Q, A> {
    pub(crate) question: Q,
    pub(crate) reply: Reply<A>,
}

/// Where an answer goes.
pub(crate) type Reply<A> = oneshot::Sender<Result<A, RepositoryError>>;

/// Whom to ask. All clones share their taker, which ends with the last of them.
pub(crate) struct Gather<Q, A>(mpsc::Sender<Request<Q, A>>);

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Over batches of at most so many, and so many batches at a time when they stall; more than `capacity` waiting are
    /// refused.
    pub(crate) fn start(batch_max: usize, batches: usize, capacity: usize, work: Work<Q, A>) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        tokio::spawn(take(receiver, batch_max, batches, work));
        Self(sender)
    }

    /// Asks together with whoever else is asking. Once it was handed over, the work goes on even when nobody waits for
    /// its answer.
    pub(crate) async fn ask(&self, question: Q) -> Result<A, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(Request { question, reply })
            .map_err(|_| ServiceError::Busy)?;
        // Work that died of a panic has dropped its callers, and a write may have been made.
        let answer = answer
            .await
            .unwrap_or_else(|gone| Err(RepositoryError::Unavailable(Box::new(gone))));
        answer.map_err(ServiceError::from)
    }
}

async fn take<Q: Send + 'static, A: Send + 'static>(
    mut receiver: mpsc::Receiver<Request<Q, A>>,
    batch_max: usize,
    batches: usize,
    work: Work<Q, A>,
) {
    let running = Arc::new(Semaphore::new(batches));
    let mut requests = Vec::with_capacity(batch_max);
    while let Ok(place) = running.clone().acquire_owned().await
        && receiver.recv_many(&mut requests, batch_max).await > 0
    {
        let batch = std::mem::take(&mut requests);
        let work = work.clone();
        // A panic in a repository must not end the taker: this task alone dies, and its callers hear of it.
        let mut done = tokio::spawn(async move {
            work(batch).await;
            drop(place);
        });
        if let Ok(Err(error)) = timeout(PATIENCE, &mut done).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a batch of requests was given up"
            );
        }
    }
}

/// One error for each of several callers. Where nothing was done it stays what it is; else it is Unavailable, since nobody
/// knows which of their requests were done.
pub(crate) fn for_each<A>(callers: usize, error: RepositoryError) -> Vec<Result<A, RepositoryError>> {
    if callers == 1 {
        return vec![Err(error)];
    }
    let error = Arc::new(error);
    let shared = || Box::new(Shared(error.clone()));
    let each = |_| {
        Err(match *error {
            RepositoryError::Locked { part, .. } => RepositoryError::Locked {
                part,
                source: shared(),
            },
            RepositoryError::Overloaded(_) => RepositoryError::Overloaded(shared()),
            RepositoryError::Unavailable(_)
            | RepositoryError::VersionConflict
            | RepositoryError::KeyTaken
            | RepositoryError::OverLimit(_)
            | RepositoryError::Refused(_) => RepositoryError::Unavailable(shared()),
        })
    };
    (0..callers).map(each).collect()
}

/// One error that several callers get.
#[derive(Debug)]
struct Shared(Arc<RepositoryError>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
