//! The names of the settings: which are ours, and what was probably meant by one that is not. A setting with a typing error
//! is one that does not hold, and in silence the default would.

use std::fmt;
use std::sync::LazyLock;

use super::table::{Row, rows};

/// The prefix of our variables.
const PREFIX: &str = "PAYOUT_";

/// Read by docker-compose.yml, tests and tools of this repository, and not by the binary.
const OF_OTHERS: [&str; 3] = ["PAYOUT_PORT", "PAYOUT_IMAGE", "PAYOUT_API_KEY"];

/// Read by the binary that tests of crashes are about.
const OF_TESTS: &[&str] = if cfg!(feature = "crash-points") {
    &["PAYOUT_CRASH_AT"]
} else {
    &[]
};

/// Every variable that the binary reads, but those of OpenTelemetry, which its library reads.
static SETTINGS: LazyLock<Vec<&str>> = LazyLock::new(|| rows().flat_map(Row::variables).collect());

/// A variable that looks like a setting, but is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownSetting {
    /// The variable.
    pub name: String,
    /// The one that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: is not a setting", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; is {nearest} meant?"),
            None => f.write_str("; `payout --help` lists them all"),
        }
    }
}

/// Refuses the first variable of the environment that looks like a setting, but is unknown: one that begins with `PAYOUT_`,
/// or one that differs from another setting's by a letter while that one is not set.
pub(super) fn unknown_in_environment() -> Result<(), UnknownSetting> {
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect();
    variables.sort_unstable();
    let is_set = |name: &str| {
        let mut of_name = variables.iter().filter(|(other, _)| other == name);
        of_name.any(|(_, value)| !value.trim().is_empty())
    };
    let unknown = variables.iter().find_map(|(name, value)| {
        unknown(name, value).filter(|unknown| {
            is_ours(name) || unknown.nearest.as_deref().is_some_and(|nearest| !is_set(nearest))
        })
    });
    unknown.map_or(Ok(()), Err)
}

/// Returns the variable of `.env` if it looks like a setting, but is unknown. The file is written for this program, so here it is enough
/// to be near one.
pub(super) fn unknown_in_file(name: &str, value: &str) -> Option<UnknownSetting> {
    unknown(name, value)
}

fn is_ours(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with(PREFIX)
}

fn unknown(name: &str, value: &str) -> Option<UnknownSetting> {
    let known = SETTINGS.contains(&name) || OF_OTHERS.contains(&name) || OF_TESTS.contains(&name);
    if known || is_of_kubernetes(name, value) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let nearest = if is_ours(name) {
        nearest(&upper)
    } else {
        // Neither all of OpenTelemetry's nor anybody else's variables are known here.
        Some(*SETTINGS.iter().find(|setting| is_near(&upper, setting))?)
    };
    Some(UnknownSetting {
        name: name.to_owned(),
        nearest: nearest.map(str::to_owned),
    })
}

/// Recognizes variables that Kubernetes, and Docker's links, put into a container for a service whose name begins with `payout`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("PAYOUT").filter(|rest| rest.starts_with('_')) else {
        return false;
    };
    if rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT") || rest.contains("_SERVICE_PORT_") {
        return true;
    }
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    if rest.ends_with("_PORT") && is_address {
        return true;
    }
    // _PORT_8000_TCP, and with _PROTO, _PORT or _ADDR after it.
    let Some((_, port)) = rest.split_once("_PORT_") else {
        return false;
    };
    let mut words = port.split('_');
    let number = words.next().unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let protocol = words.next().unwrap_or_default();
    let part = words.next();
    is_number
        && matches!(protocol, "TCP" | "UDP" | "SCTP")
        && matches!(part, None | Some("PROTO" | "PORT" | "ADDR"))
        && words.next().is_none()
}

/// The setting that one of ours is most like, if it is like any.
fn nearest(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    let distance = |setting: &&'static str| {
        let other = setting.strip_prefix(PREFIX).unwrap_or(setting);
        // A word that is missing, or is one too many, is a small error however long it is.
        let begins = |whole: &str, part: &str| {
            !part.is_empty()
                && whole
                    .strip_prefix(part)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let letters = strsim::osa_distance(bare, other);
        if begins(other, bare) || begins(bare, other) {
            letters.min(2)
        } else {
            letters
        }
    };
    let best = SETTINGS.iter().copied().min_by_key(distance)?;
    if distance(&best) <= (bare.len() / 2).max(2) {
        return Some(best);
    }
    // The same words in another order are many letters apart.
    let shared = |setting: &&'static str| {
        let words = bare.split('_').filter(|word| word.len() > 2);
        words
            .filter(|word| {
                setting
                    .split('_')
                    .any(|other| strsim::osa_distance(word, other) <= 1)
            })
            .count()
    };
    SETTINGS
        .iter()
        .copied()
        .max_by_key(shared)
        .filter(|setting| shared(setting) > 0)
}

