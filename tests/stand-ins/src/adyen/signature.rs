//! Signatures of notifications.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::NOTIFICATION_KEY;
use crate::notifier::Push;

/// Signs a body, or forges its signature with another key.
pub(super) fn signed(body: Vec<u8>, forged: bool) -> Push {
    let key: Vec<u8> = if forged {
        b"the key of somebody else".to_vec()
    } else {
        let byte = |place| u8::from_str_radix(NOTIFICATION_KEY.get(place..place + 2)?, 16).ok();
        (0..NOTIFICATION_KEY.len()).step_by(2).filter_map(byte).collect()
    };
    let signature = Hmac::<Sha256>::new_from_slice(&key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(&body);
            mac.finalize().into_bytes().to_vec()
        },
    );
    Push {
        headers: vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("HmacSignature".to_owned(), STANDARD.encode(signature)),
        ],
        body,
    }
}
