//! Stripe Connect.

use std::sync::Arc;

use payout_adapters::provider::stripe::{LIVE_URL, StripeProcessor, StripeSettings};
use payout_core::payout::{PaymentDetails, ProviderAccountId, TypedAccount};
use payout_core::ports::Processor;
use payout_stand_ins::Vendor;
use payout_stand_ins::stripe::{SECRET_KEY, SIGNING_SECRET, Stripe as Rules};

use super::{Setup, Subject, payment};

/// Stripe's adapter and stand-in.
#[derive(Default)]
pub(super) struct Stripe {
    rules: Arc<Rules>,
}

impl Subject for Stripe {
    fn vendor(&self) -> Arc<dyn Vendor> {
        self.rules.clone()
    }

    fn live_url(&self) -> &'static str {
        LIVE_URL
    }

    fn processor(&self, setup: &Setup) -> Arc<dyn Processor> {
        let mut settings = StripeSettings::new("stripe".parse().unwrap(), SECRET_KEY.into());
        settings.url.clone_from(&setup.address);
        settings.notification_key = Some(SIGNING_SECRET.into());
        settings.outbound = setup.outbound();
        Arc::new(StripeProcessor::new(&settings).unwrap())
    }

    fn payments(&self) -> Vec<(&'static str, PaymentDetails)> {
        let account = || TypedAccount::ProviderAccount {
            provider: "stripe".parse().unwrap(),
            id: ProviderAccountId::new("acct_1032D82eZvKYlo2C").unwrap(),
        };
        vec![
            ("two decimals", payment(account(), "10.50", "USD")),
            ("no decimals", payment(account(), "500", "JPY")),
            ("three decimals", payment(account(), "5.120", "KWD")),
            ("no decimals that are sent as two", payment(account(), "5", "ISK")),
        ]
    }

    fn describes_balances(&self) -> bool {
        true
    }

    fn signing_secret(&self) -> String {
        SIGNING_SECRET.to_owned()
    }
}
