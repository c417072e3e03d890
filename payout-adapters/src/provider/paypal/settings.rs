//! Settings and setup errors of the PayPal processor.

use payout_core::provider::ProviderName;
use url::Url;

use crate::Secret;
use crate::outbound::OutboundSettings;

/// The address of PayPal's live system.
pub const LIVE_URL: &str = "https://api-m.paypal.com";

/// An invalid setup of the PayPal processor. No message shows a setting's value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PaypalSetupError {
    /// The URL is not a valid provider URL, or is a URL of PayPal's without TLS.
    #[error("not a provider URL (https://, or http:// to a test system, without user, query and fragment)")]
    InvalidUrl,
    /// The client id or the client secret is empty or has characters that a header cannot carry.
    #[error("the client id or the client secret is empty, or cannot be sent in a header")]
    InvalidCredentials,
    /// The webhook id has other characters than letters and digits.
    #[error("the webhook id is not one of PayPal's: use 1 to 50 letters and digits")]
    InvalidWebhookId,
    /// The certificates, or the address from which those of a test system are fetched, cannot be read.
    #[error("the certificates are not PEM, or their address is not valid")]
    InvalidCertificates,
    /// The system has no root certificates.
    #[error("the system has no root certificates")]
    NoRoots,
    /// Test certificates were given for PayPal's own systems.
    #[error("certificates of a test system are not accepted together with a URL of PayPal's")]
    TestCertificates,
    /// The HTTP client could not be created.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The certificates with which a test system signs its notifications.
#[derive(Debug, Clone)]
pub struct TestCertificates {
    /// The scheme, host and port from which the certificates are fetched.
    pub origin: String,
    /// The root certificates to trust, as PEM.
    pub roots: String,
}

/// Settings of a [`PaypalProcessor`](super::PaypalProcessor).
#[derive(Debug, Clone)]
pub struct PaypalSettings {
    /// The name of the configured provider.
    pub name: ProviderName,
    /// The base URL: PayPal's live system, its sandbox, or a test system.
    pub url: String,
    /// The client id of the REST app.
    pub client_id: String,
    /// The client secret of the REST app.
    pub client_secret: Secret,
    /// The id of the webhook at PayPal. Absent: notifications are not accepted.
    pub webhook_id: Option<String>,
    /// Intermediate certificates as PEM, for the case that PayPal's certificate file does not contain its whole chain.
    /// They are no roots: the chain must still end at one of the system's.
    pub intermediates: Option<String>,
    /// The certificates of a test system, which may sign notifications in place of PayPal. They are refused together
    /// with a URL of PayPal's.
    pub test_certificates: Option<TestCertificates>,
    /// Settings of the HTTP client.
    pub outbound: OutboundSettings,
}

impl PaypalSettings {
    /// Creates settings for PayPal's live system, without notifications.
    pub fn new(name: ProviderName, client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            name,
            url: LIVE_URL.to_owned(),
            client_id: client_id.into(),
            client_secret,
            webhook_id: None,
            intermediates: None,
            test_certificates: None,
            outbound: OutboundSettings::default(),
        }
    }
}

/// The system behind a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Live,
    Sandbox,
    /// A system that is not PayPal's.
    Test,
}

/// Reads a base URL.
///
/// A URL with a user is refused, since logs would show the password with the URL. A URL with a query is refused, since
/// the query would be lost.
pub(super) fn base_url(text: &str) -> Result<(Url, System), PaypalSetupError> {
    let url = Url::parse(text).map_err(|_| PaypalSetupError::InvalidUrl)?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().ok_or(PaypalSetupError::InvalidUrl)?;
    let system = if is_below(host, "sandbox.paypal.com") {
        System::Sandbox
    } else if is_below(host, "paypal.com") {
        System::Live
    } else {
        System::Test
    };
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && system == System::Test);
    if bare && encrypted {
        Ok((url, system))
    } else {
        Err(PaypalSetupError::InvalidUrl)
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_system_behind_it() {
        for (url, system) in [
            (LIVE_URL, System::Live),
            ("https://api.paypal.com/", System::Live),
            ("https://api-m.sandbox.paypal.com", System::Sandbox),
            ("https://paypal.com.example", System::Test),
            ("https://notpaypal.com", System::Test),
            ("http://127.0.0.1:8080", System::Test),
        ] {
            assert_eq!(base_url(url).unwrap().1, system, "{url}");
        }
    }

    #[test]
    fn a_url_that_would_leak_a_secret_or_is_none_is_refused() {
        for url in [
            "",
            "api-m.paypal.com",
            "http://api-m.paypal.com",
            "http://api-m.sandbox.paypal.com",
            "ftp://127.0.0.1",
            "https://user@api-m.paypal.com",
            "https://user:hunter2@127.0.0.1",
            "https://api-m.paypal.com?a=hunter2",
            "https://api-m.paypal.com#hunter2",
        ] {
            let error = base_url(url).unwrap_err();
            assert!(matches!(error, PaypalSetupError::InvalidUrl), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
