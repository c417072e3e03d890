//! Real providers in the drill: their stand-ins, the file that configures them, and recipients that they can pay.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::{adyen, ledger, stripe};
use serde_json::{Value, json};

use crate::Outcome;
use crate::backing::free_port;
use crate::chance::Chance;
use crate::settings::Settings;

/// The providers of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Providers {
    /// A provider that keeps the HTTP contract.
    Contract,
    Adyen,
    Paypal,
    Stripe,
    /// Several, with routes.
    Mixed,
}

/// A real provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Adyen,
    Paypal,
    Stripe,
}

impl Vendor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adyen => "adyen",
            Self::Paypal => "paypal",
            Self::Stripe => "stripe",
        }
    }
}

/// The time that a stand-in may take to answer the drill.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of calls to a stand-in that is being restarted.
const TRIES: u32 = 100;

/// The name of the provider of the HTTP contract beside others.
pub(crate) const BANK: &str = "bank";

impl Providers {
    /// Returns the real providers.
    pub(crate) fn vendors(self) -> &'static [Vendor] {
        match self {
            Self::Contract => &[],
            Self::Adyen => &[Vendor::Adyen],
            Self::Paypal => &[Vendor::Paypal],
            Self::Stripe => &[Vendor::Stripe],
            Self::Mixed => &[Vendor::Adyen, Vendor::Paypal, Vendor::Stripe],
        }
    }

    /// Returns whether the provider of the HTTP contract is one of them.
    pub(crate) fn has_contract(self) -> bool {
        matches!(self, Self::Contract | Self::Mixed)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Adyen => "adyen",
            Self::Paypal => "paypal",
            Self::Stripe => "stripe",
            Self::Mixed => "mixed",
        }
    }

    fn routes(self) -> &'static str {
        match self {
            Self::Contract => "",
            Self::Adyen => "[[routes]]\nuse = [\"adyen\"]\n",
            Self::Paypal => "[[routes]]\nuse = [\"paypal\"]\n",
            Self::Stripe => "[[routes]]\nuse = [\"stripe\"]\n",
            Self::Mixed => {
                "[[routes]]\nwhen = { currency = [\"EUR\"], recipient = [\"iban\"] }\nuse = [\"adyen\", \"bank\"]\n\
                 [[routes]]\nwhen = { recipient = [\"us_bank\"] }\nuse = [\"bank\", \"adyen\"]\n\
                 [[routes]]\nwhen = { recipient = [\"email\"] }\nuse = [\"paypal\"]\n\
                 [[routes]]\nwhen = { recipient = [\"provider_account\"] }\nuse = [\"stripe\"]\n\
                 [[routes]]\nuse = [\"bank\"]\n"
            }
        }
    }
}

/// The stand-in for a real provider, which is a process.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    pub(crate) vendor: Vendor,
    pub(crate) port: u16,
    pub(crate) ledger: PathBuf,
}

/// The payments of a real provider.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) provider: &'static str,
    pub(crate) payments: Vec<ledger::Payment>,
}

impl StandIn {
    pub(crate) fn all(providers: Providers, folder: &Path) -> Outcome<Vec<Self>> {
        let of = |vendor: &Vendor| {
            Ok(Self {
                vendor: *vendor,
                port: free_port()?,
                ledger: folder.join(format!("ledger-{}.jsonl", vendor.name())),
            })
        };
        providers.vendors().iter().map(of).collect()
    }

