//! Notifications of the provider: a signed list of payments.

use payout_core::Timestamp;
use payout_core::payout::{PayoutId, ProviderReference};
use payout_core::provider::{Notification, NotificationError, PaymentName};
use serde::Deserialize;

use crate::Secret;
use crate::provider::timed_signature;

/// The header with the signature, in lower case.
pub(super) const SIGNATURE: &str = "payout-signature";

/// The body of a notification. Fields that the contract does not name are ignored.
#[derive(Deserialize)]
struct Body {
    payments: Vec<Payment>,
}

/// A payment, by any of its names.
#[derive(Deserialize)]
struct Payment {
    key: Option<String>,
    reference: Option<String>,
    payout_id: Option<uuid::Uuid>,
}

/// Verifies a notification and returns the payments that it names.
pub(super) fn read(
    notification: &Notification,
    key: &Secret,
    now: Timestamp,
) -> Result<Vec<PaymentName>, NotificationError> {
    timed_signature::verify(notification, SIGNATURE, key, now)?;
    let body: Body = serde_json::from_slice(&notification.body)
        .map_err(|_| NotificationError::Unreadable("its body is not of the contract's form".to_owned()))?;
    Ok(body.payments.into_iter().flat_map(Payment::names).collect())
}

impl Payment {
    fn names(self) -> impl Iterator<Item = PaymentName> {
        let reference = self.reference.as_deref().and_then(ProviderReference::new);
        let names = [
            self.key.map(PaymentName::Key),
            reference.map(PaymentName::Reference),
            self.payout_id.map(|id| PaymentName::Payout(PayoutId::from(id))),
        ];
        names.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(body: &str) -> Result<Vec<PaymentName>, NotificationError> {
        let (key, now) = (Secret::from("k"), "2026-11-24T09:00:00Z".parse().unwrap());
        let signature = timed_signature::sign(body.as_bytes(), &key, now).unwrap();
        let notification = Notification {
            headers: vec![(SIGNATURE.to_owned(), signature)],
            body: body.as_bytes().to_vec(),
        };
        read(&notification, &key, now)
    }

    #[test]
    fn payments_are_named_by_key_reference_and_id() {
        let id = "0198c0de-0000-7000-8000-000000000000";
        let body = format!(
            r#"{{"payments":[{{"key":"k:0","extra":1}},{{"reference":"r","payout_id":"{id}"}},{{}}],"sent":1}}"#
        );
        let expected = [
            PaymentName::Key("k:0".to_owned()),
            PaymentName::Reference(ProviderReference::new("r").unwrap()),
            PaymentName::Payout(id.parse().unwrap()),
        ];
        assert_eq!(pushed(&body).unwrap(), expected);
        assert_eq!(pushed(r#"{"payments":[]}"#).unwrap(), []);
    }

    #[test]
    fn a_signed_body_of_another_form_is_unreadable() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"payments":{}}"#,
            r#"{"payments":[{"payout_id":"x"}]}"#,
        ] {
            assert!(
                matches!(pushed(body), Err(NotificationError::Unreadable(_))),
                "{body}"
            );
        }
    }
}
