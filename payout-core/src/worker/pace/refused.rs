//! The payments that a provider refuses whenever they come. Their refusals say nothing about other payments.

use std::collections::VecDeque;

use crate::payout::PayoutId;

/// The number of refusals after which further ones of the same payment do not count.
const OFTEN: u32 = 2;
/// The number of payments that are remembered, those that were refused last.
const REMEMBERED: usize = 1_024;

/// The payments that were refused last, each with the number of its refusals.
#[derive(Debug, Default)]
pub(super) struct RefusedPayments(VecDeque<(PayoutId, u32)>);

impl RefusedPayments {
    /// Records a refusal. Returns whether the payment was refused often before it.
    pub(super) fn add(&mut self, id: PayoutId) -> bool {
        let place = self.0.iter().position(|(known, _)| *known == id);
        let (_, times) = place.and_then(|place| self.0.remove(place)).unwrap_or((id, 0));
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front((id, times.saturating_add(1)));
        times >= OFTEN
    }

    /// Returns whether a payment was refused often.
    pub(super) fn contains(&self, id: PayoutId) -> bool {
        self.0.iter().any(|(known, times)| *known == id && *times > OFTEN)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> PayoutId {
        PayoutId::from(Uuid::from_u128(number))
    }

    #[test]
    fn the_third_refusal_of_a_payment_does_not_count() {
        let mut refused = RefusedPayments::default();
        assert_eq!(
            [1, 1, 2, 1, 2].map(|number| refused.add(id(number))),
            [false, false, false, true, false]
        );
        assert!(refused.contains(id(1)) && !refused.contains(id(2)));
    }

    #[test]
    fn of_many_payments_the_last_are_remembered() {
        let mut refused = RefusedPayments::default();
        for _ in 0..3 {
            refused.add(id(1));
        }
        for number in 0..2_000 {
            refused.add(id(1_000 + number));
        }
        assert!(!refused.contains(id(1)));
        assert_eq!(refused.0.len(), REMEMBERED);
    }
}
