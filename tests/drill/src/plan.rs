//! The plan of faults: drawn completely in advance, from the seed alone.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;
use crate::settings::Settings;

/// The kind of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    Serve,
    Worker,
    /// The stand-in for a real provider.
    Provider,
}

/// The dependency at the other end of a proxied connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Line {
    Postgres,
    Queue,
}

/// A disturbance that a proxy applies to a line. Rates are per thousand messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Weather {
    /// Answers arrive this many milliseconds late.
    Delay(u64),
    /// Nothing passes during the stall; then traffic resumes.
    Stall,
    /// Every connection is cut, once.
    Cut,
    /// A message is delivered and executed, and its answer is lost with the connection.
    LoseAnswers(u64),
    /// Half of an answer arrives, and then the connection ends.
    HalveAnswers(u64),
    /// A message is lost with its connection.
    LoseRequests(u64),
}

/// A planned fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL; the process is restarted at once.
    Kill(Role, usize),
    /// SIGSTOP, and SIGCONT after this time.
    Freeze(Role, usize, Duration),
    QueueFlush,
    /// SIGKILL of the queue, which is back after this time.
    QueueRestart(Duration),
    /// SIGKILL of the queue, which is back after this time, in a window without other faults.
    QueueGone(Duration),
    /// SIGKILL of the postmaster, and a restart after this time.
    PostgresCrash(Duration),
    /// `pg_terminate_backend` of this many backends.
    PostgresTerminate(usize),
    Weather(Line, Weather, Duration),
    /// The provider refuses connections for this time.
    ProviderAway(Duration),
}

impl Fault {
    /// Returns the fault's name in the report.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Kill(Role::Serve, _) => "SIGKILL of a server",
            Self::Kill(Role::Worker, _) => "SIGKILL of a worker",
            Self::Kill(Role::Provider, _) => "SIGKILL of a provider's stand-in",
            Self::Freeze(Role::Provider, ..) => "SIGSTOP of a provider's stand-in",
            Self::Freeze(Role::Serve, ..) => "SIGSTOP of a server",
            Self::Freeze(Role::Worker, ..) => "SIGSTOP of a worker beyond its lease",
            Self::QueueFlush => "queue: emptied",
            Self::QueueRestart(_) => "queue: killed and restarted",
            Self::QueueGone(_) => "queue: gone for a while",
            Self::PostgresCrash(_) => "PostgreSQL: postmaster killed and restarted",
            Self::PostgresTerminate(_) => "PostgreSQL: backends terminated",
            Self::Weather(Line::Postgres, weather, _) => match weather {
                Weather::Delay(_) => "line to PostgreSQL: delayed",
                Weather::Stall => "line to PostgreSQL: stalled",
                Weather::Cut => "line to PostgreSQL: cut",
                Weather::LoseAnswers(_) => "line to PostgreSQL: commits whose answer is lost",
                Weather::HalveAnswers(_) => "line to PostgreSQL: half answers",
                Weather::LoseRequests(_) => "line to PostgreSQL: lost requests",
            },
            Self::Weather(Line::Queue, ..) => "line to the queue: delayed, stalled, cut, halved",
            Self::ProviderAway(_) => "provider: connections refused",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::Kill(_, place) => write!(f, " #{place}"),
            Self::Freeze(_, place, length) => write!(f, " #{place}, {} ms", length.as_millis()),
            Self::QueueRestart(length)
            | Self::QueueGone(length)
            | Self::PostgresCrash(length)
            | Self::ProviderAway(length) => write!(f, ", {} ms", length.as_millis()),
            Self::Weather(_, weather, length) => write!(f, ", {weather:?}, {} ms", length.as_millis()),
            Self::PostgresTerminate(count) => write!(f, ", {count}"),
            Self::QueueFlush => Ok(()),
        }
    }
}

/// A fault and the time at which it is injected, counted from the start of the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// Draws the nth fault of a kind.
type Draw = fn(&Settings, &mut Chance, u64) -> Fault;

