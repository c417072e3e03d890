//! The result of a search by reference.

use std::collections::HashSet;

use payout_core::payout::PayoutId;
use uuid::Uuid;

/// Returns each id once: several references of one payout may be the same.
pub(crate) fn distinct(rows: Vec<(Uuid,)>) -> Vec<PayoutId> {
    let mut seen = HashSet::new();
    rows.into_iter()
        .filter(|(id,)| seen.insert(*id))
        .map(|(id,)| PayoutId::from(id))
        .collect()
}
