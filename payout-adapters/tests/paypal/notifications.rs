//! Notifications: genuine ones name their payments, and every other is refused.

use payout_adapters::provider::paypal::{LIVE_URL, PaypalProcessor, PaypalSetupError};
use payout_core::ports::Processor;
use payout_core::provider::{Instruction, Notification, NotificationError, PaymentName};
use payout_stand_ins::Vendor;
use payout_stand_ins::notifier::Push;

use crate::support::{System, accepted, instruction, submit};

/// A payment, and a processor that has not read a notification yet.
struct Paid {
    system: System,
    processor: PaypalProcessor,
    instruction: Instruction,
}

async fn paid() -> Paid {
    let system = System::start().await;
    let processor = system.processor();
    let instruction = instruction(&processor);
    accepted(&submit(&processor, &instruction).await);
    Paid {
        system,
        processor,
        instruction,
    }
}

fn received(push: &Push) -> Notification {
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    Notification {
        headers: push.headers.iter().map(lower).collect(),
        body: push.body.clone(),
    }
}

impl Paid {
    fn genuine(&self) -> Notification {
        let payments = self.system.payments();
        received(&self.system.paypal.notification_of(payments.first().unwrap()))
    }

    async fn read(&self, notification: &Notification) -> Result<Vec<PaymentName>, NotificationError> {
        self.processor.read_notification(notification).await
    }

    /// Checks that a notification is refused that differs from a genuine one in this way.
    async fn refuses(&self, change: impl FnOnce(&mut Notification)) {
        let mut notification = self.genuine();
        change(&mut notification);
        let read = self.read(&notification).await;
        assert!(
            matches!(read, Err(NotificationError::InvalidSignature)),
            "{read:?}"
        );
    }
}

fn set(notification: &mut Notification, name: &str, value: &str) {
    let header = notification
        .headers
        .iter_mut()
        .find(|(known, _)| known == name)
        .unwrap();
    header.1 = value.to_owned();
}

#[tokio::test]
async fn a_genuine_notification_names_the_payout_the_key_and_the_batch() {
    let paid = paid().await;
    let named = paid.read(&paid.genuine()).await.unwrap();
    let expected = [
        PaymentName::Payout(paid.instruction.payout_id),
        PaymentName::Key(paid.instruction.key.as_str().to_owned()),
    ];
    assert_eq!(named[..2], expected);
    assert!(matches!(&named[2], PaymentName::Reference(id) if id.as_str() == paid.system.payments()[0].id));
}

#[tokio::test]
async fn a_forged_notification_is_refused() {
    let paid = paid().await;
    let payment = paid.system.payments().remove(0);
    let forged = received(&paid.system.paypal.notification(&payment, true).unwrap());
    let read = paid.read(&forged).await;
    assert!(
        matches!(read, Err(NotificationError::InvalidSignature)),
        "{read:?}"
    );
}

#[tokio::test]
async fn any_change_of_a_notification_is_refused() {
    let paid = paid().await;
    paid.refuses(|notification| notification.body.push(b' ')).await;
    paid.refuses(|notification| set(notification, "paypal-transmission-id", "another"))
        .await;
    paid.refuses(|notification| set(notification, "paypal-transmission-sig", "AAAA"))
        .await;
    paid.refuses(|notification| set(notification, "paypal-transmission-sig", "not base64!"))
        .await;
    paid.refuses(|notification| set(notification, "paypal-auth-algo", "SHA1withRSA"))
        .await;
    paid.refuses(|notification| set(notification, "paypal-transmission-time", "2020-01-01T00:00:00Z"))
        .await;
    let later = |time: &str| time.replace('Z', "+00:00");
    paid.refuses(|notification| {
        let time = later(notification.header("paypal-transmission-time").unwrap());
        set(notification, "paypal-transmission-time", &time);
    })
    .await;
}

