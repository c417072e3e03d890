//! Import of payouts from another service.

use payout_core::Timestamp;
use payout_core::payout::ForeignPayout;
use payout_core::ports::Imported;

use super::row::Row;
use super::store::Store;

impl Store {
    /// Stores each payout whose id is not stored yet.
    pub(super) fn import(&mut self, batch: &[ForeignPayout], now: Timestamp) -> Vec<Imported> {
        batch
            .iter()
            .map(|foreign| self.import_one(foreign, now))
            .collect()
    }

    fn import_one(&mut self, foreign: &ForeignPayout, now: Timestamp) -> Imported {
        if self.add(foreign.id, || Row::imported(foreign, now)) {
            Imported::Stored
        } else {
            Imported::Known
        }
    }
}
