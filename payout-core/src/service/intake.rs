//! Creates, gathered: one commit makes many payouts durable.

use std::sync::Arc;

use crate::crash::{self, Point};
use crate::payout::NewPayout;
use crate::ports::{
    Batch, Hint, Insertion, Observer, PayoutRepository, RepositoryError, Signal, TraceContext,
};
use crate::service::gather::{Gather, for_each};
use crate::service::hints::Hints;

/// How creates are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSettings {
    /// How many batches may be written at the same time. One is, as long as the store is quick; the others go on when it
    /// stalls.
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
            batch: 512,
            capacity: 4_096,
        }
    }
}

/// Inserts a payout together with whoever else is inserting, and tells the queue.
pub(super) type Intake = Gather<Incoming, Insertion>;

/// A payout to insert, and the trace that it is of.
pub(super) struct Incoming {
    pub(super) new: NewPayout,
    pub(super) trace: Option<TraceContext>,
}

pub(super) fn start(
    repository: Arc<dyn PayoutRepository>,
    hints: Hints,
    settings: IntakeSettings,
    observer: Arc<dyn Observer>,
) -> Intake {
    let IntakeSettings {
        writers,
        batch,
        capacity,
    } = settings;
    let work = move |batch: Vec<Incoming>| {
        observer.observe(&Signal::Gathered {
            batch: Batch::Create,
            size: batch.len(),
        });
        let (repository, hints) = (repository.clone(), hints.clone());
        Box::pin(async move {
            let (batch, traces): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|incoming| (incoming.new, incoming.trace))
                .unzip();
            crash::pass(Point::BeforeInsert);
            let results = write(&*repository, batch).await;
            crash::pass(Point::AfterInsert);
            for (insertion, trace) in results.iter().zip(traces) {
                if let Ok(Insertion::Stored(payout)) = insertion {
                    hints.send(Hint {
                        payout_id: payout.id(),
                        trace,
                    });
                }
            }
            results
        }) as _
    };
    Gather::start(batch, writers, capacity, Arc::new(work))
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
        // The batch may have been written all the same, so nothing of it may be tried again here.
        Err(error) => for_each(batch.len(), error),
    }
}

fn missing() -> RepositoryError {
    RepositoryError::Refused("the repository gave no answer for a payout".into())
}
