//! How many requests are worked on at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Places {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// A place that is taken, until it is dropped: by a handler that ended, panicked or was given up.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// A place, unless all are taken. Nobody waits for one: who waits holds a connection and gets older.
    pub(crate) fn take(&self) -> Option<Place> {
        let place = Place(self.taken.clone());
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        // When there was none, dropping it takes back what was added.
        (before < self.most).then_some(place)
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_each_is_given_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        assert!(places.take().is_none());
        assert_eq!(places.taken(), 2);
        drop(first);
        assert!(places.take().is_some());
        assert_eq!(places.taken(), 1);
    }

    #[test]
    fn a_panic_gives_its_place_back() {
        let places = Places::new(1);
        let place = places.take().unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _place = place;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(places.take().is_some());
    }
}
