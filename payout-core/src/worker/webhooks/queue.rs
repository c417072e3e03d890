//! The deliveries of one endpoint that wait, in memory: the next to be sent, with a payout's deliveries one at a time.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::Timestamp;
use crate::payout::PayoutId;
use crate::webhook::{Delivery, NewDelivery, Next};

/// A delivery that is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) number: u64,
    /// The number of the attempt, from 1.
    pub(super) attempt: u32,
    pub(super) content: NewDelivery,
}

struct Waiting {
    content: NewDelivery,
    attempts: u32,
    due_at: Timestamp,
    is_sending: bool,
}

/// The deliveries that wait or are being sent.
///
/// Only the first delivery of each payout may be sent. The next one follows once the first is delivered or given up.
#[derive(Default)]
pub(super) struct Queue {
    deliveries: HashMap<u64, Waiting>,
    /// The numbers of each payout's deliveries, in their order.
    chains: HashMap<PayoutId, VecDeque<u64>>,
    /// The deliveries that may be sent once they are due.
    ready: BTreeSet<(Timestamp, u64)>,
}

impl Queue {
    /// Adds deliveries in the order of their numbers. One that is known already gets the stored due time, unless it is
    /// being sent.
    pub(super) fn put(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.put_one(delivery);
        }
    }

    fn put_one(&mut self, delivery: Delivery) {
        let number = delivery.number;
        let due_at = delivery.due_at.unwrap_or(delivery.created_at);
        if let Some(known) = self.deliveries.get_mut(&number) {
            if !known.is_sending && self.ready.remove(&(known.due_at, number)) {
                self.ready.insert((due_at, number));
            }
            known.due_at = due_at;
            return;
        }
        let is_first = match delivery.content.payout_id {
            Some(payout) => {
                let chain = self.chains.entry(payout).or_default();
                chain.push_back(number);
                chain.len() == 1
            }
            None => true,
        };
        if is_first {
            self.ready.insert((due_at, number));
        }
        let waiting = Waiting {
            content: delivery.content,
            attempts: delivery.attempts,
            due_at,
            is_sending: false,
        };
        self.deliveries.insert(number, waiting);
    }

    /// Takes the delivery that has been due the longest.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Due> {
        let (due_at, number) = *self.ready.first()?;
        if due_at > now {
            return None;
        }
        self.ready.pop_first();
        let delivery = self.deliveries.get_mut(&number)?;
        delivery.is_sending = true;
        Some(Due {
            number,
            attempt: delivery.attempts + 1,
            content: delivery.content.clone(),
        })
    }

    /// Returns the time at which the next delivery is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.ready.first().map(|(due_at, _)| *due_at)
    }

    /// Applies the next step of a delivery, once it is stored.
    pub(super) fn settle(&mut self, number: u64, next: Next, now: Timestamp) {
        match next {
            Next::Again { after } => {
                if let Some(delivery) = self.deliveries.get_mut(&number) {
                    delivery.attempts += 1;
                    delivery.is_sending = false;
                    delivery.due_at = crate::attempt::later(now, after);
                    self.ready.insert((delivery.due_at, number));
                }
            }
            Next::Delivered | Next::GivenUp => self.finish(number),
        }
    }

    fn finish(&mut self, number: u64) {
        let Some(Waiting { content, .. }) = self.deliveries.remove(&number) else {
            return;
        };
        let Some(payout) = content.payout_id else {
            return;
        };
        let Some(chain) = self.chains.get_mut(&payout) else {
            return;
        };
        chain.retain(|other| *other != number);
        match chain.front() {
            Some(next) => {
                if let Some(delivery) = self.deliveries.get(next) {
                    self.ready.insert((delivery.due_at, *next));
                }
            }
            None => {
                self.chains.remove(&payout);
            }
        }
    }

    /// Returns the number of deliveries.
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::webhook::{DeliveryStatus, WebhookId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn delivery(number: u64, payout: Option<u128>) -> Delivery {
        Delivery {
            webhook_id: WebhookId::from(Uuid::nil()),
            number,
            content: NewDelivery {
                message_id: format!("evt_{number}"),
                event_type: "payout.completed".to_owned(),
                payout_id: payout.map(|payout| PayoutId::from(Uuid::from_u128(payout))),
                body: "{}".to_owned(),
            },
            status: DeliveryStatus::Pending,
            attempts: 0,
            created_at: at(0),
            due_at: Some(at(0)),
            finished_at: None,
        }
    }

    fn queue(deliveries: &[(u64, Option<u128>)]) -> Queue {
        let mut queue = Queue::default();
        let deliveries = deliveries.iter();
        queue.put(
            deliveries
                .map(|(number, payout)| delivery(*number, *payout))
                .collect(),
        );
        queue
    }

    fn taken(queue: &mut Queue, now: i64) -> Vec<u64> {
        std::iter::from_fn(|| queue.take(at(now)).map(|due| due.number)).collect()
    }

    #[test]
    fn of_a_payout_one_delivery_is_sent_at_a_time() {
        let mut queue = queue(&[(1, Some(7)), (2, Some(7)), (3, Some(8)), (4, Some(7))]);
        assert_eq!(taken(&mut queue, 0), [1, 3]);
        queue.settle(1, Next::Delivered, at(1));
        assert_eq!(taken(&mut queue, 1), [2]);
        queue.settle(2, Next::GivenUp, at(2));
        assert_eq!(taken(&mut queue, 2), [4]);
        queue.settle(3, Next::Delivered, at(2));
        queue.settle(4, Next::Delivered, at(2));
        assert_eq!((queue.len(), queue.chains.len(), queue.ready.len()), (0, 0, 0));
    }

    #[test]
    fn a_delivery_that_is_tried_again_holds_up_its_payout_and_no_other() {
        let mut queue = queue(&[(1, Some(7)), (2, Some(7)), (3, Some(8)), (4, None), (5, None)]);
        assert_eq!(taken(&mut queue, 0), [1, 3, 4, 5]);
        let again = Next::Again {
            after: Duration::from_secs(5),
        };
        queue.settle(1, again, at(1));
        queue.settle(4, again, at(1));
        assert_eq!(taken(&mut queue, 5), [] as [u64; 0]);
        assert_eq!(queue.next_due(), Some(at(6)));
        let due = queue.take(at(6)).unwrap();
        assert_eq!((due.number, due.attempt), (1, 2));
        assert_eq!(taken(&mut queue, 6), [4]);
    }

    #[test]
    fn what_is_stored_is_taken_up_without_doubling_anything() {
        let mut queue = queue(&[(1, Some(7)), (2, Some(7)), (3, Some(8))]);
        assert_eq!(queue.take(at(0)).unwrap().number, 1);
        let mut later = delivery(3, Some(8));
        later.due_at = Some(at(9));
        queue.put(vec![
            delivery(1, Some(7)),
            delivery(2, Some(7)),
            later,
            delivery(4, Some(9)),
        ]);
        assert_eq!(taken(&mut queue, 8), [4]);
        assert_eq!(taken(&mut queue, 9), [3]);
        assert_eq!(queue.len(), 4);
    }
}
