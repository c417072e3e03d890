//! The operator's rules for payouts: approvals, likely duplicates and spending limits. A server records them in its
//! database, so that a command on the same database that was given other rules refuses instead of evading them.

use std::time::Duration;

use payout_core::Causes;
use tokio::time::sleep;

use crate::settings::Config;
use crate::unusable::Unusable;
use crate::wiring::Store;

const PAUSE: Duration = Duration::from_secs(1);
const DAY: u64 = 24 * 60 * 60;

/// Writes the rules of these settings, one setting a line, in one form for equal rules.
fn text(config: &Config) -> String {
    let days = config
        .approvals
        .duplicates_within
        .map_or(0, |within| within.as_secs() / DAY);
    format!(
        "PAYOUT_APPROVALS={}\nPAYOUT_DUPLICATE_DAYS={days}\nPAYOUT_LIMITS={}\n",
        config.approvals.rules, config.money_limits
    )
}

/// Records the rules as those of a server. While the database does not answer, tries again.
pub(crate) async fn record(store: &Store, config: &Config) {
    let rules = text(config);
    loop {
        match store.record_rules(&rules).await {
            Ok(Some(before)) => {
                if let Some(differing) = differing(&before, &rules) {
                    tracing::warn!(
                        differing,
                        "the rules for payouts are others than before: give all processes the same rules"
                    );
                }
                return;
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %Causes(&error), "the rules for payouts are not recorded yet");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Checks that a command has the rules of the latest server of its database, or returns one line that says which
/// setting differs. A database that no server has used yet has none.
pub(crate) async fn same(store: &Store, config: &Config) -> Result<(), String> {
    let recorded = store.recorded_rules().await;
    let recorded = recorded.map_err(|error| Unusable::new(&config.database, &error).to_string())?;
    let Some(recorded) = recorded else {
        return Ok(());
    };
    let rules = text(config);
    let mut differing = changes(&recorded, &rules);
    let Some((setting, there, here)) = differing.next() else {
        return Ok(());
    };
    Err(format!(
        "the server of this database has other rules for payouts: {setting} is {} there and {} here; give this command \
         the server's settings, or start the server with the new ones first",
        shown(there),
        shown(here)
    ))
}

/// Returns the settings that differ in one line, each with both values; `None` if none does.
fn differing(before: &str, after: &str) -> Option<String> {
    let settings = changes(before, after);
    let settings =
        settings.map(|(setting, was, is)| format!("{setting} was {}, is {}", shown(was), shown(is)));
    let line = settings.collect::<Vec<_>>().join("; ");
    (!line.is_empty()).then_some(line)
}

/// Returns the settings whose values differ, with both values.
fn changes<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    let pairs = |text: &'a str| text.lines().filter_map(|line| line.split_once('='));
    let value = move |text: &'a str, setting: &str| {
        let mut named = pairs(text).filter(move |(name, _)| *name == setting);
        named.next().map_or("", |(_, value)| value)
    };
    let known = pairs(after).map(|(setting, _)| setting);
    known.filter_map(move |setting| {
        let (was, is) = (value(before, setting), value(after, setting));
        (was != is).then_some((setting, was, is))
    })
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "unset" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let of = |approvals: &str, days: u32| {
            format!("PAYOUT_APPROVALS={approvals}\nPAYOUT_DUPLICATE_DAYS={days}\nPAYOUT_LIMITS=EUR=10/20\n")
        };
        let (before, after) = (of("EUR=1:1", 0), of("", 3));
        let named: Vec<_> = changes(&before, &after).collect();
        assert_eq!(
            named,
            [
                ("PAYOUT_APPROVALS", "EUR=1:1", ""),
                ("PAYOUT_DUPLICATE_DAYS", "0", "3")
            ]
        );
        assert_eq!(changes(&before, &before).count(), 0);
    }

    #[test]
    fn rules_that_differ_are_told_in_one_line() {
        let of =
            |approvals: &str, limits: &str| format!("PAYOUT_APPROVALS={approvals}\nPAYOUT_LIMITS={limits}\n");
        let before = of("EUR=1:1", "EUR=10/20");
        let line = differing(&before, &of("", "EUR=10/30")).unwrap();
        assert_eq!(
            line,
            "PAYOUT_APPROVALS was EUR=1:1, is unset; PAYOUT_LIMITS was EUR=10/20, is EUR=10/30"
        );
        assert_eq!(differing(&before, &before), None);
    }
}
