//! Events that the stand-in signs are accepted, and forged or old ones are not.

use payout_core::provider::{Notification, NotificationError, PaymentName};
use payout_stand_ins::Vendor as _;

use super::*;

/// Pays an instruction and returns the event about it, genuine or forged.
async fn event(stand_in: &StandIn, instruction: &Instruction, forged: bool) -> Notification {
    assert_paid(&processor(stand_in).submit(instruction).await.unwrap());
    let payment = stand_in.ledger().by_key(instruction.key.as_str()).pop().unwrap();
    let push = Stripe::default().notification(&payment, forged).unwrap();
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    Notification {
        headers: push.headers.into_iter().map(lower).collect(),
        body: push.body,
    }
}

#[tokio::test]
async fn a_genuine_event_names_the_payment_by_its_id_its_key_and_its_payout() {
    let (stand_in, processor) = stand_in().await;
    let instruction = instruction();
    let event = event(&stand_in, &instruction, false).await;
    let names = processor.read_notification(&event).await.unwrap();
    assert!(
        matches!(names.first(), Some(PaymentName::Reference(_))),
        "{names:?}"
    );
    assert_eq!(
        names[1..],
        [
            PaymentName::Key(instruction.key.to_string()),
            PaymentName::Payout(instruction.payout_id)
        ]
    );
}

#[tokio::test]
async fn a_forged_or_altered_event_is_refused() {
    let (stand_in, processor) = stand_in().await;
    let forged = event(&stand_in, &instruction(), true).await;
    let mut altered = event(&stand_in, &instruction(), false).await;
    altered.body.extend_from_slice(b" ");
    for notification in [forged, altered, Notification::default()] {
        let answer = processor.read_notification(&notification).await;
        assert!(
            matches!(answer, Err(NotificationError::InvalidSignature)),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn without_a_signing_secret_no_event_is_accepted() {
    let (stand_in, _) = stand_in().await;
    let event = event(&stand_in, &instruction(), false).await;
    let settings = StripeSettings::new("stripe-eu".parse().unwrap(), SECRET_KEY.into());
    let answer = StripeProcessor::new(&settings)
        .unwrap()
        .read_notification(&event)
        .await;
    assert!(
        matches!(answer, Err(NotificationError::NotConfigured)),
        "{answer:?}"
    );
}
