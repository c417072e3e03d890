//! PayPal Payouts.

use std::sync::Arc;

use payout_adapters::provider::paypal::{LIVE_URL, PaypalProcessor, PaypalSettings, TestCertificates};
use payout_core::payout::{EmailAddress, PaymentDetails, PhoneNumber, ProviderAccountId, TypedAccount};
use payout_core::ports::Processor;
use payout_stand_ins::Vendor;
use payout_stand_ins::paypal::{PayPal as Rules, WEBHOOK_ID};

use super::{Setup, Subject, payment};

/// PayPal's adapter and stand-in.
#[derive(Default)]
pub(super) struct PayPal {
    rules: Rules,
}

impl Subject for PayPal {
    fn vendor(&self) -> Arc<dyn Vendor> {
        Arc::new(self.rules.clone())
    }

    fn live_url(&self) -> &'static str {
        LIVE_URL
    }

    fn processor(&self, setup: &Setup) -> Arc<dyn Processor> {
        let mut settings = PaypalSettings::new("paypal".parse().unwrap(), "client", "secret".into());
        settings.url.clone_from(&setup.address);
        settings.outbound = setup.outbound();
        if let Some(origin) = &setup.notified_by {
            settings.webhook_id = Some(WEBHOOK_ID.to_owned());
            // Making the keys takes seconds in a build without optimisation.
            settings.test_certificates = Some(TestCertificates {
                origin: origin.clone(),
                roots: self.rules.root(),
            });
        }
        Arc::new(PaypalProcessor::new(&settings).unwrap())
    }

    fn return_code(&self) -> &'static str {
        "RETURNED"
    }

    fn payments(&self) -> Vec<(&'static str, PaymentDetails)> {
        let email = || TypedAccount::Email(EmailAddress::new("ada@example.com").unwrap());
        let phone = TypedAccount::Phone(PhoneNumber::new("+14155550100").unwrap());
        let account = TypedAccount::ProviderAccount {
            provider: "paypal".parse().unwrap(),
            id: ProviderAccountId::new("8B2VKQCXKDK3W").unwrap(),
        };
        vec![
            (
                "an e-mail address, two decimals",
                payment(email(), "10.50", "USD"),
            ),
            ("a phone number", payment(phone, "10.50", "USD")),
            ("an account at PayPal", payment(account, "10.50", "USD")),
            ("no decimals", payment(email(), "500", "JPY")),
            ("decimals in ISO 4217 alone", payment(email(), "500.00", "HUF")),
        ]
    }

    fn signing_secret(&self) -> String {
        WEBHOOK_ID.to_owned()
    }
}
