//! The checks of access: which clients are admitted, and whether stored recipients are encrypted.

use payout_adapters::encryption::KeyCheck;
use payout_core::usecase::api_keys::Found;
use tokio::time::timeout;

use super::checks::{PATIENCE, SEE_MESSAGE};
use super::report::{Report, in_a_line};
use crate::settings::Config;
use crate::wiring::Ports;

pub(super) async fn access(config: &Config, ports: &Ports, report: &mut Report) {
    let keyring = ports.keys.keyring();
    match timeout(PATIENCE, keyring.refresh()).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => return report.fail("access", in_a_line(&error), SEE_MESSAGE),
        Err(_) => {
            return report.fail(
                "access",
                "the database does not tell its API keys in time",
                "ask again",
            );
        }
    }
    let (foreign, live) = keyring.foreign_and_live();
    let line = format!(
        "{foreign} API keys were made under another PAYOUT_KEY_SECRET and are not accepted, {live} are live"
    );
    const SECRET: &str = "set PAYOUT_KEY_SECRET to what they were made under, or make new ones";
    match (foreign, live) {
        (0, _) => (),
        (_, 0) => return report.fail("access", line, SECRET),
        (_, _) => report.warn("access", line, SECRET),
    }
    const MAKE: &str = "make a key: `payout keys create`";
    let bind = config.bind;
    let has_keys = keyring.ask(None, true) != Found::NoKeys;
    match (has_keys, config.auth_off, bind.ip().is_loopback()) {
        (true, _, _) => report.ok("access", "locked: every request needs an API key"),
        (false, true, _) => report.warn(
            "access",
            format!("PAYOUT_AUTH=off, and no API key: anyone who reaches {bind} may do everything"),
            MAKE,
        ),
        (false, false, true) => report.warn("access", "no API key: open to every client on this host", MAKE),
        (false, false, false) => report.fail(
            "access",
            format!("no API key, and {bind} is reached by other hosts: the service will not start"),
            MAKE,
        ),
    }
}

pub(super) async fn encryption(config: &Config, ports: &Ports, report: &mut Report) {
    match timeout(PATIENCE, ports.store.compare_keys()).await {
        Ok(Ok(KeyCheck::Fits)) => match config.keyring.ids().next() {
            Some(current) => report.ok(
                "encryption",
                format!("recipients are encrypted, by the key {current:?}"),
            ),
            None => report.warn(
                "encryption",
                "accounts and names are stored in plain",
                "set PAYOUT_ENCRYPTION_KEYS_FILE",
            ),
        },
        Ok(Ok(check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. }))) => {
            report.fail(
                "encryption",
                check,
                "set PAYOUT_ENCRYPTION_KEYS to the keys that it was sealed with",
            );
        }
        Ok(Err(error)) => report.fail("encryption", in_a_line(&error), SEE_MESSAGE),
        Err(_) => report.fail(
            "encryption",
            "the database does not tell its keys in time",
            "ask again",
        ),
    }
}
