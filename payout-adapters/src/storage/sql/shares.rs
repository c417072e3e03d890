//! The division of a sweep's slots among the batches with due payouts and the payouts without a batch.

use uuid::Uuid;

/// The batches that a sweep claims from, and the slots for everything else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// The slots for payouts without a batch, and for those that were claimed before.
    pub(crate) others: u32,
    /// The batches, beginning with another one in each turn.
    pub(crate) batches: Vec<Uuid>,
}

impl Shares {
    /// Divides slots evenly. Those that are left over go to another group in each turn, so that no group is forgotten
    /// where there are more groups than slots.
    pub(crate) fn of(slots: u32, open: &[Uuid], turn: usize) -> Self {
        let groups = open.len() + 1;
        let slots = slots as usize;
        let is_in_turn = turn % groups < slots % groups;
        let others = slots / groups + usize::from(is_in_turn);
        let mut batches = open.to_vec();
        if !batches.is_empty() {
            let first = turn % batches.len();
            batches.rotate_left(first);
        }
        Self {
            others: u32::try_from(others).unwrap_or(u32::MAX),
            batches,
        }
    }

    /// Returns the largest number of payouts to claim of each batch, so that all of them fill these slots.
    pub(crate) fn of_each(&self, slots: u32) -> u32 {
        let batches = u32::try_from(self.batches.len().max(1)).unwrap_or(u32::MAX);
        slots.div_ceil(batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(count: u128) -> Vec<Uuid> {
        (0..count).map(Uuid::from_u128).collect()
    }

    #[test]
    fn every_group_has_an_even_share() {
        let shares = Shares::of(100, &batches(3), 0);
        assert_eq!((shares.others, shares.of_each(75)), (25, 25));
        assert_eq!(Shares::of(100, &[], 7).others, 100);
    }

    #[test]
    fn with_fewer_slots_than_groups_each_has_its_turn() {
        let open = batches(3);
        let turns: Vec<u32> = (0..8).map(|turn| Shares::of(1, &open, turn).others).collect();
        assert_eq!(turns, [1, 0, 0, 0, 1, 0, 0, 0]);
        let first: Vec<Uuid> = (0..4).map(|turn| Shares::of(1, &open, turn).batches[0]).collect();
        assert_eq!(first, [open[0], open[1], open[2], open[0]]);
        let sum: u32 = (0..4).map(|turn| Shares::of(2, &open, turn).others).sum();
        assert_eq!(sum, 2, "two slots for four groups");
    }
}
