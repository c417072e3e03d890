//! The certificates with which PayPal signs notifications: where they come from, and what makes one trustworthy.
//!
//! A notification names its certificate by a URL. The certificate is fetched only from PayPal's own hosts, over TLS and
//! without redirects. It must chain to one of the system's root certificates, be valid now, and bear PayPal's name for
//! signing notifications.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::{Clock, System as SystemClock};
use payout_core::provider::NotificationError;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use tokio::sync::Mutex;
use url::Url;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::settings::{PaypalSettings, PaypalSetupError, System};
use crate::outbound::{Body, Outbound, OutboundSettings};

/// The path of all certificates.
const PATH: &str = "/v1/notifications/certs/";
/// The longest file of certificates that is read, in bytes. PayPal's have a few thousand.
const LONGEST_FILE: usize = 64 * 1024;
/// The largest number of certificates in a file.
const MOST_CERTIFICATES: usize = 10;
/// The largest number of files that are kept.
const MOST_FILES: usize = 8;
/// The time for which a file is kept.
const KEPT_FOR: Duration = Duration::from_secs(6 * 60 * 60);
/// The largest number of fetches per minute, so that forged notifications cannot make this service call PayPal at will.
const FETCHES_PER_MINUTE: usize = 12;
const MINUTE: Duration = Duration::from_secs(60);

/// The names of PayPal's signing certificates.
const LIVE_NAME: &str = "messageverificationcerts.paypal.com";
const SANDBOX_NAME: &str = "messageverificationcerts.sandbox.paypal.com";

/// A certificate and the rest of its chain.
type Chain = Arc<Vec<CertificateDer<'static>>>;

/// The certificates of one system.
pub(super) struct Certificates {
    client: Outbound,
    /// The origins from which certificates may be fetched.
    origins: Vec<String>,
    /// The names that a signing certificate may bear.
    names: Vec<ServerName<'static>>,
    roots: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    kept: Mutex<Kept>,
    clock: SystemClock,
}

/// The files that are kept, and the fetches of the last minute, by monotonic times.
#[derive(Default)]
struct Kept {
    /// The URL, the end of its time, and the content.
    files: VecDeque<(String, Duration, Chain)>,
    fetches: VecDeque<Duration>,
}

impl Certificates {
    pub(super) fn new(settings: &PaypalSettings, system: System) -> Result<Self, PaypalSetupError> {
        let (origins, names) = match (&settings.test_certificates, system) {
            (None, System::Live | System::Test) => (
                vec!["https://api.paypal.com".into(), "https://api-m.paypal.com".into()],
                &[LIVE_NAME][..],
            ),
            (None, System::Sandbox) => (
                vec![
                    "https://api.sandbox.paypal.com".into(),
                    "https://api-m.sandbox.paypal.com".into(),
                ],
                &[SANDBOX_NAME, LIVE_NAME][..],
            ),
            (Some(test), System::Test) => {
                let origin = Url::parse(&test.origin).map_err(|_| PaypalSetupError::InvalidCertificates)?;
                (vec![origin.origin().ascii_serialization()], &[LIVE_NAME][..])
            }
            (Some(_), System::Live | System::Sandbox) => return Err(PaypalSetupError::TestCertificates),
        };
        let roots = match &settings.test_certificates {
            Some(test) => anchors(&certificates(test.roots.as_bytes())?),
            None => anchors(&rustls_native_certs::load_native_certs().certs),
        };
        if roots.is_empty() {
            return Err(PaypalSetupError::NoRoots);
        }
        Ok(Self {
            client: client()?,
            origins,
            names: names
                .iter()
                .filter_map(|name| ServerName::try_from(*name).ok())
                .collect(),
            roots,
            intermediates: match &settings.intermediates {
                Some(pem) => certificates(pem.as_bytes())?,
                None => Vec::new(),
            },
            kept: Mutex::default(),
            clock: SystemClock::default(),
        })
    }

