//! The commands `payout webhooks …`. They work on the database directly, so its credentials are what authorizes them.

use std::process::ExitCode;
use std::time::Duration;

use payout_core::payout::Actor;
use payout_core::ports::{DeliveryQuery, RepositoryError, WatchedEndpoint, WebhookError};
use payout_core::usecase::webhooks::{NewWebhook, WebhookEdit, Webhooks, WebhooksError};
use payout_core::webhook::{AttemptRecord, Delivery, EndpointState, WebhookSecret};

use crate::keys_command::moment;
use crate::settings::{Config, Database, WebhooksCommand};
use crate::store_command;
use crate::unusable::Unusable;
use crate::wiring::Ports;

/// The name of these commands in the event feed.
const ACTOR: &str = "payout webhooks";

/// Runs the command, or returns one line that says why it failed.
pub(crate) async fn run(config: &Config, command: &WebhooksCommand) -> Result<ExitCode, String> {
    let ports = Ports::new(config).map_err(|error| error.to_string())?;
    let answer = async {
        let Some(webhooks) = ports.webhook_use_cases() else {
            return Err("this database has no webhooks".to_owned());
        };
        if makes_secret(command) {
            store_command::has_keys(config, &ports).await?;
        }
        let answered = answer(&webhooks, command).await;
        answered.map_err(|error| in_words(&config.database, &error))
    };
    store_command::run(config, &ports, answer).await
}

/// Returns whether the command makes a secret, which is stored encrypted.
fn makes_secret(command: &WebhooksCommand) -> bool {
    match command {
        WebhooksCommand::Create { .. } | WebhooksCommand::Rotate { .. } => true,
        WebhooksCommand::List
        | WebhooksCommand::Edit { .. }
        | WebhooksCommand::Disable { .. }
        | WebhooksCommand::Enable { .. }
        | WebhooksCommand::Delete { .. }
        | WebhooksCommand::Test { .. }
        | WebhooksCommand::Deliveries { .. }
        | WebhooksCommand::Attempts { .. }
        | WebhooksCommand::Redeliver { .. }
        | WebhooksCommand::Replay { .. } => false,
    }
}

async fn answer(webhooks: &Webhooks, command: &WebhooksCommand) -> Result<String, WebhooksError> {
    let actor = Actor::new(ACTOR);
    match command {
        WebhooksCommand::Create {
            url,
            types,
            description,
            include_recipient,
        } => {
            let new = NewWebhook {
                url: url.clone(),
                types: types.clone(),
                description: description.clone(),
                include_recipient: *include_recipient,
            };
            let (endpoint, secret) = webhooks.create(new).await?;
            tracing::info!(webhook = %endpoint.id, "made; keep the secret: it cannot be shown again");
            Ok(shown(&secret))
        }
        WebhooksCommand::Rotate { id, overlap_minutes } => {
            let overlap = Duration::from_secs(u64::from(*overlap_minutes) * 60);
            let (watched, secret) = webhooks.rotate(*id, overlap, &actor).await?;
            let previous = watched.endpoint.secrets.previous.as_ref();
            tracing::info!(
                webhook = %id,
                old_secret_signs_until = previous.map(|(_, until)| moment(*until)),
                "keep the secret: it cannot be shown again"
            );
            Ok(shown(&secret))
        }
        WebhooksCommand::List => Ok(endpoints(&webhooks.list().await?)),
        WebhooksCommand::Edit {
            id,
            url,
            types,
            all_types,
            description,
            include_recipient,
        } => {
            let edit = WebhookEdit {
                url: url.clone(),
                types: types.clone().or(all_types.then(Vec::new)),
                description: description.clone(),
                include_recipient: *include_recipient,
            };
            Ok(endpoints(&[webhooks.edit(*id, edit, &actor).await?]))
        }
        WebhooksCommand::Disable { id } => Ok(endpoints(&[webhooks.disable(*id, &actor).await?])),
        WebhooksCommand::Enable { id } => Ok(endpoints(&[webhooks.enable(*id, &actor).await?])),
        WebhooksCommand::Delete { id } => {
            webhooks.delete(*id).await?;
            Ok(String::new())
        }
        WebhooksCommand::Test { id } => Ok(deliveries(&[webhooks.test(*id).await?])),
        WebhooksCommand::Deliveries {
            id,
            status,
            before,
            limit,
        } => {
            let query = DeliveryQuery {
                status: *status,
                before: *before,
                limit: *limit,
            };
            Ok(deliveries(&webhooks.deliveries(*id, &query).await?))
        }
        WebhooksCommand::Attempts { id, number } => {
            let (delivery, records) = webhooks.delivery(*id, *number).await?;
            Ok(deliveries(&[delivery]) + &attempts(&records))
        }
        WebhooksCommand::Redeliver { id, number } => {
            Ok(deliveries(&[webhooks.redeliver(*id, *number).await?]))
        }
        WebhooksCommand::Replay { id, after, until } => {
            Ok(endpoints(&[webhooks.replay(*id, *after, *until).await?]))
        }
    }
}

