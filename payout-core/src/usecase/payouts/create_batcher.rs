//! Batches creates: one commit makes many payouts durable.

use std::sync::Arc;

use crate::concurrency::batcher::{Batcher, Request};
use crate::payout::NewPayout;
use crate::ports::{Batch, Insertion, Observer, PayoutRepository, Signal, TraceContext};
use crate::usecase::payouts::hints::Hints;
use crate::usecase::payouts::inserts::Writer;

/// Settings for the batching of creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateBatcherSettings {
    /// The largest number of batches that are written at the same time. While the store is fast there is one; the
    /// others start when it stalls.
    pub writers: usize,
    /// The largest number of payouts in one batch.
    pub batch: usize,
    /// The largest number of waiting creates. More are refused as busy.
    pub capacity: usize,
}

impl Default for CreateBatcherSettings {
    fn default() -> Self {
        Self {
            writers: 4,
            batch: 512,
            capacity: 4_096,
        }
    }
}

/// Inserts payouts in batches and sends their hints.
pub(super) type CreateBatcher = Batcher<Incoming, Insertion>;

/// A payout to insert and the trace that it belongs to.
pub(super) struct Incoming {
    pub(super) new: NewPayout,
    pub(super) trace: Option<TraceContext>,
}

pub(super) fn start(
    repository: Arc<dyn PayoutRepository>,
    hints: Hints,
    settings: CreateBatcherSettings,
    observer: Arc<dyn Observer>,
) -> CreateBatcher {
    let CreateBatcherSettings {
        writers,
        batch,
        capacity,
    } = settings;
    let writer = Writer::new(repository, hints);
    let work = move |batch: Vec<Request<Incoming, Insertion>>| {
        observer.observe(&Signal::Gathered {
            batch: Batch::Create,
            size: batch.len(),
        });
        Box::pin(writer.clone().write(batch)) as _
    };
    Batcher::start(batch, writers, capacity, Arc::new(work))
}
