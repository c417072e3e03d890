//! Requests to the provider: their URLs and the body of a submission.

use payout_core::provider::{Instruction, ProcessorKey};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use super::settings::HttpSetupError;

/// The characters to escape: all but those that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The provider's URLs.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    submit: Url,
}

impl Endpoints {
    /// Derives the URLs from the provider's base URL.
    ///
    /// A URL with a user is refused, since logs would show the password with the URL. A URL with a query is refused,
    /// since the query would be lost.
    pub(super) fn new(base: &str) -> Result<Self, HttpSetupError> {
        let mut url = Url::parse(base).map_err(|_| HttpSetupError::InvalidUrl)?;
        let reachable = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none();
        if !reachable || !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(HttpSetupError::InvalidUrl);
        }
        let path = format!("{}/payouts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self { submit: url })
    }

    pub(super) fn submit(&self) -> Url {
        self.submit.clone()
    }

    pub(super) fn look_up(&self, key: &ProcessorKey) -> Url {
        let mut url = self.submit.clone();
        let key = utf8_percent_encode(key.as_str(), RESERVED);
        url.set_path(&format!("{}/{key}", self.submit.path()));
        url
    }
}

/// The JSON body of a submission.
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    payout_id: String,
    /// The amount as text: as a JSON number it could pass through a float on either side.
    amount: String,
    currency: &'static str,
    recipient_account: &'a str,
    recipient_name: &'a str,
    description: &'a str,
    /// A digest of the five fields above. The provider may repeat it in its answers.
    digest: String,
}

impl<'a> From<&'a Instruction> for Wire<'a> {
    fn from(instruction: &'a Instruction) -> Self {
        let details = &instruction.details;
        Self {
            payout_id: instruction.payout_id.to_string(),
            amount: details.money.amount().to_string(),
            currency: details.money.currency().code(),
            recipient_account: details.recipient.account.as_str(),
            recipient_name: details.recipient.name.as_str(),
            description: details.description.as_str(),
            digest: details.digest(),
        }
    }
}

impl Wire<'_> {
    #[expect(clippy::expect_used, reason = "texts under fixed names are always JSON")]
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("JSON")
    }
}

#[cfg(test)]
mod tests {
    use payout_core::payout::PayoutId;

    use super::*;

    fn look_up(base: &str) -> String {
        let key = ProcessorKey::new(PayoutId::from(uuid::Uuid::nil()), None, 3);
        Endpoints::new(base).unwrap().look_up(&key).to_string()
    }

    #[test]
    fn the_paths_are_added_to_the_url_with_and_without_its_last_slash() {
        const KEY: &str = "00000000-0000-0000-0000-000000000000%3A3";
        for base in ["https://pay.example", "https://pay.example/"] {
            assert_eq!(
                Endpoints::new(base).unwrap().submit().as_str(),
                "https://pay.example/payouts"
            );
            assert_eq!(look_up(base), format!("https://pay.example/payouts/{KEY}"));
        }
        assert_eq!(
            look_up("http://[::1]:8443/v1/"),
            format!("http://[::1]:8443/v1/payouts/{KEY}")
        );
    }

    #[test]
    fn a_url_that_no_provider_has_is_refused_without_showing_it() {
        let refused = [
            "",
            "pay.example",
            "/v1",
            "ftp://pay.example",
            "file:///x",
            "data:x",
            "https://",
            "https://u@pay.example",
            "https://u:hunter2@pay.example",
            "https://pay.example?a=hunter2",
            "https://pay.example#hunter2",
        ];
        for base in refused {
            let error = Endpoints::new(base).unwrap_err();
            assert!(matches!(error, HttpSetupError::InvalidUrl), "{base}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
