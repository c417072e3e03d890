//! The signatures of notifications: a root certificate, and a signing certificate that bears PayPal's name for it.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SigningKey,
};

/// The id of the signing certificate.
pub(super) const CERTIFICATE: &str = "CERT-360caa42-fca2a594-1d93a270";

const NAME: &str = "messageverificationcerts.paypal.com";

/// Keys and certificates, which are made when they are first needed.
#[derive(Default)]
pub(super) struct Signing(OnceLock<Option<Made>>);

struct Made {
    root: String,
    certificate: String,
    key: KeyPair,
}

impl Signing {
    fn made(&self) -> Option<&Made> {
        self.0.get_or_init(|| make().ok()).as_ref()
    }

    /// Returns the root certificate as PEM.
    pub(super) fn root(&self) -> String {
        self.made().map(|made| made.root.clone()).unwrap_or_default()
    }

    /// Returns the certificate of this id as PEM.
    pub(super) fn certificate(&self, id: &str) -> Option<String> {
        (id == CERTIFICATE).then(|| self.made().map(|made| made.certificate.clone()))?
    }

    /// Signs a message by SHA-256 with RSA, in Base64.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        let signature = self.made().and_then(|made| made.key.sign(message).ok());
        STANDARD.encode(signature.unwrap_or_default())
    }
}

fn make() -> Result<Made, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "Root of the stand-in for PayPal");
    let root = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut signer = CertificateParams::new(vec![NAME.to_owned()])?;
    signer.distinguished_name.push(DnType::CommonName, NAME);
    signer.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let certificate = signer.signed_by(&key, &root)?;
    Ok(Made {
        root: root.pem(),
        certificate: certificate.pem(),
        key,
    })
}
