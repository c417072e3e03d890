//! The providers that the settings name: one, or those of a file.

use std::sync::Arc;
use std::time::Duration;

use payout_adapters::provider::adyen::{AdyenPriority, AdyenProcessor, AdyenSettings, AdyenSetupError};
use payout_adapters::provider::http_contract::{HttpProcessor, HttpSettings, HttpSetupError};
use payout_adapters::provider::paypal::{
    PaypalProcessor, PaypalSettings, PaypalSetupError, TestCertificates,
};
use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_adapters::provider::stripe::{StripeProcessor, StripeSettings, StripeSetupError};
use payout_core::ports::Processor;
use payout_core::provider::Routes;

use crate::own_ports::OWN;
use crate::settings::providers::{self, ConfiguredProvider};
use crate::settings::{
    Command, Config, ConfigError, EncryptionCommand, ProcessorConfig, ProviderKind, ProviderMistake,
    ProviderSettings,
};

/// The time that a simulated payment takes where the file does not say.
const SIMULATED_DELAY_MS: u64 = 2_000;
/// The longest time for which a provider may return a payment.
const LONGEST_RETURN_DAYS: u64 = 366;

/// Returns the kinds that the file of providers may name: one row each, with its keys besides the common ones.
fn kinds() -> Vec<ProviderKind> {
    vec![
        ProviderKind::new(
            "adyen",
            &[
                "api_key_file",
                "balance_account",
                "notification_key_file",
                "priority",
                "url",
            ],
            adyen,
        ),
        ProviderKind::new(
            "http",
            &["notification_key_file", "return_days", "token_file", "url"],
            http,
        ),
        ProviderKind::new("paypal", &PAYPAL_KEYS, paypal),
        ProviderKind::new("simulated", &["delay_ms", "failure_rate"], simulated),
        ProviderKind::new(
            "stripe",
            &["notification_key_file", "secret_key_file", "url"],
            stripe,
        ),
    ]
}