/// The calm around a window without the queue, which keeps its pickup times meaningful.
const CALM: Duration = Duration::from_secs(2);

/// Draws every fault, in order of time.
pub(crate) fn plan(settings: &Settings) -> Vec<Planned> {
    let mut chance = Chance::of(settings.seed, "plan");
    let windows = without_queue(settings);
    let mut planned: Vec<Planned> = windows
        .iter()
        .map(|at| Planned {
            at: *at,
            fault: Fault::QueueGone(settings.without_queue_for),
        })
        .collect();
    let rates = &settings.rates;
    let kinds: [(u64, Draw); 10] = [
        (rates.freezes, freeze),
        (rates.kills, kill),
        (rates.queue_flushes, |_, _, _| Fault::QueueFlush),
        (rates.queue_restarts, |_, chance, _| {
            Fault::QueueRestart(ms(chance, 100, 2500))
        }),
        (rates.postgres_crashes, |_, chance, _| {
            Fault::PostgresCrash(ms(chance, 0, 1500))
        }),
        (rates.postgres_terminations, |_, chance, _| {
            Fault::PostgresTerminate(1 + chance.index(8))
        }),
        (rates.proxy_faults, weather),
        (rates.provider_absences, |_, chance, _| {
            Fault::ProviderAway(ms(chance, 500, 2000))
        }),
        (rates.stand_in_kills, |settings, chance, _| {
            Fault::Kill(Role::Provider, chance.index(settings.stand_ins()))
        }),
        (rates.stand_in_freezes, |settings, chance, _| {
            let place = chance.index(settings.stand_ins());
            Fault::Freeze(Role::Provider, place, ms(chance, 500, 5000))
        }),
    ];
    for (count, draw) in kinds {
        for nth in 0..count {
            // Most draws find a place, nearby or anywhere. The last draw is taken in any case, so that the counts are
            // as requested.
            let mut found = None;
            for draws in 0..400 {
                let fault = draw(settings, &mut chance, nth);
                let (nth, count) = if draws < 100 { (nth, count) } else { (0, 1) };
                let at = spread(settings, nth, count, &mut chance);
                found = Some(Planned { at, fault });
                if fits(&planned, at, &fault, settings) {
                    break;
                }
            }
            planned.extend(found);
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// Draws a time within the nth of `count` equal slices, give or take one: spread out, but not evenly.
fn spread(settings: &Settings, nth: u64, count: u64, chance: &mut Chance) -> Duration {
    let total = u64::try_from(settings.faults_for.as_millis()).unwrap_or(u64::MAX);
    let slice = total / count.max(1);
    let from = (nth * slice).saturating_sub(slice);
    Duration::from_millis(chance.between(from, ((nth + 2) * slice).min(total)))
}

/// Returns the starts of the windows without the queue: spread evenly, and away from both ends.
fn without_queue(settings: &Settings) -> Vec<Duration> {
    let count = u32::try_from(settings.rates.without_queue).unwrap_or(1);
    (1..=count)
        .map(|nth| settings.faults_for * nth / (count + 1))
        .collect()
}

/// Returns whether a fault can be injected at this time: not in a calm window, and not into a frozen process or a
/// server that is down.
fn fits(planned: &[Planned], at: Duration, fault: &Fault, settings: &Settings) -> bool {
    let end = at + length(fault);
    if end > settings.faults_for {
        return false;
    }
    // At least one worker stays awake to take over.
    let frozen = planned.iter().filter(|other| {
        matches!(other.fault, Fault::Freeze(Role::Worker, ..))
            && at <= other.at + length(&other.fault)
            && other.at <= end
    });
    if matches!(fault, Fault::Freeze(Role::Worker, ..)) && frozen.count() + 1 >= settings.workers {
        return false;
    }
    planned.iter().all(|other| {
        let over = other.at + length(&other.fault);
        let meets = at <= over && other.at <= end;
        match (fault, &other.fault) {
            (_, Fault::QueueGone(_)) => at > over || end + CALM < other.at,
            (
                Fault::Kill(role, place) | Fault::Freeze(role, place, _),
                Fault::Freeze(other_role, other_place, _),
            ) => !meets || role != other_role || place != other_place,
            // The time from a flush until payouts are claimed again is measured, so the database must be up.
            (Fault::QueueFlush, Fault::PostgresCrash(_) | Fault::Weather(Line::Postgres, ..))
            | (Fault::PostgresCrash(_) | Fault::Weather(Line::Postgres, ..), Fault::QueueFlush) => {
                at > over + CALM || end + CALM < other.at
            }
            (Fault::QueueFlush | Fault::QueueRestart(_), Fault::QueueFlush | Fault::QueueRestart(_))
            | (Fault::PostgresCrash(_), Fault::PostgresCrash(_))
            | (Fault::ProviderAway(_), Fault::ProviderAway(_)) => !meets,
            (Fault::PostgresTerminate(_), Fault::PostgresCrash(_)) => !meets,
            (Fault::Weather(line, ..), Fault::Weather(other_line, ..)) => !meets || line != other_line,
            _ => true,
        }
    })
}

/// Returns how long a fault lasts.
fn length(fault: &Fault) -> Duration {
    match fault {
        // The drill's own restart takes a moment more.
        Fault::PostgresCrash(length) => *length + Duration::from_secs(2),
        Fault::QueueRestart(length) => *length + Duration::from_millis(500),
        Fault::Freeze(_, _, length)
        | Fault::QueueGone(length)
        | Fault::Weather(_, _, length)
        | Fault::ProviderAway(length) => *length,
        Fault::Kill(..) | Fault::QueueFlush | Fault::PostgresTerminate(_) => Duration::ZERO,
    }
}

fn ms(chance: &mut Chance, low: u64, high: u64) -> Duration {
    Duration::from_millis(chance.between(low, high))
}

fn kill(settings: &Settings, chance: &mut Chance, _: u64) -> Fault {
    // The workers run most of the protocol, so most kills hit them.
    if chance.permille(200) {
        Fault::Kill(Role::Serve, chance.index(settings.servers))
    } else {
        Fault::Kill(Role::Worker, chance.index(settings.workers))
    }
}

fn freeze(settings: &Settings, chance: &mut Chance, _: u64) -> Fault {
    if chance.permille(100) {
        return Fault::Freeze(Role::Serve, chance.index(settings.servers), ms(chance, 500, 6000));
    }
    let lease = u64::try_from(settings.timing.lease.as_millis()).unwrap_or(u64::MAX);
    let length = ms(chance, lease * 11 / 10, lease * 17 / 10);
    Fault::Freeze(Role::Worker, chance.index(settings.workers), length)
}

/// Takes each kind in turn, so that a short run has some of each.
fn weather(settings: &Settings, chance: &mut Chance, nth: u64) -> Fault {
    let line = if nth % 4 == 3 && settings.queue.is_a_server() {
        Line::Queue
    } else {
        Line::Postgres
    };
    let weather = match (nth + nth / 4) % 7 {
        0 | 4 => Weather::LoseAnswers(chance.between(50, 300)),
        1 => Weather::Cut,
        2 => Weather::HalveAnswers(chance.between(20, 150)),
        3 => Weather::Stall,
        5 => Weather::LoseRequests(chance.between(20, 150)),
        _ => Weather::Delay(chance.between(20, 400)),
    };
    let length = match weather {
        Weather::Cut => Duration::ZERO,
        Weather::Stall => ms(chance, 300, 2500),
        Weather::Delay(_) | Weather::LoseAnswers(_) | Weather::HalveAnswers(_) | Weather::LoseRequests(_) => {
            ms(chance, 800, 4000)
        }
    };
    Fault::Weather(line, weather, length)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
