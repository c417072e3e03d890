//! Batches that were requested and are not stored yet.

use uuid::{Builder, Uuid};

use crate::Timestamp;
use crate::batch::{BatchId, BatchIdentity, ContentHash};
use crate::domain::randomness::Randomness;
use crate::payout::{Caller, Description, ExternalId, PayoutId, ProviderKey};

/// A batch ready to be stored, without its payouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The id, chosen before the write.
    pub id: BatchId,
    /// The client's own reference, which no other batch has.
    pub external_id: Option<ExternalId>,
    /// The digest of what the batch asks for, which no other batch has.
    pub content: ContentHash,
    /// The purpose of the batch; may be empty.
    pub description: Description,
    /// The time at which its payouts become due, except those with a schedule of their own.
    pub scheduled_at: Option<Timestamp>,
    /// The number of payouts that are stored.
    pub payouts: u32,
    /// The number of rows that were left out, since their payouts were stored before.
    pub left_out: u32,
    /// The caller that asked for the batch.
    pub caller: Caller,
}

impl NewBatch {
    /// Returns the identity from which the provider keys of the payouts are derived.
    pub fn identity(&self) -> BatchIdentity {
        match &self.external_id {
            Some(external_id) => BatchIdentity::ExternalId(external_id.clone()),
            None => BatchIdentity::Content(self.content),
        }
    }
}

/// The place of a new payout in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlace {
    /// The batch.
    pub id: BatchId,
    /// The base of the provider's idempotency keys.
    pub provider_key: ProviderKey,
}

/// The largest place of a payout in a batch.
const MOST_PLACES: u64 = 1 << 18;

impl PayoutId {
    /// Generates the id of the payout at a place in a batch. The ids of a batch are in the order of its places: the 18
    /// bits after the time, but for the version and the variant, are the place, and the other 56 are random.
    pub fn generate_in_batch(now: Timestamp, place: u64, randomness: &dyn Randomness) -> Self {
        let place = place.min(MOST_PLACES - 1);
        let [high, low] = u16::try_from(place >> 6).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = [0_u8; 10];
        bytes[2..].copy_from_slice(&randomness.next_u64().to_be_bytes());
        bytes[0] = high;
        bytes[1] = low;
        bytes[2] = u8::try_from(place & 0x3f).unwrap_or_default();
        let unix_ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let uuid: Uuid = Builder::from_unix_timestamp_millis(unix_ms, &bytes).into_uuid();
        Self::from(uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Clock, System};

    #[test]
    fn the_ids_of_a_batch_are_in_the_order_of_its_places() {
        let system = System::default();
        let now = system.now();
        let ids: Vec<PayoutId> = (0..100_000)
            .map(|place| PayoutId::generate_in_batch(now, place, &system))
            .collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
    }

    #[test]
    fn the_same_place_at_the_same_time_has_another_id() {
        let system = System::default();
        let now = system.now();
        let [one, other] = [0, 0].map(|place| PayoutId::generate_in_batch(now, place, &system));
        assert_ne!(one, other);
    }
}