fn adyen(settings: &ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> {
    let mut adyen = AdyenSettings::new(
        settings.name().clone(),
        settings.required_secret("api_key_file")?,
        settings.required_text("balance_account")?,
    );
    adyen.notification_key = settings.secret("notification_key_file")?;
    if let Some(url) = settings.url("url")? {
        adyen.url = url.into();
    }
    if let Some(priority) = settings.text("priority")? {
        let names: Vec<&str> = AdyenPriority::ALL
            .iter()
            .map(|priority| priority.as_str())
            .collect();
        let invalid = |_| settings.mistake("priority", format!("use one of {}", names.join(", ")));
        adyen.priority = priority.parse().map_err(invalid)?;
    }
    let processor = AdyenProcessor::new(&adyen).map_err(|error| {
        let key = match error {
            AdyenSetupError::InvalidApiKey => "api_key_file",
            AdyenSetupError::InvalidBalanceAccount => "balance_account",
            AdyenSetupError::InvalidNotificationKey => "notification_key_file",
            AdyenSetupError::InvalidUrl | AdyenSetupError::Client(_) | _ => "url",
        };
        settings.mistake(key, error)
    })?;
    Ok(Arc::new(processor))
}

fn http(settings: &ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> {
    let url = settings.url("url")?.ok_or_else(|| settings.missing("url"))?;
    let days = settings.number("return_days", 1..=LONGEST_RETURN_DAYS)?;
    let http = HttpSettings {
        token: settings.secret("token_file")?,
        notification_key: settings.secret("notification_key_file")?,
        returns_within: days.map(|days| Duration::from_secs(days * 24 * 60 * 60)),
        ..HttpSettings::new(url.as_str())
    };
    let processor = HttpProcessor::new(&http).map_err(|error| {
        let key = match error {
            HttpSetupError::InvalidToken => "token_file",
            HttpSetupError::InvalidUrl | HttpSetupError::Client(_) | _ => "url",
        };
        settings.mistake(key, error)
    })?;
    Ok(Arc::new(processor))
}

const PAYPAL_KEYS: [&str; 7] = [
    "client_id",
    "client_secret_file",
    "intermediates_file",
    "test_certificates_file",
    "test_certificates_url",
    "url",
    "webhook_id",
];

fn paypal(settings: &ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> {
    let (client_id, secret) = (
        settings.required_text("client_id")?,
        settings.required_secret("client_secret_file")?,
    );
    let mut paypal = PaypalSettings::new(settings.name().clone(), client_id, secret);
    if let Some(url) = settings.url("url")? {
        paypal.url = url.into();
    }
    paypal.webhook_id = settings.text("webhook_id")?;
    paypal.intermediates = settings.file("intermediates_file")?;
    if let Some(origin) = settings.url("test_certificates_url")? {
        paypal.test_certificates = Some(TestCertificates {
            origin: origin.into(),
            roots: settings
                .file("test_certificates_file")?
                .ok_or_else(|| settings.missing("test_certificates_file"))?,
        });
    } else if settings.text("test_certificates_file")?.is_some() {
        return Err(settings.missing("test_certificates_url"));
    }
    for key in ["intermediates_file", "test_certificates_url"] {
        if paypal.webhook_id.is_none() && settings.text(key)?.is_some() {
            let message = "is for notifications, which need `webhook_id`";
            return Err(settings.mistake(key, message));
        }
    }
    let processor = PaypalProcessor::new(&paypal).map_err(|error| {
        let key = match error {
            PaypalSetupError::InvalidCredentials => "client_id",
            PaypalSetupError::InvalidWebhookId | PaypalSetupError::NoRoots => "webhook_id",
            PaypalSetupError::InvalidCertificates if paypal.test_certificates.is_some() => {
                "test_certificates_file"
            }
            PaypalSetupError::InvalidCertificates => "intermediates_file",
            PaypalSetupError::TestCertificates => "test_certificates_url",
            PaypalSetupError::InvalidUrl | PaypalSetupError::Client(_) | _ => "url",
        };
        settings.mistake(key, error)
    })?;
    Ok(Arc::new(processor))
}

fn simulated(settings: &ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> {
    let delay = settings.number("delay_ms", 0..=86_400_000)?;
    let delay = Duration::from_millis(delay.unwrap_or(SIMULATED_DELAY_MS));
    let failure_rate = settings.decimal("failure_rate")?.unwrap_or(0.0);
    let processor = SimulatedProcessor::new(delay, failure_rate);
    let processor = processor.map_err(|error| settings.mistake("failure_rate", error))?;
    Ok(Arc::new(processor))
}

fn stripe(settings: &ProviderSettings<'_>) -> Result<Arc<dyn Processor>, ProviderMistake> {
    let secret_key = settings.required_secret("secret_key_file")?;
    let mut stripe = StripeSettings::new(settings.name().clone(), secret_key);
    stripe.notification_key = settings.secret("notification_key_file")?;
    if let Some(url) = settings.url("url")? {
        stripe.url = url.into();
    }
    let processor = StripeProcessor::new(&stripe).map_err(|error| {
        let key = match error {
            StripeSetupError::InvalidSecretKey => "secret_key_file",
            StripeSetupError::InvalidUrl | StripeSetupError::Client(_) | _ => "url",
        };
        settings.mistake(key, error)
    })?;
    Ok(Arc::new(processor))
}

/// The providers of this process.
#[derive(Debug, Default)]
pub(super) struct Providers {
    pub(super) list: Vec<ConfiguredProvider>,
    /// Absent for the only provider of settings without a file.
    pub(super) routes: Option<Arc<Routes>>,
}

impl Providers {
    /// Makes the adapters that the settings name. `own` are the kinds that the program adds.
    ///
    /// # Errors
    /// [`ConfigError`] when an adapter refuses its setting, or the file has a mistake.
    pub(super) fn new(config: &Config, own: &[ProviderKind]) -> Result<Self, ConfigError> {
        let only = |processor, kind, url| Self {
            list: vec![ConfiguredProvider::only(processor, kind, url)],
            routes: None,
        };
        match &config.processor {
            ProcessorConfig::Simulated { delay, failure_rate } => {
                let processor =
                    SimulatedProcessor::new(*delay, *failure_rate).map_err(|error| ConfigError {
                        variable: "PAYOUT_SIMULATED_FAILURE_RATE",
                        message: error.to_string(),
                    })?;
                Ok(only(Arc::new(processor), "simulated", None))
            }
            ProcessorConfig::Http { url, token } => {
                let settings = HttpSettings {
                    token: token.clone(),
                    ..HttpSettings::new(url.as_str())
                };
                let processor = HttpProcessor::new(&settings).map_err(|error| {
                    let variable = match error {
                        HttpSetupError::InvalidToken => "PAYOUT_PROCESSOR_TOKEN",
                        HttpSetupError::InvalidUrl | HttpSetupError::Client(_) | _ => "PAYOUT_PROCESSOR_URL",
                    };
                    ConfigError {
                        variable,
                        message: error.to_string(),
                    }
                })?;
                Ok(only(Arc::new(processor), "http", Some(url.clone())))
            }
            ProcessorConfig::Providers { .. } if !calls_providers(&config.command) => Ok(Self::default()),
            ProcessorConfig::Providers { file } => {
                let kinds: Vec<_> = kinds().into_iter().chain(own.iter().cloned()).collect();
                let content = providers::read(file, &kinds, config.worker.lease / 3)?;
                for line in &content.warnings {
                    tracing::warn!("{}: {line}", file.display());
                }
                Ok(Self {
                    list: content.providers,
                    routes: Some(Arc::new(content.routes)),
                })
            }
        }
    }

    /// Takes the program's own provider, which is the only one.
    pub(super) fn own(processor: Arc<dyn Processor>) -> Self {
        Self {
            list: vec![ConfiguredProvider::only(processor, OWN, None)],
            routes: None,
        }
    }
}

/// Returns whether a command needs the providers. The others do not read the file, whose secrets may be for another
/// user.
fn calls_providers(command: &Command) -> bool {
    match command {
        Command::Run
        | Command::Serve
        | Command::Worker
        | Command::Providers(_)
        | Command::Webhooks(_)
        | Command::Doctor { .. }
        // The routes choose the providers of a batch.
        | Command::Import(_)
        | Command::Batch(_)
        | Command::Reconcile(_) => true,
        Command::Migrate
        | Command::Keys(_)
        | Command::Openapi { .. }
        | Command::Encryption(EncryptionCommand::Rotate)
        | Command::KeysRotate
        | Command::Export(_)
        | Command::Backup { .. }
        | Command::ImportDjango(_)
        | Command::Healthcheck => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Reads a file of providers, in a folder of its own with the secret `hunter2` in the file `secret`.
    fn read(text: &str) -> Result<Vec<ConfiguredProvider>, String> {
        let folder = std::env::temp_dir().join(payout_core::contract::build::unique("payout-kinds"));
        std::fs::create_dir(&folder).unwrap();
        let secret = folder.join("secret");
        std::fs::write(&secret, "hunter2").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = folder.join("providers.toml");
        std::fs::write(&file, text).unwrap();
        let content = providers::read(&file, &kinds(), Duration::from_secs(5));
        std::fs::remove_dir_all(&folder).unwrap();
        content
            .map(|content| content.providers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn adyen_is_made_of_its_keys_and_a_mistake_names_its_key() {
        let adyen = |lines: &str| {
            let head = "[[routes]]\nuse = [\"a\"]\n[providers.a]\nkind = \"adyen\"\n";
            read(&format!("{head}{lines}"))
        };
        let valid = "api_key_file = \"secret\"\nbalance_account = \"BA1\"\n";
        let providers = adyen(&format!(
            "{valid}priority = \"crossBorder\"\npoll_interval_ms = 50\n"
        ))
        .unwrap();
        assert_eq!(providers[0].kind, "adyen");
        let interval = providers[0].settings.poll_interval;
        assert_eq!(interval, Some(Duration::from_millis(50)));
        for (lines, key) in [
            ("balance_account = \"BA1\"\n".to_owned(), "api_key_file"),
            ("api_key_file = \"secret\"\n".to_owned(), "balance_account"),
            (
                format!("{valid}notification_key_file = \"secret\"\n"),
                "notification_key_file",
            ),
            (format!("{valid}priority = \"slow\"\n"), "priority"),
            (format!("{valid}url = \"ftp://x\"\n"), "url"),
        ] {
            let mistake = adyen(&lines).unwrap_err();
            assert!(mistake.contains(&format!("providers.a.{key}")), "{mistake}");
            assert!(!mistake.contains("hunter2"), "{mistake}");
        }
    }

    #[test]
    fn a_payment_may_come_back_for_one_time_alone() {
        let http = |lines: &str| {
            let head =
                "[[routes]]\nuse = [\"a\"]\n[providers.a]\nkind = \"http\"\nurl = \"http://127.0.0.1/\"\n";
            read(&format!("{head}{lines}"))
        };
        for one in ["return_days = 30\n", "return_window_seconds = 90\n"] {
            assert!(http(one).is_ok(), "{one}");
        }
        let mistake = http("return_days = 30\nreturn_window_seconds = 90\n").unwrap_err();
        let expected = "providers.toml:7: providers.a.return_window_seconds: return_days is set too, and both say for how \
                        long a payment may come back: remove one";
        assert!(mistake.ends_with(expected), "{mistake}");
    }

    /// Reads the example with its secrets in a folder of the test's own.
    #[test]
    fn the_example_is_a_valid_file() {
        let folder = std::env::temp_dir().join(payout_core::contract::build::unique("payout-example"));
        std::fs::create_dir(&folder).unwrap();
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/providers.toml");
        let text = std::fs::read_to_string(example).unwrap();
        let secrets = text.split("/run/secrets/").skip(1);
        for secret in secrets.filter_map(|rest| rest.split('"').next()) {
            let secret = folder.join(secret);
            std::fs::write(&secret, "hunter2").unwrap();
            std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let file = folder.join("providers.toml");
        std::fs::write(&file, text.replace("/run/secrets/", "")).unwrap();
        let content = providers::read(&file, &kinds(), Duration::from_secs(5)).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let kinds: Vec<_> = content.providers.iter().map(|provider| provider.kind).collect();
        assert_eq!(kinds, ["http", "adyen", "stripe", "paypal", "simulated"]);
        assert!(content.warnings.is_empty());
    }

    /// The vendors with a page in `docs/providers`.
    const VENDORS: &[&str] = &["adyen", "paypal", "stripe"];
    /// The secrets that the pages name.
    const SECRETS: &[(&str, &str)] = &[
        ("adyen", "hunter2"),
        ("adyen-hmac", "0123456789abcdef0123456789abcdef"),
        ("paypal", "hunter2"),
        ("stripe", "sk_live_hunter2"),
        ("stripe-webhook", "whsec_hunter2"),
    ];

    /// Reads the file of providers in the guide of a vendor, with its secrets in a folder of the test's own.
    #[test]
    fn the_file_in_each_vendors_guide_is_valid() {
        for vendor in VENDORS {
            let folder = std::env::temp_dir().join(format!("payout-guide-{vendor}-{}", std::process::id()));
            std::fs::create_dir(&folder).unwrap();
            for (name, secret) in SECRETS {
                let file = folder.join(name);
                std::fs::write(&file, secret).unwrap();
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            let guide = format!("{}/../docs/providers/{vendor}.md", env!("CARGO_MANIFEST_DIR"));
            let guide = std::fs::read_to_string(guide).unwrap();
            let (_, after) = guide.split_once("```toml\n").unwrap();
            let (text, _) = after.split_once("```").unwrap();
            let file = folder.join("providers.toml");
            std::fs::write(&file, text.replace("/run/secrets/", "")).unwrap();
            let content = providers::read(&file, &kinds(), Duration::from_secs(5)).unwrap();
            std::fs::remove_dir_all(&folder).unwrap();
            assert_eq!(content.providers[0].kind, *vendor);
        }
    }

    #[test]
    fn a_mistake_about_paypal_names_its_key() {
        let folder = std::env::temp_dir().join(format!("payout-paypal-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let secret = folder.join("secret");
        std::fs::write(&secret, "hunter2").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(folder.join("roots.pem"), "hunter2").unwrap();
        let file = folder.join("providers.toml");
        for (lines, key) in [
            ("client_secret_file = \"secret\"", "client_id: is missing"),
            ("client_id = \"a\"", "client_secret_file: is missing"),
            (
                "client_id = \"a:b\"\nclient_secret_file = \"secret\"",
                "client_id: ",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\nwebhook_id = \"a|b\"",
                "webhook_id: ",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\nurl = \"http://api-m.paypal.com\"",
                "url: ",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\n\
                 test_certificates_url = \"http://127.0.0.1\"",
                "test_certificates_file: is missing",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\n\
                 test_certificates_url = \"http://127.0.0.1\"\ntest_certificates_file = \"roots.pem\"",
                "test_certificates_url: is for notifications, which need `webhook_id`",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\ntest_certificates_file = \"roots.pem\"",
                "test_certificates_url: is missing",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\nwebhook_id = \"a\"\n\
                 test_certificates_url = \"http://127.0.0.1\"\ntest_certificates_file = \"roots.pem\"",
                "test_certificates_url: certificates of a test system",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\nwebhook_id = \"a\"\nurl = \"http://127.0.0.1\"\n\
                 test_certificates_url = \"http://127.0.0.1\"\ntest_certificates_file = \"roots.pem\"",
                "test_certificates_file: the certificates are not PEM",
            ),
            (
                "client_id = \"a\"\nclient_secret_file = \"secret\"\nwebhook_id = \"a\"\n\
                 intermediates_file = \"roots.pem\"",
                "intermediates_file: the certificates are not PEM",
            ),
        ] {
            let text = format!("[providers.p]\nkind = \"paypal\"\n{lines}\n[[routes]]\nuse = [\"p\"]\n");
            std::fs::write(&file, text).unwrap();
            let error = providers::read(&file, &kinds(), Duration::from_secs(5)).unwrap_err();
            let expected = format!("providers.p.{key}");
            assert!(error.to_string().contains(&expected), "{expected}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
