//! The provider's fault profile, drawn from the seed for each submission and each look-up.

use std::time::Duration;

use crate::chance::Chance;
use crate::ledger_state::Act;

use crate::settings::{LONGEST_RETRY_AFTER, Timing};

/// The way in which an answer is given, once it is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    /// Answers by the contract.
    Tell,
    /// Answers by the contract, after a delay.
    TellAfter(Duration),
    /// Closes the connection without an answer.
    Vanish,
    /// Closes the connection in the middle of the answer.
    Halve,
    /// Never answers, and keeps the connection open.
    Hang,
    /// Answers with this status, and a body without information.
    Status(u16),
    /// Answers with this status, and `Retry-After` in seconds.
    Throttle(u16, u64),
    /// Answers 200, with a body that violates the contract.
    Garble,
}

/// The outcome of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultProfile {
    /// A delay before the provider acts, sometimes longer than the caller's timeout.
    pub(crate) wait: Duration,
    pub(crate) act: Act,
    pub(crate) mode: ResponseMode,
}

impl FaultProfile {
    pub(crate) const CALM: Self = Self {
        wait: Duration::ZERO,
        act: Act::Pay,
        mode: ResponseMode::Tell,
    };
}

#[derive(Clone, Copy)]
enum Kind {
    Pay,
    PayAfter,
    PayLate,
    PayAndVanish,
    PayAndHalve,
    PayAndHang,
    PayAndFail,
    PayAndGarble,
    Decline,
    Accept,
    Throttle,
    Refuse,
    Fail,
    Vanish,
    Garble,
    Hang,
}

/// Draws the outcome of the nth submission under a key. `name` is the payout's name, the same in every run of one seed.
pub(crate) fn of_submission(seed: u64, name: &str, nth: u32, timing: &Timing) -> FaultProfile {
    let mut chance = Chance::of(seed, &format!("submission/{name}/{nth}"));
    let calm = FaultProfile::CALM;
    if is_stubborn(seed, name) {
        // The provider never gives a useful answer for this payout, so that it ends in review.
        let act = if Chance::of(seed, name).permille(500) {
            Act::Pay
        } else {
            Act::Nothing
        };
        return FaultProfile {
            act,
            mode: ResponseMode::Status(500),
            ..calm
        };
    }
    let kind = chance.weighed(&[
        (560, Kind::Pay),
        (80, Kind::PayAfter),
        (30, Kind::PayLate),
        (40, Kind::PayAndVanish),
        (20, Kind::PayAndHalve),
        (20, Kind::PayAndHang),
        (40, Kind::PayAndFail),
        (15, Kind::PayAndGarble),
        (50, Kind::Decline),
        (45, Kind::Accept),
        (30, Kind::Throttle),
        (10, Kind::Refuse),
        (20, Kind::Fail),
        (15, Kind::Vanish),
        (10, Kind::Garble),
        (15, Kind::Hang),
    ]);
    let nothing = FaultProfile {
        act: Act::Nothing,
        ..calm
    };
    let refused = FaultProfile {
        act: Act::Refuse,
        ..calm
    };
    match kind {
        Kind::Pay => calm,
        Kind::PayAfter => FaultProfile {
            mode: ResponseMode::TellAfter(ms(&mut chance, 5, 400)),
            ..calm
        },
        Kind::PayLate => {
            // Between the caller's timeout and one and a half leases.
            let lease = u64::try_from(timing.lease.as_millis()).unwrap_or(u64::MAX);
            let patience = u64::try_from(timing.call_timeout.as_millis()).unwrap_or(u64::MAX);
            FaultProfile {
                wait: ms(&mut chance, patience, lease * 3 / 2),
                ..calm
            }
        }
        Kind::PayAndVanish => FaultProfile {
            mode: ResponseMode::Vanish,
            ..calm
        },
        Kind::PayAndHalve => FaultProfile {
            mode: ResponseMode::Halve,
            ..calm
        },
        Kind::PayAndHang => FaultProfile {
            mode: ResponseMode::Hang,
            ..calm
        },
        Kind::PayAndFail => FaultProfile {
            mode: ResponseMode::Status(chance.weighed(&[(3, 500), (1, 502), (1, 504)])),
            ..calm
        },
        Kind::PayAndGarble => FaultProfile {
            mode: ResponseMode::Garble,
            ..calm
        },
        Kind::Decline => FaultProfile {
            act: Act::Decline,
            ..calm
        },
        Kind::Accept => {
            let act = Act::Accept {
                after: ms(&mut chance, 100, 5000),
                pays: chance.permille(750),
            };
            FaultProfile { act, ..calm }
        }
        Kind::Throttle => FaultProfile {
            mode: throttle(&mut chance),
            ..refused
        },
        Kind::Refuse => FaultProfile {
            mode: ResponseMode::Status(refusal(&mut chance)),
            ..refused
        },
        Kind::Fail => FaultProfile {
            mode: ResponseMode::Status(chance.weighed(&[(3, 500), (1, 404), (1, 302)])),
            ..nothing
        },
        Kind::Vanish => FaultProfile {
            mode: ResponseMode::Vanish,
            ..nothing
        },
        Kind::Garble => FaultProfile {
            mode: ResponseMode::Garble,
            ..nothing
        },
        Kind::Hang => FaultProfile {
            mode: ResponseMode::Hang,
            ..nothing
        },
    }
}

/// Draws the response to the nth look-up of a key.
pub(crate) fn of_look_up(seed: u64, name: &str, nth: u32) -> ResponseMode {
    if is_stubborn(seed, name) {
        return ResponseMode::Status(500);
    }
    let mut chance = Chance::of(seed, &format!("look-up/{name}/{nth}"));
    let throttle = throttle(&mut chance);
    let refusal = refusal(&mut chance);
    chance.weighed(&[
        (860, ResponseMode::Tell),
        (40, ResponseMode::Status(500)),
        (20, ResponseMode::Vanish),
        (10, ResponseMode::Halve),
        (20, ResponseMode::Garble),
        (20, ResponseMode::Hang),
        (20, throttle),
        (10, ResponseMode::Status(refusal)),
    ])
}

fn is_stubborn(seed: u64, name: &str) -> bool {
    Chance::of(seed, &format!("stubborn/{name}")).permille(15)
}

fn throttle(chance: &mut Chance) -> ResponseMode {
    let longest = LONGEST_RETRY_AFTER.as_secs();
    ResponseMode::Throttle(chance.weighed(&[(1, 429), (1, 503)]), chance.between(1, longest))
}

fn refusal(chance: &mut Chance) -> u16 {
    chance.weighed(&[(1, 401), (1, 403), (1, 408), (1, 409), (1, 425)])
}

fn ms(chance: &mut Chance, low: u64, high: u64) -> Duration {
    Duration::from_millis(chance.between(low, high))
}
