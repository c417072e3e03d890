//! The cases for a repository that stores batches.

use crate::batch::{Batch, BatchId, BatchPlace, ContentHash, NewBatch};
use crate::payout::{Description, ExternalId, NewPayout, PayoutId};
use crate::ports::{BatchInsertion, BatchRepository, BatchRows, PayoutRepository, System};

use super::build;

pub mod approvals;
pub mod queues;
pub mod races;
pub mod steps;
pub mod storing;

/// A repository that also stores batches.
pub trait Batching: PayoutRepository + BatchRepository {}

impl<T: PayoutRepository + BatchRepository> Batching for T {}

/// A batch with payouts that are due at once.
struct Made {
    batch: NewBatch,
    payouts: Vec<NewPayout>,
}

impl Made {
    /// Makes a batch of this many payouts of 10.50 USD.
    fn of(count: usize) -> Self {
        Self::from(vec![build::new_payout(); count])
    }

    /// Makes a batch of these payouts.
    fn from(payouts: Vec<NewPayout>) -> Self {
        let system = System::default();
        let now = crate::ports::Clock::now(&system);
        let id = BatchId::generate(now, &system);
        let batch = NewBatch {
            id,
            external_id: None,
            content: content(),
            description: Description::new("Salaries").unwrap(),
            scheduled_at: None,
            payouts: u32::try_from(payouts.len()).unwrap(),
            left_out: 0,
            caller: build::client(),
        };
        let payouts = payouts.into_iter().zip(0..).map(|(new, place)| NewPayout {
            id: PayoutId::generate_in_batch(now, place, &system),
            batch: Some(BatchPlace {
                id,
                provider_key: batch.identity().provider_key(place, &new.details),
            }),
            ..new
        });
        Self {
            payouts: payouts.collect(),
            batch,
        }
    }

    fn named(mut self, external_id: &ExternalId) -> Self {
        self.batch.external_id = Some(external_id.clone());
        self
    }

    fn ids(&self) -> Vec<PayoutId> {
        self.payouts.iter().map(|new| new.id).collect()
    }

    async fn store(&self, port: &dyn Batching) -> BatchInsertion {
        let rows = BatchRows::of(&self.payouts);
        port.store_batch(&self.batch, rows).await.unwrap()
    }

    /// Stores a batch that can be stored.
    async fn stored(&self, port: &dyn Batching) -> Batch {
        match self.store(port).await {
            BatchInsertion::Stored(batch) => batch,
            refused @ (BatchInsertion::Known(_)
            | BatchInsertion::OverLimit(_)
            | BatchInsertion::ExternalIdTaken) => panic!("{refused:?}"),
        }
    }
}

/// Makes a content that no other batch has.
fn content() -> ContentHash {
    let mut digest = [7; 32];
    digest[..16].copy_from_slice(build::fresh_id().as_uuid().as_bytes());
    ContentHash::from(digest)
}

fn external_id(prefix: &str) -> ExternalId {
    ExternalId::new(&build::unique(prefix)).unwrap()
}