    /// Verifies a signature by the certificate at a URL.
    ///
    /// # Errors
    /// [`NotificationError::InvalidSignature`] if the signature, the URL or the certificate's name is wrong;
    /// [`NotificationError::Unavailable`] if the certificate cannot be fetched or trusted now.
    pub(super) async fn verify(
        &self,
        url: &str,
        message: &[u8],
        signature: &[u8],
        now: UnixTime,
    ) -> Result<(), NotificationError> {
        let chain = self.chain(self.url(url)?).await?;
        let Some((first, others)) = chain.split_first() else {
            return Err(NotificationError::InvalidSignature);
        };
        let signer = EndEntityCert::try_from(first).map_err(|_| NotificationError::InvalidSignature)?;
        let named = |name: &ServerName<'_>| signer.verify_is_valid_for_subject_name(name).is_ok();
        if !self.names.iter().any(named) {
            return Err(NotificationError::InvalidSignature);
        }
        let intermediates: Vec<_> = others.iter().chain(&self.intermediates).cloned().collect();
        signer
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.roots,
                &intermediates,
                now,
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map_err(|error| {
                NotificationError::Unavailable(format!("the certificate is not trusted: {error:?}"))
            })?;
        signer
            .verify_signature(webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| NotificationError::InvalidSignature)
    }

    /// Reads the URL of a certificate, which must be one of PayPal's.
    fn url(&self, text: &str) -> Result<Url, NotificationError> {
        let id_is_plain = |id: &str| {
            (1..=100).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        Url::parse(text)
            .ok()
            .filter(|url| self.origins.contains(&url.origin().ascii_serialization()))
            .filter(|url| url.path().strip_prefix(PATH).is_some_and(id_is_plain))
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or(NotificationError::InvalidSignature)
    }

    /// Returns the certificates at a URL. The first is the signer's.
    async fn chain(&self, url: Url) -> Result<Chain, NotificationError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.monotonic();
        kept.files.retain(|(_, until, _)| now < *until);
        if let Some((_, _, chain)) = kept.files.iter().find(|(known, ..)| known == url.as_str()) {
            return Ok(chain.clone());
        }
        kept.fetches.retain(|begun| now < *begun + MINUTE);
        if kept.fetches.len() >= FETCHES_PER_MINUTE {
            return Err(NotificationError::Unavailable(
                "too many certificates were asked for".to_owned(),
            ));
        }
        kept.fetches.push_back(now);
        let chain = Arc::new(self.fetch(url.clone()).await?);
        if kept.files.len() >= MOST_FILES {
            kept.files.pop_front();
        }
        kept.files.push_back((url.into(), now + KEPT_FOR, chain.clone()));
        Ok(chain)
    }

    async fn fetch(&self, url: Url) -> Result<Vec<CertificateDer<'static>>, NotificationError> {
        let unavailable = |why: String| NotificationError::Unavailable(why);
        let received = self
            .client
            .ask(self.client.request(Method::GET, url))
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        match (received.status, &received.body) {
            (200, Body::Whole(body)) => certificates(body)
                .ok()
                .filter(|found| (1..=MOST_CERTIFICATES).contains(&found.len()))
                .ok_or_else(|| unavailable("the file has no certificates".to_owned())),
            (404, _) => Err(NotificationError::InvalidSignature),
            (status, _) => Err(unavailable(format!("the certificate's host answered {status}"))),
        }
    }
}

fn client() -> Result<Outbound, PaypalSetupError> {
    let settings = OutboundSettings {
        timeout: Duration::from_secs(5),
        idle_connections: 1,
        longest_answer: LONGEST_FILE,
        ..OutboundSettings::default()
    };
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]);
    Outbound::new(&settings, headers).map_err(|error| PaypalSetupError::Client(error.0))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PaypalSetupError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| PaypalSetupError::InvalidCertificates)?;
    if certificates.is_empty() {
        return Err(PaypalSetupError::InvalidCertificates);
    }
    Ok(certificates)
}

/// Takes root certificates. One that cannot be read is left out, as browsers do: systems have odd ones.
fn anchors(certificates: &[CertificateDer<'static>]) -> Vec<TrustAnchor<'static>> {
    certificates
        .iter()
        .filter_map(|certificate| anchor_from_trusted_cert(certificate).ok())
        .map(|anchor| anchor.to_owned())
        .collect()
}
