//! The providers: the adapter of each, its stand-in, and payments that it can make.

mod adyen;
mod paypal;
mod stripe;

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use payout_adapters::outbound::OutboundSettings;
use payout_core::money::{Currency, Money};
use payout_core::payout::{Description, PaymentDetails, Recipient, RecipientName, TypedAccount};
use payout_core::ports::Processor;
use payout_stand_ins::{StandIn, StandInSettings, Vendor};

/// The limit of a call with judges in between.
const PATIENT: Duration = Duration::from_secs(60);
/// The limit of a call without judges: a stand-in answers at once, or never.
const IMPATIENT: Duration = Duration::from_secs(3);

/// The name of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// Adyen's Transfers API.
    Adyen,
    /// PayPal Payouts.
    Paypal,
    /// Stripe Connect.
    Stripe,
}

/// Settings of an adapter.
pub struct Setup {
    /// The address of the API.
    pub address: String,
    /// The limit of a call.
    pub timeout: Duration,
    /// The origin of the stand-in whose notifications are read. Absent: none are.
    pub notified_by: Option<String>,
}

impl Setup {
    fn outbound(&self) -> OutboundSettings {
        OutboundSettings {
            timeout: self.timeout,
            ..OutboundSettings::default()
        }
    }
}

/// A provider's adapter and its stand-in.
pub trait Subject: Send + Sync {
    /// Returns the rules of the stand-in.
    fn vendor(&self) -> Arc<dyn Vendor>;

    /// Returns the part of the API's address that follows the host.
    fn path(&self) -> &'static str {
        ""
    }

    /// Returns the address of the vendor's live system.
    fn live_url(&self) -> &'static str;

    /// Builds the adapter.
    fn processor(&self, setup: &Setup) -> Arc<dyn Processor>;

    /// Returns the code with which the stand-in returns a payment.
    fn return_code(&self) -> &'static str {
        ""
    }

    /// Returns payments to each type of recipient and with each number of decimals, by their names.
    fn payments(&self) -> Vec<(&'static str, PaymentDetails)>;

    /// Returns whether the vendor's description has the call for balances.
    fn describes_balances(&self) -> bool {
        false
    }

    /// Returns the secret of the notifications' signatures, in the vendor's form.
    fn signing_secret(&self) -> String;
}

impl Provider {
    /// Every provider.
    pub const ALL: &'static [Self] = &[Self::Adyen, Self::Paypal, Self::Stripe];

    /// Returns the name, as it is in the provider's `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adyen => "adyen",
            Self::Paypal => "paypal",
            Self::Stripe => "stripe",
        }
    }

    /// Returns the adapter and the stand-in.
    pub fn subject(self) -> Box<dyn Subject> {
        match self {
            Self::Adyen => Box::new(adyen::Adyen::default()),
            Self::Paypal => Box::new(paypal::PayPal::default()),
            Self::Stripe => Box::new(stripe::Stripe::default()),
        }
    }
}

/// Starts the stand-in of a provider.
pub async fn start(subject: &dyn Subject) -> StandIn {
    let settings = StandInSettings {
        seed: 7,
        ..StandInSettings::default()
    };
    StandIn::start_boxed(subject.vendor(), settings).await.unwrap()
}

/// Makes a payment to Ada Lovelace.
fn payment(account: TypedAccount, amount: &str, currency: &str) -> PaymentDetails {
    let money = Money::new(amount.parse().unwrap(), Currency::recorded(currency).unwrap()).unwrap();
    let recipient = Recipient::typed(account, RecipientName::new("Ada Lovelace").unwrap());
    PaymentDetails {
        description: Description::new("Invoice 7").unwrap(),
        ..PaymentDetails::new(money, recipient)
    }
}

/// A provider's adapter with a stand-in that runs.
pub struct Running {
    /// The adapter and the rules.
    pub subject: Box<dyn Subject>,
    /// The stand-in.
    pub stand_in: StandIn,
}

/// Starts the stand-in of a provider.
pub async fn start_all(provider: Provider) -> Running {
    let subject = provider.subject();
    let stand_in = start(&*subject).await;
    Running { subject, stand_in }
}

impl Running {
    /// Returns the address of the stand-in's API.
    pub fn address(&self) -> String {
        format!("{}{}", self.stand_in.url(), self.subject.path())
    }

    /// Builds the adapter for the API at an address, with judges in between.
    pub fn judged(&self, address: &str) -> Arc<dyn Processor> {
        self.subject.processor(&Setup {
            address: address.to_owned(),
            timeout: PATIENT,
            notified_by: Some(self.stand_in.url()),
        })
    }

    /// Builds the adapter for the API at an address, without judges and notifications.
    pub fn plain(&self, address: &str) -> Arc<dyn Processor> {
        self.subject.processor(&Setup {
            address: address.to_owned(),
            timeout: IMPATIENT,
            notified_by: None,
        })
    }
}
