//! Signatures of notifications in the form `t=<seconds>,v1=<hex>`: HMAC-SHA256 over the seconds, a dot and the raw body.
//!
//! The time is covered by the signature, so a notification that was recorded cannot be sent again later. While a key is
//! being replaced, a provider signs with both keys, and the header has several `v1`.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use payout_core::Timestamp;
use payout_core::provider::{Notification, NotificationError};
use sha2::Sha256;

use crate::Secret;

/// The maximum difference between the time of a signature and the present.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Verifies the signature of a notification, in constant time.
///
/// # Errors
/// [`NotificationError::InvalidSignature`] if the header is missing or repeated, no signature in it is right, or its
/// time is too far from `now`.
pub(crate) fn verify(
    notification: &Notification,
    header: &str,
    key: &Secret,
    now: Timestamp,
) -> Result<(), NotificationError> {
    let invalid = NotificationError::InvalidSignature;
    let Some(Header { time, signatures }) = notification.header(header).and_then(Header::read) else {
        return Err(invalid);
    };
    let is_right = |signature: &Vec<u8>| {
        mac(time, &notification.body, key).is_some_and(|mac| mac.verify_slice(signature).is_ok())
    };
    let seconds: i64 = time.parse().map_err(|_| NotificationError::InvalidSignature)?;
    let is_recent = now.timestamp().abs_diff(seconds) <= TOLERANCE.as_secs();
    if is_recent && signatures.iter().any(is_right) {
        Ok(())
    } else {
        Err(invalid)
    }
}

/// Signs a body at a time; returns the header's value.
pub fn sign(body: &[u8], key: &Secret, at: Timestamp) -> Option<String> {
    let time = at.timestamp().to_string();
    let signature = mac(&time, body, key)?.finalize().into_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("t={time},v1={hex}"))
}

fn mac(time: &str, body: &[u8], key: &Secret) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// The parts of the header. Schemes other than `v1` are ignored.
struct Header<'a> {
    time: &'a str,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Header<'a> {
    /// Reads the header; `None` if it has no time, or more than one.
    fn read(text: &'a str) -> Option<Self> {
        let parts = || text.split(',').filter_map(|part| part.trim().split_once('='));
        let mut times = parts().filter(|(name, _)| *name == "t");
        let (_, time) = times.next()?;
        if times.next().is_some() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let signatures = parts()
            .filter(|(name, _)| *name == "v1")
            .filter_map(|(_, hex)| decode(hex))
            .collect();
        Some(Self { time, signatures })
    }
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T09:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn key() -> Secret {
        "whsec_test".into()
    }

    fn signed(header: &str) -> Notification {
        Notification {
            headers: vec![("x-signature".to_owned(), header.to_owned())],
            body: b"{\"a\":1}".to_vec(),
        }
    }

    fn accepts(notification: &Notification) -> bool {
        verify(notification, "x-signature", &key(), now()).is_ok()
    }

    fn signature_at(seconds: i64) -> String {
        let at = now() + chrono::Duration::seconds(seconds);
        sign(b"{\"a\":1}", &key(), at).unwrap()
    }

    #[test]
    fn a_signature_is_the_hex_hmac_of_time_dot_body() {
        // printf '1795510800.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "t=1795510800,v1=8a556f24a7fe3a7be8b53ac0b8e46ead872f101f1d374921d04aa5c9bf3fa989";
        assert_eq!(signature_at(0), expected);
        assert!(accepts(&signed(expected)));
    }

    #[test]
    fn only_the_signed_bytes_under_the_key_are_accepted() {
        let mut changed = signed(&signature_at(0));
        changed.body.push(b' ');
        assert!(!accepts(&changed));
        let other = sign(b"{\"a\":1}", &"other".into(), now()).unwrap();
        assert!(!accepts(&signed(&other)));
        let mut repeated = signed(&signature_at(0));
        repeated.headers.extend(repeated.headers.clone());
        assert!(!accepts(&repeated));
        assert!(!accepts(&Notification::default()));
    }

    #[test]
    fn five_minutes_off_are_accepted_and_more_are_not() {
        for (seconds, accepted) in [(-300, true), (300, true), (-301, false), (301, false)] {
            assert_eq!(accepts(&signed(&signature_at(seconds))), accepted, "{seconds}");
        }
        // Another time than the signed one.
        let moved = signature_at(-301).replace(
            &(now().timestamp() - 301).to_string(),
            &now().timestamp().to_string(),
        );
        assert!(!accepts(&signed(&moved)));
    }

    #[test]
    fn one_right_signature_of_several_is_enough() {
        let right = signature_at(0);
        let (time, signature) = right.split_once(',').unwrap();
        let wrong = "v1=00";
        assert!(accepts(&signed(&format!("{time},{wrong},v0=ab, {signature}"))));
        assert!(accepts(&signed(&format!("{time},{signature},v1=zz"))));
        assert!(!accepts(&signed(&format!("{time},{wrong}"))));
        assert!(!accepts(&signed(&format!("{time},{time},{signature}"))));
        assert!(!accepts(&signed(signature)));
        assert!(!accepts(&signed(&right.replace("v1=", "v0="))));
    }
}