    /// Returns the arguments of the process. `server` receives the notifications.
    pub(crate) fn arguments(&self, settings: &Settings, server: u16) -> Outcome<Vec<String>> {
        let name = self.vendor.name();
        let faults = FaultProfile {
            return_within_ms: u64::try_from(settings.returned_within.as_millis())?,
            ..FaultProfile::drill()
        };
        let faults = serde_json::to_string(&faults)?;
        let notify = format!("http://127.0.0.1:{server}/api/providers/{name}/notifications/");
        let ledger = self.ledger.display().to_string();
        let (port, seed) = (self.port.to_string(), settings.seed.to_string());
        let mut arguments = vec![
            ["--provider", name],
            ["--port", &port],
            ["--ledger", &ledger],
            ["--seed", &seed],
            ["--faults", &faults],
        ];
        match self.vendor {
            // The certificate that signs them is not the same after a restart.
            Vendor::Paypal => (),
            Vendor::Adyen | Vendor::Stripe => arguments.push(["--notify", &notify]),
        }
        Ok(arguments.concat().into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks the running process for its ledger, as JSON.
    pub(crate) async fn ask_ledger(&self) -> Outcome<String> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = http.get(format!("{}/_ledger", self.url())).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Makes the process answer without faults from now on. Payments that it has planned to return still come back.
    pub(crate) async fn calm_down(&self) -> Outcome<()> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let url = format!("{}/_control", self.url());
        for _ in 0..TRIES {
            let asked = http.post(&url).body(r#"{"faults":"off"}"#).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{} does not answer", self.vendor.name()).into())
    }

    /// Reads the ledger's file once the process has ended.
    pub(crate) fn books(&self) -> Outcome<Books> {
        Ok(Books {
            provider: self.vendor.name(),
            payments: ledger::Ledger::open(Some(&self.ledger))?.payments(),
        })
    }

    /// Returns the provider's table in the file of providers, and writes its secrets.
    fn table(&self, folder: &Path) -> Outcome<String> {
        let name = self.vendor.name();
        let secret = |of: &str, text: &str| write_secret(&folder.join(format!("{name}-{of}")), text);
        let url = self.url();
        let head = format!("[providers.{name}]\nkind = \"{name}\"\n");
        let keys = match self.vendor {
            Vendor::Adyen => {
                secret("key", adyen::API_KEY)?;
                secret("notifications", adyen::NOTIFICATION_KEY)?;
                format!(
                    "url = \"{url}{}\"\napi_key_file = \"adyen-key\"\nbalance_account = \"{}\"\n\
                     notification_key_file = \"adyen-notifications\"\n",
                    adyen::PATH,
                    adyen::BALANCE_ACCOUNT
                )
            }
            Vendor::Paypal => {
                secret("secret", "stand-in")?;
                format!("url = \"{url}\"\nclient_id = \"drill\"\nclient_secret_file = \"paypal-secret\"\n")
            }
            Vendor::Stripe => {
                secret("key", stripe::SECRET_KEY)?;
                secret("notifications", stripe::SIGNING_SECRET)?;
                format!(
                    "url = \"{url}\"\nsecret_key_file = \"stripe-key\"\n\
                     notification_key_file = \"stripe-notifications\"\n"
                )
            }
        };
        Ok(head + &keys)
    }
}

fn write_secret(path: &Path, text: &str) -> Outcome<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Writes the file of providers, and returns its path.
pub(crate) fn configure(
    settings: &Settings,
    stand_ins: &[StandIn],
    contract: &str,
    folder: &Path,
) -> Outcome<PathBuf> {
    let mut text = String::new();
    for stand_in in stand_ins {
        let table = stand_in.table(folder)?;
        let window = settings.return_window().as_secs();
        let _ = write!(
            text,
            "{table}return_window_seconds = {window}\npoll_interval_ms = 200\n"
        );
    }
    if settings.providers.has_contract() {
        let _ = write!(
            text,
            "[providers.{BANK}]\nkind = \"http\"\nurl = \"{contract}\"\n"
        );
    }
    text.push_str(settings.providers.routes());
    let path = folder.join("providers.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// The recipient of a client's payout, with a currency in which it can be paid.
pub(crate) struct Payee {
    pub(crate) currency: &'static str,
    /// Absent: an account in the old form.
    pub(crate) recipient: Option<Value>,
}

/// Draws a recipient that a provider of the drill can pay.
pub(crate) fn payee(providers: Providers, chance: &mut Chance, number: u64) -> Payee {
    let typed = |currency, recipient| Payee {
        currency,
        recipient: Some(recipient),
    };
    let name = format!("Recipient {number}");
    let iban = || json!({"type": "iban", "name": name, "iban": german_iban(number)});
    let us_bank = || {
        json!({"type": "us_bank", "name": name, "routing_number": "021000021", "account_type": "checking",
            "account_number": format!("{number:08}")})
    };
    let gb_bank = || json!({"type": "gb_bank", "name": name, "sort_code": "200000", "account_number": format!("{number:08}")});
    let connected = || json!({"type": "provider_account", "name": name, "provider": "stripe", "id": format!("acct_{number}")});
    let email = || json!({"type": "email", "name": name, "email": format!("recipient-{number}@example.com")});
    let choices = if providers == Providers::Mixed { 5 } else { 4 };
    match (providers, chance.index(choices)) {
        (Providers::Adyen, 0) => typed("GBP", gb_bank()),
        (Providers::Adyen, 1) => typed("USD", us_bank()),
        (Providers::Adyen, _) => typed("EUR", iban()),
        (Providers::Paypal, 0) => typed("JPY", email()),
        (Providers::Paypal, 1) => typed("USD", email()),
        (Providers::Paypal, _) => typed("EUR", email()),
        (Providers::Stripe, 0) => typed("JPY", connected()),
        (Providers::Stripe, 1) => typed("USD", connected()),
        (Providers::Stripe, _) => typed("EUR", connected()),
        (Providers::Mixed, 0) => typed("EUR", iban()),
        (Providers::Mixed, 1) => typed("USD", us_bank()),
        (Providers::Mixed, 2) => typed("USD", connected()),
        (Providers::Mixed, 3) => typed("USD", email()),
        (Providers::Contract, 0) => Payee::flat("JPY"),
        (Providers::Contract, 2) => Payee::flat("usd"),
        (Providers::Contract, 3) => Payee::flat("EUR"),
        (Providers::Contract | Providers::Mixed, _) => Payee::flat("BHD"),
    }
}

impl Payee {
    fn flat(currency: &'static str) -> Self {
        Self {
            currency,
            recipient: None,
        }
    }
}

/// Returns a German IBAN with its check digits.
fn german_iban(number: u64) -> String {
    let account = format!("50010517{number:010}");
    // "DE00" at the end, with letters as numbers.
    let remainder = format!("{account}131400").bytes().fold(0, |remainder, digit| {
        (remainder * 10 + u32::from(digit - b'0')) % 97
    });
    format!("DE{:02}{account}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_has_its_check_digits() {
        assert_eq!(german_iban(5_407_324_931), "DE44500105175407324931");
    }
}
