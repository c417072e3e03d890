//! Notifications: signed events about transfers.

use payout_core::Timestamp;
use payout_core::payout::ProviderReference;
use payout_core::provider::{Notification, NotificationError, PaymentName};
use serde::Deserialize;

use super::request::ID_FIELD;
use crate::Secret;
use crate::provider::timed_signature;

/// The header with the signature, in lower case.
const SIGNATURE: &str = "stripe-signature";

/// An event, as far as it is read.
#[derive(Deserialize)]
struct Event {
    object: String,
    r#type: String,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Data {
    object: Transfer,
}

#[derive(Deserialize)]
struct Transfer {
    id: String,
    transfer_group: Option<String>,
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
}

/// Verifies an event and returns the names of its transfer. Events about anything else name no payment.
pub(super) fn read(
    notification: &Notification,
    key: &Secret,
    now: Timestamp,
) -> Result<Vec<PaymentName>, NotificationError> {
    timed_signature::verify(notification, SIGNATURE, key, now)?;
    let unreadable = |what: &str| NotificationError::Unreadable(what.to_owned());
    let event: Event = serde_json::from_slice(&notification.body).map_err(|_| unreadable("not an event"))?;
    if event.object != "event" {
        return Err(unreadable("not an event"));
    }
    if !event.r#type.starts_with("transfer.") {
        return Ok(Vec::new());
    }
    let Data { object } = serde_json::from_value(event.data).map_err(|_| unreadable("not of a transfer"))?;
    Ok(object.names())
}

impl Transfer {
    fn names(self) -> Vec<PaymentName> {
        let payout = self.metadata.get(ID_FIELD).and_then(serde_json::Value::as_str);
        let payout = payout.and_then(|id| id.parse().ok()).map(PaymentName::Payout);
        let reference = ProviderReference::new(&self.id).map(PaymentName::Reference);
        let key = self.transfer_group.map(PaymentName::Key);
        [reference, key, payout].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000000";

    fn pushed(event: &Value) -> Result<Vec<PaymentName>, NotificationError> {
        let (key, now) = (Secret::from("whsec_1"), "2026-11-24T09:00:00Z".parse().unwrap());
        let body = event.to_string().into_bytes();
        let signature = timed_signature::sign(&body, &key, now).unwrap();
        let headers = vec![(SIGNATURE.to_owned(), signature)];
        read(&Notification { headers, body }, &key, now)
    }

    fn event(r#type: &str, object: &Value) -> Value {
        json!({"id": "evt_1", "object": "event", "type": r#type, "data": {"object": object}})
    }

    #[test]
    fn an_event_about_a_transfer_names_it_in_three_ways() {
        let transfer = json!({"id": "tr_1", "transfer_group": "k:0", "metadata": {"payout_id": ID, "n": 1}});
        let expected = [
            PaymentName::Reference(ProviderReference::new("tr_1").unwrap()),
            PaymentName::Key("k:0".to_owned()),
            PaymentName::Payout(ID.parse().unwrap()),
        ];
        for kind in ["transfer.created", "transfer.updated", "transfer.reversed"] {
            assert_eq!(pushed(&event(kind, &transfer)).unwrap(), expected, "{kind}");
        }
        let foreign = json!({"id": "tr_1", "transfer_group": null, "metadata": {"payout_id": "7"}});
        assert_eq!(
            pushed(&event("transfer.created", &foreign)).unwrap(),
            expected[..1]
        );
    }

    #[test]
    fn other_events_name_nothing_and_other_bodies_are_unreadable() {
        assert_eq!(pushed(&event("payout.paid", &json!({"id": "po_1"}))).unwrap(), []);
        for body in [
            json!([]),
            json!({"object": "transfer", "type": "transfer.created", "data": {}}),
            event("transfer.created", &json!({})),
        ] {
            assert!(
                matches!(pushed(&body), Err(NotificationError::Unreadable(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_forged_event_is_refused_before_it_is_read() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        let body = event("transfer.created", &json!({"id": "tr_1"}))
            .to_string()
            .into_bytes();
        let signature = timed_signature::sign(&body, &"whsec_2".into(), now).unwrap();
        let headers = vec![(SIGNATURE.to_owned(), signature)];
        let refused = read(&Notification { headers, body }, &"whsec_1".into(), now);
        assert!(matches!(refused, Err(NotificationError::InvalidSignature)));
    }
}
