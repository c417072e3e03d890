//! The schedule of retries.

use std::time::Duration;

use crate::domain::randomness::Randomness;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The waits after the first, the second … failed attempt. The first attempt is made at once.
const WAITS: [u64; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// The number of attempts after which a delivery is given up.
pub const ATTEMPTS_MAX: u32 = 10;

/// The time for which an endpoint may fail, without a success in between, before it is disabled.
pub const FAILING_LIMIT: Duration = Duration::from_secs(5 * 24 * HOUR);

/// The longest wait that an endpoint can ask for with `Retry-After`.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * HOUR);

/// Returns the wait after this many failed attempts, which differs from the schedule by up to a tenth; absent if the
/// delivery is given up.
pub fn wait_after(failed: u32, randomness: &dyn Randomness) -> Option<Duration> {
    let place = usize::try_from(failed.checked_sub(1)?).ok()?;
    let wait = Duration::from_secs(*WAITS.get(place)?);
    let share = (randomness.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    Some(wait.mul_f64(0.9 + 0.2 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Randomness for Fixed {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn each_wait_is_that_of_the_schedule_give_or_take_a_tenth() {
        for (place, seconds) in WAITS.into_iter().enumerate() {
            let failed = u32::try_from(place).unwrap() + 1;
            let wait = Duration::from_secs(seconds);
            for (random, share) in [(0, 0.9), (u64::MAX / 2, 1.0), (u64::MAX, 1.1)] {
                let jittered = wait_after(failed, &Fixed(random)).unwrap();
                let difference = jittered.abs_diff(wait.mul_f64(share));
                assert!(difference < Duration::from_millis(1), "{failed}: {jittered:?}");
            }
        }
    }

    #[test]
    fn after_ten_attempts_a_delivery_is_given_up() {
        assert!(wait_after(ATTEMPTS_MAX - 1, &Fixed(0)).is_some());
        assert_eq!(wait_after(ATTEMPTS_MAX, &Fixed(0)), None);
        assert_eq!(wait_after(0, &Fixed(0)), None);
    }
}