/// Prints the secret alone, so that it can be piped.
fn shown(secret: &WebhookSecret) -> String {
    format!("{}\n", *secret.expose())
}

fn endpoints(endpoints: &[WatchedEndpoint]) -> String {
    let row = |cells: [&str; 6]| {
        let [id, state, waiting, failing, types, url] = cells;
        let line = format!("{id:<36} {state:<18} {waiting:<8} {failing:<21} {types:<32} {url}");
        format!("{}\n", line.trim_end())
    };
    let mut text = row(["ID", "STATE", "WAITING", "FAILING SINCE", "TYPES", "URL"]);
    for watched in endpoints {
        let endpoint = &watched.endpoint;
        let state = match endpoint.state {
            EndpointState::Enabled => "enabled".to_owned(),
            EndpointState::Disabled { why, .. } => format!("disabled ({})", why.as_str()),
        };
        let types: Vec<&str> = endpoint.types.iter().map(|one| one.as_str()).collect();
        text.push_str(&row([
            &endpoint.id.to_string(),
            &state,
            &watched.waiting.to_string(),
            &watched.failing_since.map_or_else(|| "-".to_owned(), moment),
            &if types.is_empty() {
                "all".to_owned()
            } else {
                types.join(",")
            },
            endpoint.url.as_str(),
        ]));
    }
    text
}

fn deliveries(deliveries: &[Delivery]) -> String {
    let row = |cells: [&str; 6]| {
        let [number, kind, status, attempts, created, event] = cells;
        let line = format!("{number:<10} {kind:<22} {status:<10} {attempts:<9} {created:<21} {event}");
        format!("{}\n", line.trim_end())
    };
    let mut text = row(["NUMBER", "TYPE", "STATUS", "ATTEMPTS", "CREATED", "EVENT"]);
    for delivery in deliveries {
        text.push_str(&row([
            &delivery.number.to_string(),
            &delivery.content.event_type,
            delivery.status.as_str(),
            &delivery.attempts.to_string(),
            &moment(delivery.created_at),
            &delivery.content.message_id,
        ]));
    }
    text
}

fn attempts(records: &[AttemptRecord]) -> String {
    let mut text = String::new();
    for record in records {
        let status = record
            .status
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        text.push_str(&format!(
            "{:<3} {:<21} {:>6} ms  {status:<4} {}\n",
            record.attempt,
            moment(record.at),
            record.took.as_millis(),
            record.error.as_deref().unwrap_or_default()
        ));
    }
    text
}

fn in_words(database: &Database, error: &WebhooksError) -> String {
    match error {
        WebhooksError::Repository(WebhookError::Store(error @ RepositoryError::Unavailable(_))) => {
            Unusable::new(database, error).to_string()
        }
        error @ (WebhooksError::Repository(_)
        | WebhooksError::Forbidden(_)
        | WebhooksError::EmptyRange
        | WebhooksError::NoSecret(_)
        | _) => error.to_string(),
    }
}
