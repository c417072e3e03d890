//! Batches requests: those that arrive during one round trip to the store share the next one.
//!
//! One task takes all waiting requests as a batch, runs it, and takes the next. Without load, a request goes at once;
//! under load, the batches grow by themselves. The task never waits for more requests. A batch that takes longer than
//! `PATIENCE` goes on beside the next one, so that one stalled connection does not block other requests.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::ports::RepositoryError;
use crate::usecase::ServiceError;

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The function that runs a batch and replies to each of its requests.
pub(crate) type Work<Q, A> = Arc<dyn Fn(Vec<Request<Q, A>>) -> Done + Send + Sync>;

/// The time for which a batch delays the next one. One large batch is faster than two concurrent ones of half its size,
/// so this is longer than a healthy commit takes.
const PATIENCE: Duration = Duration::from_millis(20);

/// A question and the channel for its answer.
pub(crate) struct Request<Q, A> {
    pub(crate) question: Q,
    pub(crate) reply: Reply<A>,
}

/// The channel for the answer to one request.
pub(crate) type Reply<A> = oneshot::Sender<Result<A, RepositoryError>>;

/// A handle for asking. All clones share one task, which ends when the last clone is dropped.
pub(crate) struct Batcher<Q, A>(mpsc::Sender<Request<Q, A>>);

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Starts the task. A batch has at most `batch_max` requests. At most `batches` batches run at the same time, which
    /// happens only when they stall. A request is refused if `capacity` requests are already waiting.
    pub(crate) fn start(batch_max: usize, batches: usize, capacity: usize, work: Work<Q, A>) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        tokio::spawn(take(receiver, batch_max, batches, work));
        Self(sender)
    }

    /// Asks as part of the next batch. Once the request is queued, the work goes on even if the caller stops waiting.
    pub(crate) async fn ask(&self, question: Q) -> Result<A, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(Request { question, reply })
            .map_err(|_| ServiceError::Busy)?;
        // A batch that panics drops its reply channels, and it may have written.
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
        // A panic in a repository must not end the loop: it ends only this task, and the callers receive an error.
        let mut done = tokio::spawn(async move {
            work(batch).await;
            drop(place);
        });
        if let Ok(Err(error)) = timeout(PATIENCE, &mut done).await {
            tracing::error!(
                error = %crate::Causes(&error),
                "a batch of requests was given up"
            );
        }
    }
}

/// Returns one error for each caller of a batch. `Locked` and `Overloaded` stay as they are, because nothing was done.
/// Any other becomes `Unavailable`, since it is unknown which of the requests were done.
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
            | RepositoryError::ExternalIdTaken(_)
            | RepositoryError::OverLimit(_)
            | RepositoryError::Refused(_) => RepositoryError::Unavailable(shared()),
        })
    };
    (0..callers).map(each).collect()
}

/// An error that several callers receive.
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
