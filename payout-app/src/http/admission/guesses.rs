//! Guesses at recipients by API keys that may not see them.
//!
//! Wrong guesses are counted. Once a key has no more, the answer to a right one is withheld too until the next is
//! granted: otherwise it would show as the one that is not refused.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use payout_core::access::ApiKeyId;
use payout_core::ports::Clock;

use super::rate::{Rate, TooMany};
use crate::settings::{Quota, RateLimit};

/// The rate limit of one API key for refused writes that touch data it may not see: more than typing errors need.
const GUESSES: RateLimit = RateLimit {
    quota: Quota {
        requests: NonZeroU32::MIN.saturating_add(29),
        window: Duration::from_secs(60),
    },
    spares_this_host: false,
};

/// The guesses of each key.
pub(super) struct Guesses {
    wrong: Rate<ApiKeyId>,
    /// The monotonic time at which a key that used its guesses up has the next one.
    next_at: Mutex<HashMap<ApiKeyId, Duration>>,
    clock: Arc<dyn Clock>,
}

impl Guesses {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            wrong: Rate::new("guesses", GUESSES, clock.clone()),
            next_at: Mutex::default(),
            clock,
        }
    }

    /// Counts a wrong guess.
    pub(super) fn take(&self, key: ApiKeyId) -> Result<(), TooMany> {
        let taken = self.wrong.take(&key);
        let wait = match &taken {
            Ok(allowance) if allowance.is_used_up() => {
                Some(GUESSES.quota.window / GUESSES.quota.requests.get())
            }
            Ok(_) => None,
            Err(too_many) => Some(Duration::from_secs(too_many.retry_after_seconds)),
        };
        if let Some(wait) = wait {
            self.lock().insert(key, self.clock.monotonic() + wait);
        }
        taken.map(drop)
    }

    /// Admits the answer to a right guess, which is not counted.
    pub(super) fn tell(&self, key: ApiKeyId) -> Result<(), TooMany> {
        let next_at = self.lock().get(&key).copied().unwrap_or_default();
        match next_at.checked_sub(self.clock.monotonic()) {
            Some(wait) if !wait.is_zero() => Err(self.wrong.used_up_for(wait)),
            Some(_) | None => Ok(()),
        }
    }

    /// Drops the state of keys whose whole quota is available again.
    pub(super) fn forget_idle(&self) {
        self.wrong.forget_idle();
        let now = self.clock.monotonic();
        self.lock().retain(|_, next_at| *next_at > now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Duration>> {
        self.next_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use payout_core::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Hands(Mutex<Duration>);

    impl Hands {
        fn pass(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn a_right_guess_is_told_only_while_a_wrong_one_would_be_too() {
        let clock = Arc::new(Hands::default());
        let guesses = Guesses::new(clock.clone());
        let [key, other] = [7, 8].map(|id| ApiKeyId::from(Uuid::from_u128(id)));
        for _ in 0..GUESSES.quota.requests.get() {
            assert!(guesses.tell(key).is_ok());
            assert!(guesses.take(key).is_ok());
        }
        assert!(guesses.tell(key).is_err() && guesses.take(key).is_err());
        assert_eq!(guesses.tell(key).unwrap_err().retry_after_seconds, 2);
        assert!(guesses.tell(other).is_ok() && guesses.take(other).is_ok());
        clock.pass(Duration::from_secs(1));
        guesses.forget_idle();
        assert!(guesses.tell(key).is_err());
        clock.pass(Duration::from_secs(1));
        assert!(guesses.tell(key).is_ok() && guesses.take(key).is_ok());
        assert!(guesses.tell(key).is_err());
        clock.pass(Duration::from_secs(60));
        guesses.forget_idle();
        assert!(guesses.lock().is_empty() && guesses.tell(key).is_ok());
    }
}
