//! Text that must not be shown.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// A password, a token, a key, or a URL that contains one.
///
/// Its memory is overwritten when it is dropped. `Debug` and `Display` print `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Returns the text itself, for its actual use. Do not keep a copy.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    /// Overwrites the memory of the given text.
    fn from(text: String) -> Self {
        Zeroizing::new(text).as_str().into()
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_as_three_stars_whoever_prints_it() {
        let secret = Secret::from("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "*** *** Some(***)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    /// Checks every type of this crate that can be printed and holds a secret, or text about a recipient.
    #[cfg(all(
        feature = "http",
        feature = "stripe",
        feature = "redis",
        feature = "sqlite",
        feature = "postgres"
    ))]
    #[tokio::test]
    async fn nothing_that_is_printed_tells_a_secret() {
        use std::sync::Arc;

        use payout_core::ports::System;

        use crate::encryption::EncryptionKeys;
        use crate::provider::http_contract::answer::{Body, Received};
        use crate::provider::http_contract::{HttpProcessor, HttpSettings};
        use crate::provider::stripe::{StripeProcessor, StripeSettings};
        use crate::queue::redis::{RedisQueue, RedisSettings};
        use crate::storage::postgres::{PostgresOptions, PostgresRepository};
        use crate::storage::sqlite::SqliteRepository;

        const KEY: &str = "k1:Y2FuYXJ5LWVuY3J5cHRpb24ta2V5LTU1NS0hISEhISE=";
        let keys = EncryptionKeys::parse(KEY).unwrap();
        let http = HttpSettings {
            token: Some("canary-token".into()),
            notification_key: Some("canary-key".into()),
            ..HttpSettings::new("http://127.0.0.1:1")
        };
        let mut stripe = StripeSettings::new("stripe".parse().unwrap(), "sk_canary".into());
        stripe.notification_key = Some("whsec_canary".into());
        let redis = RedisSettings::new("redis://user:canary@127.0.0.1:1", "prefix", "consumer");
        let received = Received {
            status: 200,
            retry_after: None,
            body: Body::Whole(b"canary".to_vec()),
        };
        let options = PostgresOptions::default();
        let postgres = PostgresRepository::connect_lazy("postgres://user:canary@127.0.0.1:1/db", &options);
        let sqlite = SqliteRepository::open_lazy("sqlite://x.db", Arc::new(System::default()));
        for shown in [
            format!("{keys:?}"),
            format!("{:?} {:?}", HttpProcessor::new(&http).unwrap(), http),
            format!("{:?} {:?}", StripeProcessor::new(&stripe).unwrap(), stripe),
            format!("{:?} {:?}", RedisQueue::new(&redis).unwrap(), redis),
            format!("{received:?}"),
            format!("{:?}", postgres.unwrap().sealing_with(keys.clone())),
            format!("{:?}", sqlite.unwrap().sealing_with(keys)),
        ] {
            assert!(!shown.is_empty());
            // "canary" also begins the decoded key, and 99, 97, 110 are its first bytes.
            for canary in ["canary", "Y2FuYXJ5", "99, 97, 110"] {
                assert!(!shown.contains(canary), "{canary} in {shown}");
            }
        }
    }
}
