//! The bodies of deliveries: JSON objects with the type, the time and the data of an event, as the specification
//! recommends.

use serde_json::{Map, Value, json};

use super::delivery::NewDelivery;
use crate::Timestamp;
use crate::feed::{PublicEvent, Subject};
use crate::payout::{ExternalId, Recipient};

/// The type of a test delivery, which no event of the feed has.
pub const TEST_EVENT: &str = "webhook.test";

/// Builds the delivery of an event. `recipient` is that of the payout, if the endpoint gets the masked recipient.
pub fn of_event(event: &PublicEvent, recipient: Option<&Recipient>) -> NewDelivery {
    let mut data = Map::new();
    let mut set = |name: &str, value: Value| data.insert(name.to_owned(), value);
    match &event.subject {
        Subject::Payout(payout) => {
            set("payout_id", json!(payout.id.to_string()));
            set("batch_id", json!(payout.batch_id.map(|batch| batch.to_string())));
            set("version", json!(payout.version));
            set("generation", json!(payout.generation));
            set("status", json!(payout.status.as_str()));
            set("amount", json!(payout.money.amount().to_string()));
            set("currency", json!(payout.money.currency().code()));
            set("reference", json!(payout.reference));
            if let Some(at) = payout.scheduled_at {
                set("scheduled_at", json!(rfc3339(at)));
            }
        }
        Subject::Batch(batch) => {
            set("batch_id", json!(batch.id.to_string()));
            set(
                "external_id",
                json!(batch.external_id.as_ref().map(ExternalId::as_str)),
            );
            set("payouts", json!(batch.payouts));
            if let Some(changed) = batch.changed {
                set("changed", json!(changed));
            }
            if let Some(finished) = batch.finished {
                set(
                    "finished",
                    json!({
                        "completed": finished.completed,
                        "returned": finished.returned,
                        "failed": finished.failed,
                        "cancelled": finished.cancelled,
                    }),
                );
            }
        }
        Subject::Provider(provider) => {
            set("provider", json!(provider.as_str()));
        }
        Subject::Webhook(webhook) => {
            set("webhook_id", json!(webhook.to_string()));
        }
    }
    set("actor", json!(event.actor.as_str()));
    set("reason", json!(event.reason));
    if let Some(recipient) = recipient {
        set("recipient", masked(recipient));
    }
    let message_id = event.id.to_string();
    let event_type = event.event_type.as_str();
    NewDelivery {
        body: body(&message_id, event_type, event.at, Value::Object(data)),
        message_id,
        event_type: event_type.to_owned(),
        payout_id: event.payout_id(),
    }
}

/// Builds a test delivery with this id.
pub fn of_test(message_id: String, now: Timestamp) -> NewDelivery {
    NewDelivery {
        body: body(&message_id, TEST_EVENT, now, json!({})),
        message_id,
        event_type: TEST_EVENT.to_owned(),
        payout_id: None,
    }
}

fn body(message_id: &str, event_type: &str, at: Timestamp, data: Value) -> String {
    json!({"id": message_id, "type": event_type, "timestamp": rfc3339(at), "data": data}).to_string()
}

fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn masked(recipient: &Recipient) -> Value {
    let fields = recipient.masked_fields().0;
    fields
        .into_iter()
        .map(|(name, text)| (name, Value::String(text)))
        .collect::<Map<_, _>>()
        .into()
}
