//! Faults: what goes wrong, how often, and the draws for each call and each payment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// The frequency of each fault, in a thousand. Without faults, every payment is paid at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultProfile {
    /// Calls that are carried out, and whose connection is closed without an answer.
    pub lose_answer: u64,
    /// Calls that are carried out, and whose answer is cut off in the middle.
    pub cut_answer: u64,
    /// Calls that are carried out and never answered, while the connection stays open.
    pub hang: u64,
    /// Calls whose connection is closed before anything is carried out.
    pub reset: u64,
    /// Calls that are answered with a 5xx status before anything is carried out.
    pub error_before: u64,
    /// Calls that are carried out and answered with a 5xx status.
    pub error_after: u64,
    /// Creations that are answered with a 5xx status which the vendor stores under the key and replays, where it does
    /// so.
    pub stored_error: u64,
    /// Creations that are answered with the vendor's conflict of two requests under one key at the same time.
    pub conflict: u64,
    /// Calls that are refused for now, with `Retry-After`.
    pub throttle: u64,
    /// The longest `Retry-After`, in seconds.
    pub retry_after_seconds: u64,
    /// Payments that are declined.
    pub decline: u64,
    /// Payments that are refused for lack of funds.
    pub no_funds: u64,
    /// Payments that are settled late.
    pub settle_late: u64,
    /// The longest time until a late settlement, in milliseconds.
    pub settle_within_ms: u64,
    /// Of the payments that are settled late, those that are declined then.
    pub decline_late: u64,
    /// Paid payments that are returned later.
    pub return_late: u64,
    /// The longest time until a return, in milliseconds.
    pub return_within_ms: u64,
    /// The faults of notifications.
    pub notifications: NotificationFaults,
}

/// The frequency of each fault of notifications, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationFaults {
    /// Notifications that are never sent.
    pub missing: u64,
    /// Notifications that are sent twice.
    pub doubled: u64,
    /// Notifications that are sent late, and so after the ones that follow.
    pub delayed: u64,
    /// The longest delay, in milliseconds.
    pub delay_within_ms: u64,
    /// Notifications that a forged one accompanies.
    pub forged: u64,
}

impl Default for FaultProfile {
    fn default() -> Self {
        Self::off()
    }
}

impl FaultProfile {
    /// Returns the profile without faults.
    pub fn off() -> Self {
        Self {
            lose_answer: 0,
            cut_answer: 0,
            hang: 0,
            reset: 0,
            error_before: 0,
            error_after: 0,
            stored_error: 0,
            conflict: 0,
            throttle: 0,
            retry_after_seconds: 2,
            decline: 0,
            no_funds: 0,
            settle_late: 0,
            settle_within_ms: 5000,
            decline_late: 0,
            return_late: 0,
            return_within_ms: 10_000,
            notifications: NotificationFaults::default(),
        }
    }

    /// Returns the profile of the drill.
    pub fn drill() -> Self {
        Self {
            lose_answer: 40,
            cut_answer: 20,
            hang: 20,
            reset: 20,
            error_before: 20,
            error_after: 40,
            stored_error: 10,
            conflict: 10,
            throttle: 30,
            decline: 50,
            no_funds: 20,
            settle_late: 200,
            decline_late: 100,
            return_late: 60,
            notifications: NotificationFaults {
                missing: 100,
                doubled: 100,
                delayed: 200,
                delay_within_ms: 3000,
                forged: 50,
            },
            ..Self::off()
        }
    }

    /// Returns the profile of this name: `off` or `drill`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::off()),
            "drill" => Some(Self::drill()),
            _ => None,
        }
    }

    /// Draws the fault of one call. `creates` allows the faults of creations.
    pub fn of_call(&self, chance: &mut Chance, creates: bool) -> CallFault {
        let mut drawn = chance.between(0, 999);
        let wait = Duration::from_secs(chance.between(1, self.retry_after_seconds.max(1)));
        let status = chance.weighed(&[(3, 500), (1, 502), (1, 504)]);
        let only_creations = |weight| if creates { weight } else { 0 };
        for (weight, fault) in [
            (self.lose_answer, CallFault::LoseAnswer),
            (self.cut_answer, CallFault::CutAnswer),
            (self.hang, CallFault::Hang),
            (self.reset, CallFault::Reset),
            (self.error_before, CallFault::ErrorBefore(status)),
            (self.error_after, CallFault::ErrorAfter(status)),
            (only_creations(self.stored_error), CallFault::StoredError(500)),
            (only_creations(self.conflict), CallFault::Conflict),
            (self.throttle, CallFault::Throttle(wait)),
        ] {
            if drawn < weight {
                return fault;
            }
            drawn -= weight;
        }
        CallFault::None
    }

    /// Draws the course of one new payment.
    pub fn of_payment(&self, chance: &mut Chance) -> Course {
        let (declined, unfunded) = (chance.permille(self.decline), chance.permille(self.no_funds));
        let late = chance.permille(self.settle_late);
        let settles_after = Duration::from_millis(chance.between(0, self.settle_within_ms));
        let declined_late = chance.permille(self.decline_late);
        let returned = chance.permille(self.return_late);
        let returns_after = Duration::from_millis(chance.between(0, self.return_within_ms));
        let ending = if unfunded {
            Ending::NoFunds
        } else if declined || (late && declined_late) {
            Ending::Declined
        } else if returned {
            Ending::Returned { after: returns_after }
        } else {
            Ending::Paid
        };
        Course {
            settles_after: late.then_some(settles_after),
            ending,
        }
    }
}

/// The fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// The call has no fault.
    None,
    /// The call is carried out, and the connection is closed without an answer.
    LoseAnswer,
    /// The call is carried out, and the answer is cut off.
    CutAnswer,
    /// The call is carried out, and never answered.
    Hang,
    /// The connection is closed before anything is carried out.
    Reset,
    /// The call is answered with this status before anything is carried out.
    ErrorBefore(u16),
    /// The call is carried out, and answered with this status.
    ErrorAfter(u16),
    /// The creation is answered with this status, which the vendor may store under the key.
    StoredError(u16),
    /// The creation conflicts with another one under the same key.
    Conflict,
    /// The call is refused for now.
    Throttle(Duration),
}

/// The course of a payment after its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// The time until it is settled. Absent: it is settled at once.
    pub settles_after: Option<Duration>,
    /// The ending.
    pub ending: Ending,
}

/// The ending of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is paid.
    Paid,
    /// It is declined.
    Declined,
    /// It is refused for lack of funds.
    NoFunds,
    /// It is paid, and returned later.
    Returned {
        /// The time from the settlement to the return.
        after: Duration,
    },
}

impl Course {
    /// The course of a payment without faults.
    pub const PAID: Self = Self {
        settles_after: None,
        ending: Ending::Paid,
    };
}
