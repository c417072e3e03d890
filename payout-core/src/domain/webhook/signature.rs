//! Signatures of deliveries.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{Secrets, WebhookSecret};
use crate::Timestamp;

/// The content of the header `webhook-signature`: `v1,` and an HMAC-SHA256 of `id.timestamp.body` in base64, for each
/// secret that signs, separated by spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(String);

impl Signature {
    /// Signs a delivery with all secrets that sign at `now`, which is also the time in the header `webhook-timestamp`.
    pub fn of(secrets: &Secrets, now: Timestamp, message_id: &str, body: &str) -> Self {
        let mut text = String::new();
        for secret in secrets.signing(now) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str("v1,");
            STANDARD.encode_string(mac(secret, now.timestamp(), message_id, body), &mut text);
        }
        Self(text)
    }

    /// Returns the text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn mac(secret: &WebhookSecret, timestamp: i64, message_id: &str, body: &str) -> [u8; 32] {
    sign(secret.bytes(), timestamp, message_id, body)
}

fn sign(key: &[u8], timestamp: i64, message_id: &str, body: &str) -> [u8; 32] {
    // A key of any length is valid.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(message_id.as_bytes());
    mac.update(format!(".{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The example of the specification and of its libraries. Its secret is shorter than ours.
    #[test]
    fn the_published_vector_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = sign(
            &key,
            1_614_265_330,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            STANDARD.encode(signed),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn while_a_secret_is_rotated_both_sign_the_newer_first() {
        let now = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let (old, new) = (WebhookSecret::of(&[1; 32]), WebhookSecret::of(&[2; 32]));
        let alone = |secret: &WebhookSecret| Signature::of(&Secrets::new(secret.clone()), now, "id", "{}");
        let both = Secrets::new(old.clone()).rotated(new.clone(), now, Duration::from_secs(60));
        assert_eq!(
            Signature::of(&both, now, "id", "{}").as_str(),
            format!("{} {}", alone(&new), alone(&old))
        );
    }

    #[test]
    fn every_part_is_signed() {
        let (now, later) = (
            Timestamp::from_timestamp(1_700_000_000, 0).unwrap(),
            Timestamp::from_timestamp(1_700_000_001, 0).unwrap(),
        );
        let secrets = Secrets::new(WebhookSecret::of(&[7; 32]));
        let signed = Signature::of(&secrets, now, "id", "{}");
        assert_ne!(signed, Signature::of(&secrets, later, "id", "{}"));
        assert_ne!(signed, Signature::of(&secrets, now, "ie", "{}"));
        assert_ne!(signed, Signature::of(&secrets, now, "id", "{} "));
        let other = Secrets::new(WebhookSecret::of(&[8; 32]));
        assert_ne!(signed, Signature::of(&other, now, "id", "{}"));
    }
}
