//! Adyen's Transfers API.

use std::sync::Arc;

use payout_adapters::provider::adyen::{AdyenProcessor, AdyenSettings, LIVE_URL};
use payout_core::contract::build;
use payout_core::payout::{PaymentDetails, RecipientType, TypedAccount};
use payout_core::ports::Processor;
use payout_stand_ins::Vendor;
use payout_stand_ins::adyen::{API_KEY, Adyen as Rules, BALANCE_ACCOUNT, NOTIFICATION_KEY, PATH};

use super::{Setup, Subject, payment};

/// Adyen's adapter and stand-in.
#[derive(Default)]
pub(super) struct Adyen {
    rules: Arc<Rules>,
}

impl Subject for Adyen {
    fn vendor(&self) -> Arc<dyn Vendor> {
        self.rules.clone()
    }

    fn path(&self) -> &'static str {
        PATH
    }

    fn live_url(&self) -> &'static str {
        LIVE_URL
    }

    fn processor(&self, setup: &Setup) -> Arc<dyn Processor> {
        let settings = AdyenSettings {
            url: setup.address.clone(),
            notification_key: Some(NOTIFICATION_KEY.into()),
            timeout: setup.timeout,
            ..AdyenSettings::new("adyen".parse().unwrap(), API_KEY.into(), BALANCE_ACCOUNT)
        };
        Arc::new(AdyenProcessor::new(&settings).unwrap())
    }

    fn return_code(&self) -> &'static str {
        "counterpartyAccountClosed"
    }

    fn payments(&self) -> Vec<(&'static str, PaymentDetails)> {
        let to = |kind| account(kind);
        vec![
            (
                "an IBAN, two decimals",
                payment(to(RecipientType::Iban), "10.50", "EUR"),
            ),
            (
                "an account in the United States",
                payment(to(RecipientType::UsBank), "10.50", "USD"),
            ),
            (
                "an account in the United Kingdom",
                payment(to(RecipientType::GbBank), "10.50", "GBP"),
            ),
            ("no decimals", payment(to(RecipientType::Iban), "500", "JPY")),
            ("three decimals", payment(to(RecipientType::Iban), "5.120", "KWD")),
        ]
    }

    fn signing_secret(&self) -> String {
        NOTIFICATION_KEY.to_owned()
    }
}

fn account(kind: RecipientType) -> TypedAccount {
    let recipient = build::recipient_of_type(kind, "adyen");
    recipient.typed_account().unwrap().clone()
}