#[tokio::test]
async fn a_notification_with_a_missing_or_a_doubled_header_is_refused() {
    let paid = paid().await;
    for name in [
        "paypal-auth-algo",
        "paypal-cert-url",
        "paypal-transmission-id",
        "paypal-transmission-sig",
        "paypal-transmission-time",
    ] {
        paid.refuses(|notification| notification.headers.retain(|(known, _)| known != name))
            .await;
        paid.refuses(|notification| {
            let value = notification.header(name).unwrap().to_owned();
            notification.headers.push((name.to_owned(), value));
        })
        .await;
    }
}

#[tokio::test]
async fn a_certificate_from_anywhere_else_is_refused_without_fetching_it() {
    let paid = paid().await;
    let origin = paid.system.stand_in.url();
    for url in [
        "https://example.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1",
        &format!("{origin}/_root"),
        &format!("{origin}/v1/notifications/certs/"),
        &format!("{origin}/v1/notifications/certs/../../_root"),
        &format!("{origin}/v1/notifications/certs/CERT-1?x"),
        &format!("{origin}/v1/notifications/certs/CERT-none"),
        "CERT-1",
    ] {
        paid.refuses(|notification| set(notification, "paypal-cert-url", url))
            .await;
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once() {
    let Paid {
        system, processor, ..
    } = paid().await;
    let payment = system.payments().remove(0);
    processor
        .read_notification(&received(&system.paypal.notification_of(&payment)))
        .await
        .unwrap();
    let System { paypal, stand_in } = system;
    let later = received(&paypal.notification_of(&payment));
    drop(stand_in);
    assert!(processor.read_notification(&later).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_fetched_now_refuses_nothing_for_good() {
    let Paid {
        system, processor, ..
    } = paid().await;
    let payment = system.payments().remove(0);
    let notification = received(&system.paypal.notification_of(&payment));
    drop(system);
    let read = processor.read_notification(&notification).await;
    assert!(matches!(read, Err(NotificationError::Unavailable(_))), "{read:?}");
}

#[tokio::test]
async fn a_certificate_of_another_root_is_not_trusted() {
    let paid = paid().await;
    let mut settings = paid.system.settings();
    let another = payout_stand_ins::paypal::PayPal::default();
    settings.test_certificates.as_mut().unwrap().roots = another.root();
    let processor = PaypalProcessor::new(&settings).unwrap();
    let read = processor.read_notification(&paid.genuine()).await;
    assert!(matches!(read, Err(NotificationError::Unavailable(_))), "{read:?}");
}

#[tokio::test]
async fn forged_urls_cannot_make_the_service_fetch_without_end() {
    let paid = paid().await;
    let origin = paid.system.stand_in.url();
    let mut refused = 0;
    for nth in 0..40 {
        let mut notification = paid.genuine();
        let url = format!("{origin}/v1/notifications/certs/CERT-{nth}");
        set(&mut notification, "paypal-cert-url", &url);
        if let Err(NotificationError::Unavailable(_)) = paid.read(&notification).await {
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}

#[tokio::test]
async fn a_notification_without_a_webhook_id_is_not_expected() {
    let paid = paid().await;
    let mut settings = paid.system.settings();
    settings.webhook_id = None;
    let processor = PaypalProcessor::new(&settings).unwrap();
    let read = processor.read_notification(&paid.genuine()).await;
    assert!(matches!(read, Err(NotificationError::NotConfigured)), "{read:?}");
}

#[tokio::test]
async fn certificates_of_a_test_system_are_refused_together_with_paypals_own() {
    let system = System::start().await;
    for url in [LIVE_URL, "https://api-m.sandbox.paypal.com"] {
        for webhook_id in [None, Some("1".to_owned())] {
            let mut settings = system.settings();
            settings.url = url.to_owned();
            settings.webhook_id = webhook_id;
            let error = PaypalProcessor::new(&settings).unwrap_err();
            assert!(matches!(error, PaypalSetupError::TestCertificates), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_webhook_id_that_is_none_of_paypals_is_refused() {
    let system = System::start().await;
    for webhook_id in ["", "a|b", "a b", &"x".repeat(51)] {
        let mut settings = system.settings();
        settings.webhook_id = Some(webhook_id.to_owned());
        let error = PaypalProcessor::new(&settings).unwrap_err();
        assert!(matches!(error, PaypalSetupError::InvalidWebhookId), "{error:?}");
    }
}