/// Returns whether a name differs from a setting's by a letter: one more, one less, another, or two in each other's place; or by one
/// before its last word and one in that.
fn is_near(name: &str, setting: &str) -> bool {
    let apart = |a: &str, b: &str| strsim::osa_distance(a, b);
    if apart(name, setting) <= 1 {
        return true;
    }
    match (name.rsplit_once('_'), setting.rsplit_once('_')) {
        (Some((stem, word)), Some((other_stem, other_word))) => {
            apart(stem, other_stem) <= 1 && apart(word, other_word) <= 1
        }
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn meant(name: &str) -> Option<String> {
        unknown(name, "x")
            .unwrap_or_else(|| panic!("{name} is taken"))
            .nearest
    }

    #[test]
    fn what_was_meant_is_named() {
        for (name, setting) in [
            ("PAYOUT_PROCESOR", "PAYOUT_PROCESSOR"),
            ("PAYOUT_ENCRYPTION_KEY", "PAYOUT_ENCRYPTION_KEYS"),
            ("PAYOUT_LEASE", "PAYOUT_LEASE_MS"),
            ("PAYOUT_LEASE_SECONDS", "PAYOUT_LEASE_MS"),
            ("PAYOUT_SWEEP", "PAYOUT_SWEEP_MS"),
            ("PAYOUT_PROCESSOR_TOKENFILE", "PAYOUT_PROCESSOR_TOKEN_FILE"),
            ("PAYOUT_LIMITS_FILE", "PAYOUT_LIMITS"),
            ("PAYOUT_DATABASE_URL", "DATABASE_URL"),
            ("PAYOUT_REDIS_URL", "REDIS_URL"),
            ("PAYOUT_BINDS", "PAYOUT_BIND"),
            (
                "PAYOUT_IDEMPOTENCY_KEY_REQUIRED",
                "PAYOUT_REQUIRE_IDEMPOTENCY_KEY",
            ),
            ("payout_bind", "PAYOUT_BIND"),
            ("Payout_Processor", "PAYOUT_PROCESSOR"),
            ("PAYOUTS_PROCESSOR", "PAYOUT_PROCESSOR"),
            ("PAYOT_BIND", "PAYOUT_BIND"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABSE_ULR", "DATABASE_URL"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("DATABASE_URL_FIEL", "DATABASE_URL_FILE"),
            ("database_url", "DATABASE_URL"),
            ("REDIS_URLL", "REDIS_URL"),
            ("SENTRY_DNS", "SENTRY_DSN"),
            ("OTEL_EXPORTER_OTLP_ENDPOINTS", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ] {
            assert_eq!(meant(name).as_deref(), Some(setting), "{name}");
        }
        assert_eq!(meant("PAYOUT_COFFEE_MACHINE_COLOUR"), None);
        assert_eq!(meant("PAYOUT_"), None);
        let unknown = unknown("PAYOUT_LEASE", "20000").unwrap();
        assert_eq!(
            unknown.to_string(),
            "PAYOUT_LEASE: is not a setting; is PAYOUT_LEASE_MS meant?"
        );
    }

    #[test]
    fn every_setting_is_known_and_so_is_what_others_read() {
        for name in SETTINGS.iter().copied().chain(OF_OTHERS) {
            assert_eq!(unknown(name, "x"), None, "{name}");
        }
        for name in [
            "POSTGRES_PASSWORD",
            "GRAFANA_PORT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_SERVICE_NAME",
            "TEST_DATABASE_URL",
            "DATABASE_SSL",
            "DATABASE_USER",
            "DATABASE_PORT",
            "REDIS_TTL",
            "REDIS_HOST",
            "PAYOUTS",
            "PATH",
        ] {
            assert_eq!(unknown(name, "x"), None, "{name}");
        }
    }

    #[test]
    fn what_kubernetes_says_of_services_is_passed_over() {
        for (name, value) in [
            ("PAYOUT_SERVICE_HOST", "10.0.0.1"),
            ("PAYOUT_SERVICE_PORT", "8000"),
            ("PAYOUT_SERVICE_PORT_HTTP", "8000"),
            ("PAYOUT_SERVICE_PORT_HTTP_METRICS", "9000"),
            ("PAYOUT_PORT", "tcp://10.0.0.1:8000"),
            ("PAYOUT_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("PAYOUT_PORT_8000_TCP_PROTO", "tcp"),
            ("PAYOUT_PORT_8000_TCP_PORT", "8000"),
            ("PAYOUT_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("PAYOUT_PORT_53_UDP_ADDR", "10.0.0.1"),
            ("PAYOUT_WEB_SERVICE_HOST", "10.0.0.1"),
            ("PAYOUT_WEB_PORT", "tcp://10.0.0.1:8000"),
            ("PAYOUT_WEB_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("PAYOUT_WORKER_METRICS_SERVICE_PORT_METRICS", "9000"),
        ] {
            assert_eq!(unknown(name, value), None, "{name}");
        }
        for (name, value) in [
            ("PAYOUT_WEB_PORT", "8000"),
            ("PAYOUT_PORTS_8000_TCP", "x"),
            ("PAYOUT_PORT_8000_TLS", "x"),
            ("PAYOUT_PORT_X_TCP", "x"),
            ("PAYOUT_SERVICE_HOSTS", "x"),
        ] {
            assert!(unknown(name, value).is_some(), "{name}");
        }
    }
}
