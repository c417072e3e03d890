//! The commands `payout keys …`. They work on the database directly, so its credentials are what authorizes them.

use std::process::ExitCode;

use chrono::{SecondsFormat, TimeDelta};
use payout_core::Timestamp;
use payout_core::access::{ApiKey, KeyOwner, Token};
use payout_core::ports::ApiKeyError;
use payout_core::usecase::api_keys::{ApiKeys, KeysError};

use crate::settings::{Config, Database, KeysCommand};
use crate::store_command;
use crate::unusable::Unusable;
use crate::wiring::Ports;

/// Runs the command, or returns one line that says why it failed.
pub(crate) async fn run(config: &Config, command: &KeysCommand) -> Result<ExitCode, String> {
    let ports = Ports::new(config).map_err(|error| error.to_string())?;
    let answer = async {
        let answered = answer(&ports.keys, command).await;
        answered.map_err(|error| in_words(&config.database, &error))
    };
    store_command::run(config, &ports, answer).await
}

async fn answer(keys: &ApiKeys, command: &KeysCommand) -> Result<String, KeysError> {
    match command {
        KeysCommand::Create {
            name,
            scopes,
            succeeds,
            expires_in_days,
            owner,
        } => {
            let expires_at = match expires_in_days {
                Some(days) => Some(keys.now().await? + TimeDelta::days(i64::from(*days))),
                None => None,
            };
            let scopes = scopes.iter().copied().collect();
            let (key, token) = keys
                .create(name.clone(), scopes, expires_at, succeeds.clone(), owner.clone())
                .await?;
            Ok(shown(&key, &token))
        }
        KeysCommand::List => Ok(table(&keys.list().await?)),
        KeysCommand::Revoke { name } => {
            keys.revoke(name).await?;
            tracing::info!(
                key = name.as_str(),
                "revoked; every process knows within about two seconds"
            );
            Ok(String::new())
        }
        KeysCommand::Rotate {
            name,
            overlap_minutes,
        } => {
            let (key, token) = keys.rotate(name, KeysCommand::minutes(*overlap_minutes)).await?;
            Ok(shown(&key, &token))
        }
    }
}

/// Prints the secret alone, so that it can be piped.
fn shown(key: &ApiKey, token: &Token) -> String {
    tracing::info!(
        key = key.name.as_str(),
        scopes = %key.scopes,
        expires_at = key.expires_at.map(moment),
        old_secret_works_until = key.previous_until.map(moment),
        "keep the secret: it cannot be shown again"
    );
    format!("{}\n", token.expose())
}

fn table(keys: &[ApiKey]) -> String {
    let row = |cells: [&str; 8]| {
        let [name, scopes, state, created, expires, previous, used, owner] = cells;
        let line = format!(
            "{name:<24} {scopes:<41} {state:<8} {created:<21} {expires:<21} {previous:<22} {used:<21} {owner}"
        );
        format!("{}\n", line.trim_end())
    };
    let mut text = row([
        "NAME",
        "SCOPES",
        "STATE",
        "CREATED",
        "EXPIRES",
        "OLD SECRET WORKS UNTIL",
        "LAST USED",
        "OWNER",
    ]);
    for key in keys {
        let or_dash = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), moment);
        text.push_str(&row([
            key.name.as_str(),
            &key.scopes.to_string(),
            if key.revoked_at.is_some() {
                "revoked"
            } else {
                "live"
            },
            &moment(key.created_at),
            &or_dash(key.expires_at),
            &or_dash(key.previous_until),
            &or_dash(key.last_used_at),
            key.owner.as_ref().map_or("-", KeyOwner::as_str),
        ]));
    }
    text
}

pub(crate) fn moment(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn in_words(database: &Database, error: &KeysError) -> String {
    match error {
        KeysError::Store(error @ (ApiKeyError::Unavailable(_) | ApiKeyError::Refused(_))) => {
            Unusable::new(database, error).to_string()
        }
        KeysError::Store(_) | KeysError::ExpiresInPast | KeysError::NoScopes | KeysError::NoSecret(_) | _ => {
            error.to_string()
        }
    }
}
